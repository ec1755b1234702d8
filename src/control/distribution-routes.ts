/**
 * Scheduler, flow rules, moved flows, and what is known of paths, changed while packets flow (docs/policy.md,
 * docs/control-socket.md). What a request says replaces what was there.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { FileServices } from '../config/flow-schema.ts';
import { withFlows, withScheduler } from '../config/load.ts';
import { PATH_STATES } from '../dataplane/distribution-spec.ts';
import type { DataplaneControl, SessionStatus } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';

interface Named {
  Params: { name: string };
}
interface Path {
  Params: { name: string; bid: string };
}

const port = z.int().min(0).max(65535).optional();
const moveBody = z.strictObject({
  protocol: z.int().min(0).max(255),
  source: z.string(),
  destination: z.string(),
  sourcePort: port,
  destinationPort: port,
  bid: z.int().min(1).max(254).nullable(),
});
const measured = z.number().min(0).optional();
const pathBody = z.strictObject({
  state: z.enum(PATH_STATES).optional(),
  delayUs: measured,
  jitterUs: measured,
  rate: measured,
  loss: z.number().min(0).max(1e6).optional(),
});

export function addDistributionRoutes(
  server: FastifyInstance,
  control: DataplaneControl,
  changed: () => void,
  services: () => FileServices,
): void {
  const done = (name: string): SessionStatus => {
    changed();
    return control.session(name);
  };
  server.put<Named>('/v1/sessions/:name/scheduler', ({ params, body }) => {
    const { distribution = {} } = withScheduler(control.spec(params.name), body);
    control.setDistribution(params.name, distribution);
    return done(params.name);
  });
  server.get<Named>('/v1/sessions/:name/flows', ({ params }) => control.session(params.name).flows);
  server.put<Named>('/v1/sessions/:name/flows', ({ params, body }) => {
    control.updateSession(withFlows(control.spec(params.name), body, services()));
    return done(params.name);
  });
  server.put<Named>('/v1/sessions/:name/moves', ({ params, body }) => {
    const { bid, ...flow } = parse(
      moveBody,
      body,
      'BAD_FLOW',
      '{"protocol": 17, "source": ADDRESS, "destination": ADDRESS, "sourcePort": PORT, "destinationPort": PORT, "bid": BID or null}',
    );
    control.moveFlow(params.name, flow, bid);
    return {};
  });
  server.put<Path>('/v1/sessions/:name/paths/:bid/state', ({ params, body }) => {
    const { state, ...estimates } = parse(
      pathBody,
      body,
      'BAD_PATH',
      `{"state": ${PATH_STATES.map((name) => `"${name}"`).join(' or ')}, "delayUs": N, "jitterUs": N, "rate": BITS, "loss": PPM}, each optional`,
    );
    const bid = Number(params.bid);
    control.setPathEstimates(
      params.name,
      bid,
      Object.fromEntries(Object.entries(estimates).filter(([, value]) => value !== undefined)),
    );
    if (state) control.setPathState(params.name, bid, state);
    return done(params.name);
  });
}

function parse<T extends z.ZodType>(schema: T, body: unknown, code: string, form: string): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new TunloomError(code, `expected ${form}`);
}
