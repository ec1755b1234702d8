/**
 * A YAML file to a checked value: all errors at once, each with file, line, column and key. Used by every configuration
 * file; what is checked is the caller's business.
 */
import { readFileSync } from 'node:fs';
import { type Document, LineCounter, type YAMLParseError, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { TunloomError } from '../errors.ts';
import type { Complaint } from './cross-checks.ts';
import { type KeyPath, offsetOf, pathAt } from './positions.ts';
import { excerpt } from './schema-parts.ts';
import { keysAt, nearest } from './schema-keys.ts';

/** The checked value, or null, and everything that is wrong. */
export interface Checked<T> {
  readonly config: T | null;
  readonly complaints: readonly Complaint[];
}

/** The text of a configuration file. Throws BAD_CONFIG if it cannot be read. */
export function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : message;
    throw new TunloomError('BAD_CONFIG', `${file}: ${reason}`, { cause: error });
  }
}

/** Where a key of a text without errors stands, or the nearest part of its path that is there: file, line and column. */
export function placeOf(text: string, file: string, path: KeyPath): string {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  return placeAt(lines, file, offsetOf(document, path, true));
}

function placeAt(lines: LineCounter, file: string, offset: number): string {
  // An empty document has no lines to count.
  const { line, col } = lines.linePos(offset);
  return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}: `;
}

/** Parses and checks; `file` is only a name. Throws BAD_CONFIG with one line an error. The result is frozen. */
export function parseYaml<T>(text: string, file: string, check: (value: unknown) => Checked<T>): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const place = (offset: number, path: KeyPath): string =>
    placeAt(lines, file, offset) + (path.length ? `${formatKey(path)}: ` : '');
  const faults = [...document.errors.map(inWords), ...document.warnings, ...brokenAliases(document)];
  if (faults.length) {
    throw badConfig(
      faults.map(({ pos: [at], message }) => ({ at, line: place(at, pathAt(document, at)) + message })),
    );
  }
  const value: unknown = toValue(document, file) ?? {};
  const { config, complaints } = check(value);
  if (config !== null && !complaints.length) return deepFreeze(config);
  throw badConfig(
    complaints.map((complaint) => {
      const at = offsetOf(document, complaint.path, complaint.atKey ?? false);
      return { at, line: place(at, complaint.path) + complaint.message };
    }),
  );
}

/** One of the parser's errors speaks to programmers. */
function inWords(error: YAMLParseError): Pick<YAMLParseError, 'pos' | 'message'> {
  if (error.code !== 'MULTIPLE_DOCS') return error;
  return { pos: error.pos, message: 'another document begins here (---), expected one' };
}

/** What begins with a star is an alias to YAML, and a pattern to whoever forgot the quotes. */
function brokenAliases(document: Document): { pos: [number]; message: string }[] {
  const faults: { pos: [number]; message: string }[] = [];
  visit(document, {
    Alias: (_, alias, ancestors) => {
      const target = alias.resolve(document);
      const { source, range } = alias;
      const complain = (message: string): void => void faults.push({ pos: [range?.[0] ?? 0], message });
      if (!target) {
        complain(`there is no anchor &${source}; a value that begins with a star needs quotes: '*${source}'`);
      } else if ((ancestors as readonly unknown[]).includes(target)) {
        complain(`&${source} contains itself`);
      }
    },
  });
  return faults;
}

/** Anchors within anchors multiply: of what a short text comes to, this much is read. */
const MOST_ALIASES = 100_000;

function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    // Such as a merge key whose value is no map, or too many aliases.
    const { name, message } = error as Error;
    const reason = name === 'ReferenceError' ? 'anchors are used within anchors too often' : message;
    throw new TunloomError('BAD_CONFIG', `${file}:1:1: ${reason}`, { cause: error });
  }
}

function badConfig(faults: { at: number; line: string }[]): TunloomError {
  const lines = faults.sort((a, b) => a.at - b.at).map(({ line }) => line);
  return new TunloomError('BAD_CONFIG', [...new Set(lines)].join('\n'));
}

/** The schema's issues as complaints; unknown keys get the one that was meant. */
export function describeIssues(error: z.ZodError, schema: z.core.$ZodType): Complaint[] {
  return error.issues.flatMap((issue): Complaint[] => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }];
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const hint = meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${meant}?`;
      return { path: [...issue.path, key], message: `there is no such key; ${hint}`, atKey: true };
    });
  });
}

/** A key path as text, such as `sessions[0].paths[1].bid`. */
export function formatKey(path: KeyPath): string {
  const text = path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    // In a file that is none of ours, a key may be anything.
    const name = /^[\x21-\x7e]+$/.test(String(key)) ? String(key) : JSON.stringify(key);
    return text ? `${text}.${name}` : name;
  }, '');
  return excerpt(text);
}

function deepFreeze<T>(value: T): T {
  // Octets cannot be frozen, and keys are all there is of them.
  if (ArrayBuffer.isView(value)) return value;
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
