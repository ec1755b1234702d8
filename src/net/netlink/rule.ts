/** Routing rules (rtnetlink(7), RTM_NEWRULE; linux/fib_rules.h): packets from a prefix or an interface look up a table. */
import { formatAddress, parseAddress } from '../../ip.ts';
import { BodyWriter, Flag, read32, readAttributes, readText, viewOf } from './message.ts';
import type { Change, Listing } from './object.ts';

const RuleType = { NEW: 32, DELETE: 33, GET: 34 } as const;
/** struct fib_rule_hdr: family, dst_len, src_len, tos, table, reserved 2, action: 1 each; flags 4. */
const RULE_HEADER = 12;
const Attribute = { SOURCE: 2, INPUT: 3, PRIORITY: 6, TABLE: 15, PROTOCOL: 21 } as const;
const TO_TABLE = 1;

export interface Rule {
  /** Prefix or address; all if left out. */
  readonly from?: string | undefined;
  /** Name of the interface that packets come in by. */
  readonly iif?: string | undefined;
  readonly family: 4 | 6;
  readonly table: number;
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
  if (view.getUint8(7) !== TO_TABLE) return null;
  const attributes = readAttributes(body, RULE_HEADER);
  const source = attributes.get(Attribute.SOURCE);
  return {
    family: view.getUint8(0) === 2 ? 4 : 6,
    from: source && `${formatAddress(source)}/${view.getUint8(2)}`,
    iif: readText(attributes.get(Attribute.INPUT)),
    table: read32(attributes.get(Attribute.TABLE)) ?? view.getUint8(4),
    priority: read32(attributes.get(Attribute.PRIORITY)) ?? 0,
    protocol: attributes.get(Attribute.PROTOCOL)?.[0] ?? 0,
  };
}

function encode(rule: Rule, protocol: number): Uint8Array {
  const [text, length] = (rule.from ?? '').split('/');
  const source = text ? parseAddress(text).bytes : null;
  const bits = source ? (length === undefined ? source.length * 8 : Number(length)) : 0;
  const body = new BodyWriter();
  body
    .u8(rule.family === 4 ? 2 : 10)
    .u8(0)
    .u8(bits)
    .u8(0);
  body
    .u8(rule.table < 256 ? rule.table : 0)
    .u8(0)
    .u8(0)
    .u8(TO_TABLE)
    .u32(0);
  if (source && bits) body.attribute(Attribute.SOURCE, source);
  if (rule.iif !== undefined) body.attributeText(Attribute.INPUT, rule.iif);
  body.attribute32(Attribute.PRIORITY, rule.priority).attribute32(Attribute.TABLE, rule.table);
  return body.attribute8(Attribute.PROTOCOL, protocol).finish();
}

function describe({ family, from, iif, table, priority }: Rule): string {
  const match = `${from === undefined ? '' : `from ${from} `}${iif === undefined ? '' : `iif ${iif} `}`;
  return `${match}lookup ${table} priority ${priority} (IPv${family})`;
}
