/**
 * Which distribution group an inner packet belongs to. Asked once a packet (once for all segments and fragments that it becomes):
 *
 *   neither group nor policy   0: the session's own schedule and ticket, the default; nothing is looked at
 *   policy                     verdict of the flow from the table, else of the classifier, by FID-PRI
 *   no rule matched            the latency class for small flows, else the session's default group
 *
 * Leaves the flow key at WORKER_FLOW for the schedulers that work by flow.
 */
import {
  CLASSIFIER_ID,
  CONFIG_GROUP,
  CONFIG_POLICY,
  CONTROL,
  CONTROL_VERDICTS,
  COUNTER_CLASSIFIED,
  POLICY_CLASSIFIER4,
  POLICY_CLASSIFIER6,
  POLICY_GROUPS,
  POLICY_SMALL_GROUP,
  VERDICT_DEFAULT,
  VERDICT_DROP,
  VERDICT_GROUP,
  WORKER_FIELDS,
  WORKER_FLOW,
  WORKER_NOW,
} from '../layout';
import { count } from '../stats';
import { readFields } from './flow-fields';
import { flowKey, verdictKey } from './flow-key';
import { findFlow, storeFlow } from './flow-table';
import { matchSelectors } from './selector';
import { isSmallFlow } from './small-flows';

/** Address of the group, 0 for the session's own schedule, VERDICT_DROP if a rule says so. */
// @ts-ignore: decorator
@inline
export function classify(worker: usize, config: usize, inner: usize, family: u32, total: u32): usize {
  return load<u64>(config, CONFIG_GROUP) ? classifyFlow(worker, config, inner, family, total) : 0;
}

function classifyFlow(worker: usize, config: usize, inner: usize, family: u32, total: u32): usize {
  const fields = worker + WORKER_FIELDS;
  const now = load<u64>(worker, WORKER_NOW);
  readFields(fields, inner, family, total);
  const flow = flowKey(fields, now);
  store<u64>(worker, flow, WORKER_FLOW);
  const policy = <usize>load<u32>(config, CONFIG_POLICY);
  if (policy) {
    const classifier = <usize>(
      (family == 4 ? load<u32>(policy, POLICY_CLASSIFIER4) : load<u32>(policy, POLICY_CLASSIFIER6))
    );
    if (classifier) {
      const verdict = verdictOf(worker, classifier, flow, now);
      if (verdict == VERDICT_DROP) return VERDICT_DROP;
      if (verdict != VERDICT_DEFAULT) {
        return <usize>load<u32>(policy + POLICY_GROUPS + ((<usize>(verdict - VERDICT_GROUP)) << 2));
      }
    }
    const small = <usize>load<u32>(policy, POLICY_SMALL_GROUP);
    if (small && isSmallFlow(policy, flow, total, now)) return small;
  }
  return <usize>load<u32>(config, CONFIG_GROUP);
}

/** From the table; else from the classifier and into the table. */
function verdictOf(worker: usize, classifier: usize, flow: u64, now: u64): u32 {
  const table = load<u64>(CONTROL, CONTROL_VERDICTS);
  const key = verdictKey(worker + WORKER_FIELDS, flow, load<u32>(classifier, CLASSIFIER_ID));
  const data = findFlow(table, key);
  // Verdicts are kept one higher, so that the word is never 0.
  if (data) return <u32>data - 1;
  const verdict = matchSelectors(worker, classifier);
  count(worker, COUNTER_CLASSIFIED);
  storeFlow(table, key, now, verdict + 1);
  return verdict;
}
