/** Flow bindings of a session as PBUs define, keep and drop them (RFC 6089 §5.3). */
import { type FlowBinding, flowAnswer, FlowStatus } from '../flow-binding.ts';
import type { FlowIdentification } from '../wire/option/flow-identification.ts';
import { findOptions, type MobilityOption, type OptionOf } from '../wire/options.ts';
import type { Session } from './binding-cache.ts';
import type { LmaConfig } from './config.ts';

const FLOW_IDENTIFICATION_TYPE = 45;

/**
 * Takes over what an accepted PBU says of flows; its binding is in the session already, as BIDs of a message go before its flows. Every
 * binding that the PBU names in neither option is removed (§5.3.4). Returns the options of the PBA: one for each Flow Identification, and
 * one of status 132 for each unknown FID of the Flow Summary.
 */
export function updateFlows(
  session: Session,
  options: readonly MobilityOption[],
  { flowBindings, maxFlows }: LmaConfig,
): FlowIdentification[] {
  if (flowBindings === 'off') return [];
  const named = findOptions(options, 'flow-identification');
  const summary = findOptions(options, 'flow-summary').flatMap(({ flows }) => flows);
  const answers = malformed(options);
  const before = session.flows;
  const after = new Map<number, FlowBinding>();
  // Those that are kept hold their place against those that come.
  for (const flow of summary) {
    const known = before.get(flow);
    if (known) after.set(flow, known);
  }
  for (const option of named) {
    const known = before.get(option.flow);
    if (known) after.set(option.flow, known);
  }
  for (const option of named) {
    const twice = named.some((other) => other !== option && other.flow === option.flow);
    const result = twice || flowBindings === 'prohibited' ? null : define(option, session, after, maxFlows);
    if (typeof result === 'object' && result) after.set(option.flow, result);
    const refusal = flowBindings === 'prohibited' ? FlowStatus.PROHIBITED : FlowStatus.REJECTED;
    const status = typeof result === 'number' ? result : result ? FlowStatus.ACCEPTED : refusal;
    answers.push(flowAnswer(option.flow, option.priority, status));
  }
  for (const flow of summary) {
    if (!after.has(flow)) answers.push(flowAnswer(flow, 1, FlowStatus.FID_NOT_FOUND));
  }
  session.flows = after;
  return answers;
}

/** The binding, or the status that refuses it. */
function define(
  { flow, priority, bids, selector }: FlowIdentification,
  session: Session,
  flows: ReadonlyMap<number, FlowBinding>,
  maxFlows: number,
): FlowBinding | number {
  const known = flows.get(flow);
  if (flow === 0 || priority === 0) return FlowStatus.MALFORMED;
  // What a known flow's option leaves out stays as it is; a new one needs both (§5.3.1).
  const newBids = bids ?? known?.bids;
  const newSelector = selector ?? known?.selector;
  if (!newBids || !newSelector) return FlowStatus.MALFORMED;
  if (newSelector.family === null) return FlowStatus.SELECTOR_FORMAT_NOT_SUPPORTED;
  if (bids?.some((bid) => !session.bindings.has(bid))) return FlowStatus.BID_NOT_FOUND;
  if (!known && flows.size >= maxFlows) return FlowStatus.REJECTED;
  for (const other of flows.values()) {
    if (other.flow !== flow && other.priority === priority) return FlowStatus.REJECTED;
  }
  return { flow, priority, bids: newBids, selector: newSelector };
}

/** Options that the codec could not read, as far as they show a FID: status 130. */
function malformed(options: readonly MobilityOption[]): FlowIdentification[] {
  return options
    .filter((option): option is OptionOf<'malformed'> => option.option === 'malformed')
    .filter(({ type, data }) => type === FLOW_IDENTIFICATION_TYPE && data.length >= 4)
    .map(({ data }) => {
      const word = (at: number): number => (data[at]! << 8) | data[at + 1]!;
      return flowAnswer(word(0), word(2), FlowStatus.MALFORMED);
    });
}
