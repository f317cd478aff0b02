/**
 * Schema nodes: one declaration per configuration key, the only source of its type, default,
 * bounds, issue text, reference row and JSON Schema.
 *
 * This file has the contract and the leaves; schema-compound.ts has objects, lists, records and
 * unions. Decoding is total: with an issue it returns `fallback`, so that the rest is checked too.
 * Why not a schema library: docs/decisions/0002-config-schema.md
 */

import { assert } from '../../base/assert.ts';
import { formatDuration, parseDuration } from '../../base/duration.ts';
import { formatSize, parseSize } from '../../base/size.ts';
import { suggest } from './did-you-mean.ts';
import type { IssueCode, Report } from './issue.ts';
import type { Located, ValueKind } from './located.ts';
import { describe } from './located.ts';
import type { Parsed } from './parsed.ts';
import { bad, good, reportProblem } from './parsed.ts';

/** Draft-07 JSON Schema, as plain data. */
export type JsonSchema = { readonly [key: string]: unknown };

export interface Schema<out T> {
  readonly doc: string;
  /** For people: `duration`, `string`, `array of strings`. */
  readonly typeText: string;
  /** For people: `1ms to 5m`; empty without bounds. */
  readonly boundsText: string;
  /** As TOML writes it; null when the key must be given or is simply absent. */
  readonly defaultText: string | null;
  /** True when leaving the key out is an issue. */
  readonly isRequired: boolean;
  /** Value when the key is absent, and after an issue. */
  readonly fallback: T;
  /** Key in TOML where it is not the property's name in kebab case without its unit. */
  readonly tomlKey: string | null;
  /** What is inside, for the reference page; empty for leaves. */
  readonly children: readonly SchemaChild[];
  /** Whether a value of this kind is worth decoding: how a union chooses. */
  accepts(kind: ValueKind): boolean;
  /** Reads `value`, reporting every issue. Never throws. */
  decode(value: Located, report: Report): T;
  toJson(): JsonSchema;
}

