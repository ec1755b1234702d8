/** Routing rules (rtnetlink(7), RTM_NEWRULE; linux/fib_rules.h): packets from a prefix or an interface look up a table, or are refused. */
import { formatAddress, parseAddress } from '../../ip.ts';
import { BodyWriter, Flag, read32, readAttributes, readText, viewOf } from './message.ts';
import type { Change, Listing } from './object.ts';

const RuleType = { NEW: 32, DELETE: 33, GET: 34 } as const;
/** struct fib_rule_hdr: family, dst_len, src_len, tos, table, reserved 2, action: 1 each; flags 4. */
const RULE_HEADER = 12;
const Attribute = {
  DESTINATION: 1,
  SOURCE: 2,
  INPUT: 3,
  PRIORITY: 6,
  SUPPRESS_PREFIX_LENGTH: 14,
  TABLE: 15,
  PROTOCOL: 21,
} as const;
const Action = { TO_TABLE: 1, UNREACHABLE: 7 } as const;

export interface Rule {
  /** Prefix or address; all if left out. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Name of the interface that packets come in by. */
  readonly iif?: string | undefined;
  readonly family: 4 | 6;
  /** null: what matches is refused as unreachable. */
  readonly table: number | null;
  /** Default routes of the table do not count. */
  readonly specificOnly?: boolean | undefined;
  readonly priority: number;
}

export interface ListedRule extends Rule {
  readonly protocol: number;
}

/** Fails with EEXIST if there is one like it. */
export function addRule(rule: Rule, protocol: number): Change {
  return {
    text: `rule add ${describe(rule)}`,
    encode: () => ({
      type: RuleType.NEW,
      flags: Flag.CREATE | Flag.EXCLUSIVE,
      body: encode(rule, protocol),
    }),
  };
}

export function deleteRule(rule: Rule, protocol: number): Change {
  return {
    text: `rule delete ${describe(rule)}`,
    encode: () => ({ type: RuleType.DELETE, flags: 0, body: encode(rule, protocol) }),
  };
}

/** All policy rules of one family (RTM_GETRULE). */
export function rules(family: 4 | 6): Listing<ListedRule> {
  const body = new Uint8Array(RULE_HEADER);
  body[0] = family === 4 ? 2 : 10;
  return {
    request: { type: RuleType.GET, flags: Flag.DUMP, body },
    type: RuleType.NEW,
    decode: decodeRule,
  };
}

function decodeRule(body: Uint8Array): ListedRule | null {
  if (body.length < RULE_HEADER) return null;
  const view = viewOf(body);
  const action = view.getUint8(7);
  if (action !== Action.TO_TABLE && action !== Action.UNREACHABLE) return null;
  const attributes = readAttributes(body, RULE_HEADER);
  const source = attributes.get(Attribute.SOURCE);
  const destination = attributes.get(Attribute.DESTINATION);
  return {
    family: view.getUint8(0) === 2 ? 4 : 6,
    from: source && `${formatAddress(source)}/${view.getUint8(2)}`,
    to: destination && `${formatAddress(destination)}/${view.getUint8(1)}`,
    iif: readText(attributes.get(Attribute.INPUT)),
    table:
      action === Action.UNREACHABLE ? null : (read32(attributes.get(Attribute.TABLE)) ?? view.getUint8(4)),
    specificOnly: read32(attributes.get(Attribute.SUPPRESS_PREFIX_LENGTH)) === 0,
    priority: read32(attributes.get(Attribute.PRIORITY)) ?? 0,
    protocol: attributes.get(Attribute.PROTOCOL)?.[0] ?? 0,
  };
}

function encode(rule: Rule, protocol: number): Uint8Array {
  const source = selectorOf(rule.from);
  const destination = selectorOf(rule.to);
  const table = rule.table ?? 0;
  const body = new BodyWriter();
  body
    .u8(rule.family === 4 ? 2 : 10)
    .u8(destination.bits)
    .u8(source.bits)
    .u8(0);
  body
    .u8(table < 256 ? table : 0)
    .u8(0)
    .u8(0)
    .u8(rule.table === null ? Action.UNREACHABLE : Action.TO_TABLE)
    .u32(0);
  if (destination.bits) body.attribute(Attribute.DESTINATION, destination.bytes);
  if (source.bits) body.attribute(Attribute.SOURCE, source.bytes);
  if (rule.iif !== undefined) body.attributeText(Attribute.INPUT, rule.iif);
  body.attribute32(Attribute.PRIORITY, rule.priority);
  if (rule.table !== null) body.attribute32(Attribute.TABLE, rule.table);
  if (rule.specificOnly) body.attribute32(Attribute.SUPPRESS_PREFIX_LENGTH, 0);
  return body.attribute8(Attribute.PROTOCOL, protocol).finish();
}

/** Nothing of an address: all. */
function selectorOf(selector: string | undefined): { readonly bytes: Uint8Array; readonly bits: number } {
  if (selector === undefined) return { bytes: new Uint8Array(0), bits: 0 };
  const [text, length] = selector.split('/');
  const { bytes } = parseAddress(text!);
  return { bytes, bits: length === undefined ? bytes.length * 8 : Number(length) };
}

function describe({ family, from, to, iif, table, priority }: Rule): string {
  const match = Object.entries({ from, to, iif }).flatMap(([word, value]) =>
    value === undefined ? [] : `${word} ${value} `,
  );
  return `${match.join('')}${table === null ? 'unreachable' : `lookup ${table}`} priority ${priority} (IPv${family})`;
}
