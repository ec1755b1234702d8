/** What a MAG's or LMA's control socket has beyond that of a data plane: bindings, attachment, revocation, events (docs/control-socket.md). */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { metricsSchema } from '../config/mag-schema.ts';
import { TunloomError } from '../errors.ts';
import type { WanMetrics } from '../pmipv6/tunnel-session.ts';
import type { BindingStatus, SignalingStatus } from './signaling-status.ts';

/** A mobile node that appears on the MAG, for as long as nothing detaches it. */
export interface Attachment {
  readonly node: string;
  /** Access interface; the MAG's configuration has a default. */
  readonly interface?: string | undefined;
  /** Link-layer address in hexadecimal digits, with or without colons. */
  readonly linkLayerId?: string | undefined;
}

export interface SignalingControl {
  bindings(): BindingStatus[];
  /** Throws UNKNOWN_SESSION. */
  binding(session: string): BindingStatus;
  signaling(): SignalingStatus;
  /** Back to the weights of signaling and rules. Throws UNKNOWN_SESSION. */
  clearWeights(session: string): void;
  /** LMA. Throws UNKNOWN_SESSION, UNKNOWN_BID. */
  revoke?(session: string, bid: number | undefined): void;
  /** MAG. Throws UNKNOWN_NODE, ALREADY_ATTACHED. */
  attach?(attachment: Attachment): void;
  /** MAG. Throws UNKNOWN_NODE. */
  detach?(node: string): void;
  /** MAG: registers again now, also after a refusal. Throws UNKNOWN_NODE. */
  register?(node: string): void;
  /** MAG: ends the node's session. Throws UNKNOWN_NODE. */
  deregister?(node: string): void;
  /** MAG: takes a WAN interface out of use or into it again. Throws UNKNOWN_INTERFACE. */
  setInterface?(name: string, up: boolean): void;
  /** MAG: what is known of a WAN interface, null: as configured; the LMA is told. Throws UNKNOWN_INTERFACE. */
  setMetrics?(name: string, metrics: WanMetrics | null): void;
}

const revokeBody = z.strictObject({ session: z.string(), bid: z.int().min(1).max(254).optional() });
const attachBody = z.strictObject({
  node: z.string().min(1).max(253),
  interface: z.string().optional(),
  linkLayerId: z
    .string()
    .regex(/^([0-9a-fA-F]{2}[:-]?){1,32}$/)
    .optional(),
});
const nodeBody = z.strictObject({ node: z.string().min(1) });
const NODE_BODY = '{"node": IDENTITY}';
const interfaceBody = z.strictObject({ up: z.boolean().optional(), metrics: metricsSchema.nullish() });

/** Who answers a request that is not for everybody. */
const OWNERS: readonly (readonly [path: RegExp, owner: string])[] = [
  [/^\/v1\/(bindings|signaling)\b/, 'a MAG or LMA'],
  [/^\/v1\/revoke\b/, 'an LMA'],
  [/^\/v1\/(attach|detach|register|deregister|interfaces)\b/, 'a MAG'],
];

/** For the answer to a request that this instance does not know: who would. */
export function ownerOf(url: string): string {
  const owner = OWNERS.find(([path]) => path.test(url))?.[1];
  return owner === undefined ? '' : `: this instance is not ${owner}`;
}

export function addSignalingRoutes(server: FastifyInstance, control: SignalingControl): void {
  server.get('/v1/bindings', () => control.bindings());
  server.get<{ Params: { name: string } }>('/v1/bindings/:name', ({ params }) =>
    control.binding(params.name),
  );
  server.get('/v1/signaling', () => control.signaling());
  server.delete<{ Params: { name: string } }>('/v1/sessions/:name/weights', ({ params }) => {
    control.clearWeights(params.name);
    return control.binding(params.name);
  });
  if (control.revoke) {
    const revoke = control.revoke.bind(control);
    server.post('/v1/revoke', ({ body }) => {
      const { session, bid } = read(revokeBody, body, '{"session": NAME, "bid": 1..254 or left out}');
      revoke(session, bid);
      return {};
    });
  }
  if (control.attach) {
    const attach = control.attach.bind(control);
    server.post('/v1/attach', ({ body }) => {
      attach(read(attachBody, body, '{"node": IDENTITY, "interface": NAME, "linkLayerId": HEX}'));
      return {};
    });
  }
  for (const name of ['detach', 'register', 'deregister'] as const) {
    const action = control[name]?.bind(control);
    if (!action) continue;
    server.post(`/v1/${name}`, ({ body }) => {
      action(read(nodeBody, body, NODE_BODY).node);
      return {};
    });
  }
  if (control.setInterface && control.setMetrics) {
    const setInterface = control.setInterface.bind(control);
    const setMetrics = control.setMetrics.bind(control);
    server.put<{ Params: { name: string } }>('/v1/interfaces/:name', ({ params, body }) => {
      const { up, metrics } = read(interfaceBody, body, '{"up": true or false, "metrics": {...}}');
      if (metrics !== undefined) setMetrics(params.name, metrics);
      if (up !== undefined) setInterface(params.name, up);
      return {};
    });
  }
}

/** Throws BAD_REQUEST saying what was expected. */
function read<T>(schema: z.ZodType<T>, body: unknown, expected: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? `${issue.path.join('.')}: ` : '';
  throw new TunloomError(
    'BAD_REQUEST',
    `${where}${issue?.message ?? 'not understood'}; expected ${expected}`,
  );
}
