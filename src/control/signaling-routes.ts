/** What a MAG's or LMA's control socket has beyond that of a data plane: bindings, attachment, revocation, events (docs/control-socket.md). */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { TunloomError } from '../errors.ts';
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
  /** MAG: as if a WAN interface went up or down. Throws UNKNOWN_INTERFACE. */
  setInterface?(name: string, up: boolean): void;
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
const detachBody = z.strictObject({ node: z.string().min(1) });
const interfaceBody = z.strictObject({ up: z.boolean() });

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
  if (control.attach && control.detach) {
    const attach = control.attach.bind(control);
    const detach = control.detach.bind(control);
    server.post('/v1/attach', ({ body }) => {
      attach(read(attachBody, body, '{"node": IDENTITY, "interface": NAME, "linkLayerId": HEX}'));
      return {};
    });
    server.post('/v1/detach', ({ body }) => {
      detach(read(detachBody, body, '{"node": IDENTITY}').node);
      return {};
    });
  }
  if (control.setInterface) {
    const setInterface = control.setInterface.bind(control);
    server.put<{ Params: { name: string } }>('/v1/interfaces/:name', ({ params, body }) => {
      setInterface(params.name, read(interfaceBody, body, '{"up": true or false}').up);
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