export interface SchemaChild {
  /** What follows the parent's key: `.name`, `.<name>`, `[]`, or empty for an alternative. */
  readonly suffix: string;
  readonly schema: Schema<unknown>;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

interface LeafOptions {
  readonly doc: string;
  /** Key in TOML, where the property is named otherwise. */
  readonly key?: string;
  /** True: no issue shows the value or its line. */
  readonly isSecret?: boolean;
}

interface LeafSpec<T> extends LeafOptions {
  readonly typeText: string;
  readonly boundsText?: string;
  readonly defaultText: string | null;
  readonly fallback: T;
  readonly kinds: readonly ValueKind[];
  readonly expected: string;
  /** Null when the kind of the value is wrong after all. */
  readonly read: (value: Located) => Parsed<T> | null;
  readonly json: JsonSchema;
}

/** JSON Schema of any text with an interpolation in it, which editors cannot judge. */
const INTERPOLATED: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/** Any form of text: `parse` decides. Without `default` the key is required. */
export function text<T>(
  options: LeafOptions & {
    readonly typeText: string;
    readonly parse: (text: string) => Parsed<T>;
    readonly fallback: T;
    readonly default?: string;
  },
): Schema<T> {
  const { default: defaultText, parse } = options;
  let { fallback } = options;
  if (defaultText !== undefined) {
    const parsed = parse(defaultText);
    assert(parsed.ok, 'a default must be valid');
    fallback = parsed.value;
  }
  return leaf<T>({
    ...options,
    defaultText: defaultText === undefined ? null : JSON.stringify(defaultText),
    fallback,
    kinds: ['string'],
    expected: options.typeText,
    read: (value) => (value.kind === 'string' ? parse(value.text) : null),
    json: { type: 'string' },
  });
}

/** Text of any content but empty. */
export function string(options: LeafOptions & { readonly default?: string }): Schema<string> {
  return text({
    ...options,
    typeText: 'string',
    fallback: '',
    parse: (value) => (value === '' ? bad('PN1106', 'empty') : good(value)),
  });
}

/** `true` or `false`. */
export function boolean(options: LeafOptions & { readonly default: boolean }): Schema<boolean> {
  return leaf<boolean>({
    ...options,
    typeText: 'boolean',
    defaultText: String(options.default),
    fallback: options.default,
    kinds: ['boolean'],
    expected: 'true or false',
    read: (value) => {
      if (value.kind === 'boolean') return good(value.value);
      const word = interpolatedText(value);
      return word === 'true' || word === 'false' ? good(word === 'true') : null;
    },
    json: { anyOf: [{ type: 'boolean' }, INTERPOLATED] },
  });
}

/** A whole number from `min` to `max`, both included. */
export function integer(
  options: LeafOptions & {
    readonly default?: number;
    readonly min: number;
    readonly max: number;
  },
): Schema<number> {
  const { min, max } = options;
  const bounds = `${min} to ${max}`;
  return leaf<number>({
    ...options,
    typeText: 'integer',
    boundsText: bounds,
    defaultText: options.default === undefined ? null : String(options.default),
    fallback: options.default ?? min,
    kinds: ['integer'],
    expected: `an integer, ${bounds}`,
    read: (value) => {
      const word = interpolatedText(value) ?? '';
      const isNumber = value.kind === 'integer' || /^-?\d{1,15}$/.test(word);
      if (!isNumber) return null;
      const number = value.kind === 'integer' ? value.value : Number(word);
      return number >= min && number <= max ? good(number) : outOfBounds(bounds);
    },
    json: { anyOf: [{ type: 'integer', minimum: min, maximum: max }, INTERPOLATED] },
  });
}

interface MeasureOptions extends LeafOptions {
  readonly default?: string;
  readonly min: string;
  readonly max: string;
  /** What 0 means, when it is allowed although `min` is more, such as `no limit`. */
  readonly zero?: string;
}

/** A span of time. Arrives in milliseconds, or in whole seconds with `unit: 's'`. */
export function duration(options: MeasureOptions & { readonly unit?: 's' }): Schema<number> {
  const divisor = options.unit === 's' ? 1_000 : 1;
  return measure(options, {
    typeText: 'duration',
    example: '"30s"',
    pattern: '^(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$',
    parse: (word) => {
      const ms = parseDuration(word);
      return ms === null || ms % divisor !== 0 ? null : ms / divisor;
    },
    format: (value) => formatDuration(value * divisor),
    isBareNumberAllowed: false,
  });
}

/** A number of bytes; an integer without unit is bytes too. */
export function size(options: MeasureOptions): Schema<number> {
  return measure(options, {
    typeText: 'size',
    example: '"64KiB"',
    pattern: '^(0|\\d+(\\.\\d+)?(B|[KMGT]i?B))$',
    parse: parseSize,
    format: formatSize,
    isBareNumberAllowed: true,
  });
}

/** One of a few words. */
export function choice<const W extends string>(
  words: readonly W[],
  options: LeafOptions & { readonly default?: NoInfer<W> },
): Schema<W> {
  const list = words.map((word) => JSON.stringify(word)).join(' | ');
  const first = words[0];
  assert(first !== undefined, 'a choice has words');
  return leaf<W>({
    ...options,
    typeText: list,
    defaultText: options.default === undefined ? null : JSON.stringify(options.default),
    fallback: options.default ?? first,
    kinds: ['string'],
    expected: list,
    read: (value) => {
      if (value.kind !== 'string') return null;
      const word = words.find((candidate) => candidate === value.text);
      if (word !== undefined) return good(word);
      const hint = suggest(value.text, words);
      return bad('PN1105', 'not one of the allowed words', { expected: list, hint });
    },
    json: { anyOf: [{ enum: words }, INTERPOLATED] },
  });
}

/** The same schema for a key that may be left out, and is then null. */
export function optional<T>(schema: Schema<T>): Schema<T | null> {
  const fallback = null;
  return {
    ...schema,
    isRequired: false,
    fallback,
    defaultText: null,
    decode: (value, report) => schema.decode(value, report),
  };
}

/** The issue for a value of the wrong kind. */
export function reportWrongType(report: Report, value: Located, expected: string): void {
  const code: IssueCode = 'PN1102';
  const message = `${keyLabel(value)} has the wrong type`;
  report({
    severity: 'error',
    code,
    message,
    spot: value.spot,
    part: 'value',
    found: describe(value),
    expected,
  });
}

/** Problems whose message is an adjective: the key they are about goes before it. */
const GENERIC_CODES: readonly IssueCode[] = ['PN1103', 'PN1105', 'PN1106'];

/** The key a value is at; for an array item, the key of the array. */
function keyLabel(value: Located): string {
  const key = value.spot.path.findLast((part) => typeof part === 'string');
  return key === undefined ? 'the value' : `\`${key}\``;
}

interface Measure {
  readonly typeText: string;
  readonly example: string;
  readonly pattern: string;
  readonly parse: (text: string) => number | null;
  readonly format: (value: number) => string;
  readonly isBareNumberAllowed: boolean;
}

function measure(options: MeasureOptions, kind: Measure): Schema<number> {
  const min = kind.parse(options.min);
  const max = kind.parse(options.max);
  const fallback = options.default === undefined ? min : kind.parse(options.default);
  assert(min !== null && max !== null && fallback !== null, 'bounds and defaults must be valid');
  const zero = options.zero === undefined ? '' : `, or 0 (${options.zero})`;
  const bounds = `${kind.format(min)} to ${kind.format(max)}${zero}`;
  const expected = `a ${kind.typeText} such as ${kind.example}, ${bounds}`;
  const check = (value: number): Parsed<number> => {
    if (value >= min && value <= max) return good(value);
    return value === 0 && options.zero !== undefined ? good(0) : outOfBounds(bounds);
  };
  return leaf<number>({
    ...options,
    typeText: kind.typeText,
    boundsText: bounds,
    defaultText: options.default === undefined ? null : JSON.stringify(kind.format(fallback)),
    fallback,
    kinds: ['string', 'integer'],
    expected,
    read: (value) => {
      if (value.kind === 'integer') {
        return kind.isBareNumberAllowed || value.value === 0 ? check(value.value) : null;
      }
      if (value.kind !== 'string') return null;
      const parsed = kind.parse(value.text);
      return parsed === null
        ? bad('PN1106', `not a ${kind.typeText}`, { expected })
        : check(parsed);
    },
    json: {
      anyOf: [
        { type: 'string', pattern: kind.pattern },
        kind.isBareNumberAllowed ? { type: 'integer', minimum: 0 } : { const: 0 },
        INTERPOLATED,
      ],
    },
  });
}

function outOfBounds<T>(bounds: string): Parsed<T> {
  return bad('PN1103', 'out of bounds', { expected: bounds });
}

/** The text of a string that came from a variable or file: it may stand for any scalar. */
function interpolatedText(value: Located): string | null {
  return value.kind === 'string' && value.isInterpolated ? value.text.trim() : null;
}

function leaf<T>(spec: LeafSpec<T>): Schema<T> {
  const { doc, typeText, defaultText, fallback, json } = spec;
  const more = defaultText === null ? {} : { default: JSON.parse(defaultText) as unknown };
  return {
    doc,
    typeText,
    boundsText: spec.boundsText ?? '',
    defaultText,
    isRequired: defaultText === null,
    fallback,
    tomlKey: spec.key ?? null,
    children: [],
    accepts: (kind) => spec.kinds.includes(kind),
    decode: (value, report) => {
      if (value.kind === 'string' && value.isBroken) return fallback;
      const parsed = spec.read(value);
      if (parsed === null) {
        reportWrongType(report, value, spec.expected);
        return fallback;
      }
      const problem = parsed.ok ? parsed.warning : parsed.problem;
      if (problem !== undefined) {
        const severity = parsed.ok ? 'warning' : 'error';
        // Offsets in an interpolated text mean nothing in the file.
        const isExact = value.kind === 'string' && !value.isInterpolated;
        const within = isExact ? problem.within : undefined;
        // Nor may a hint repeat what a variable or file contains.
        const hint = isExact || value.kind !== 'string' ? problem.hint : undefined;
        const isGeneric = GENERIC_CODES.includes(problem.code);
        const message = isGeneric ? `${keyLabel(value)} is ${problem.message}` : problem.message;
        const placed = { ...problem, message, within, hint };
        const { isSecret = false } = spec;
        const shown = isSecret ? { isSecret } : { found: describe(value) };
        reportProblem(report, placed, value.spot, { severity, ...shown });
      }
      return parsed.ok ? parsed.value : fallback;
    },
    toJson: () => ({ description: doc, ...json, ...more }),
  };
}
