/**
 * Measured paths: GET /v1/paths and /v1/sessions/NAME/paths, POST .../probe asks them at once, PUT .../probes says how they are probed and
 * judged, PUT .../adaptive lets the weights follow what is measured or leaves them alone (docs/probes.md).
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseAdaptation, parseProbes } from '../config/load.ts';
import type { Adaptation } from '../paths/adaptive-weights.ts';
import type { HealthConfig } from '../paths/path-health.ts';
import type { DataplaneControl, PathHealthStatus } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';

/** What the watch over the paths of a data plane can be asked. */
export interface PathControl {
  paths(session: string): PathHealthStatus[];
  isAdaptive(session: string): boolean;
  /** `adaptation` undefined: as it was. */
  setAdaptive(session: string, adaptive: boolean, adaptation?: Adaptation): void;
  adaptation(session: string): Adaptation;
  probeNow(session: string): void;
  /** How its paths are probed now, and the operator's word on that in the place of an earlier one. */
  probing(session: string): HealthConfig;
  setProbing(session: string, probing: Partial<HealthConfig>): void;
}

interface Named {
  Params: { name: string };
}

const adaptiveBody = z.strictObject({ adaptive: z.boolean(), adaptation: z.unknown().optional() });

/** Adds the requests; `paths` null: this instance sends no probes, and says so. */
export function addPathRoutes(
  server: FastifyInstance,
  control: DataplaneControl,
  paths: PathControl | null,
): void {
  const watch = (): PathControl => {
    if (paths) return paths;
    throw new TunloomError('NO_PROBES', 'probes are switched off in the configuration (probes.enabled)');
  };
  server.get('/v1/paths', () => {
    const watched = watch();
    return control.sessions().flatMap(({ name }) => watched.paths(name));
  });
  server.get<Named>('/v1/sessions/:name/paths', ({ params }) =>
    watch().paths(control.spec(params.name).name),
  );
  server.post<Named>('/v1/sessions/:name/probe', ({ params }) => {
    watch().probeNow(control.spec(params.name).name);
    return {};
  });
  server.get<Named>('/v1/sessions/:name/probes', ({ params }) => watch().probing(params.name));
  server.put<Named>('/v1/sessions/:name/probes', ({ params, body }) => {
    watch().setProbing(params.name, parseProbes(body));
    return watch().probing(params.name);
  });
  server.put<Named>('/v1/sessions/:name/adaptive', ({ params, body }) => {
    const parsed = adaptiveBody.safeParse(body);
    if (!parsed.success) throw new TunloomError('BAD_WEIGHT', 'expected {"adaptive": true or false}');
    const { adaptive, adaptation } = parsed.data;
    const how = adaptation === undefined ? undefined : parseAdaptation(adaptation);
    watch().setAdaptive(params.name, adaptive, how);
    return { adaptive: watch().isAdaptive(params.name), adaptation: watch().adaptation(params.name) };
  });
}
