/** Flow Summary (RFC 6089 §4.2.2), type 44: IANA's numbers, §8 of the RFC has 44 and 45 exchanged. */
import { defineOption } from '../option-codec.ts';

export interface FlowSummary {
  readonly option: 'flow-summary';
  /** Flow identifiers (FID) that stay as they are. */
  readonly flows: readonly number[];
}

export const flowSummary = defineOption<FlowSummary>({
  type: 44,
  option: 'flow-summary',
  alignment: [2, 0],
  decode(value) {
    const flows: number[] = [];
    while (value.left) flows.push(value.u16());
    return { option: 'flow-summary', flows };
  },
  encode({ flows }, writer) {
    for (const flow of flows) writer.u16(flow);
  },
  describe: ({ flows }) => `FIDs ${flows.join(', ')}`,
});
