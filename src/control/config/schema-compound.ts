/**
 * Schema nodes that hold others: objects, lists, records, unions. See schema.ts.
 */

import { suggest } from './did-you-mean.ts';
import type { IssueDraft, Report } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import type { Infer, JsonSchema, Schema, SchemaChild } from './schema.ts';
import { reportWrongType } from './schema.ts';

export type Fields = { readonly [property: string]: Schema<unknown> };

export type InferFields<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> };

export interface ObjectSchema<T> extends Schema<T> {
  /** Property and schema by TOML key, in order of declaration. */
  readonly fields: ReadonlyMap<
    string,
    { readonly property: string; readonly schema: Schema<unknown> }
  >;
}

/** A table with known keys. Unknown ones are issues with the nearest known key. */
export function object<F extends Fields>(
  doc: string,
  fields: F,
  options: { readonly key?: string } = {},
): ObjectSchema<InferFields<F>> {
  const byKey = new Map<string, { property: string; schema: Schema<unknown> }>();
  const children: SchemaChild[] = [];
  const fallback: Record<string, unknown> = {};
  for (const [property, schema] of Object.entries(fields)) {
    const key = schema.tomlKey ?? kebabCase(property);
    byKey.set(key, { property, schema });
    children.push({ suffix: `.${key}`, schema });
    fallback[property] = schema.fallback;
  }
  return {
    doc,
    typeText: 'table',
    boundsText: '',
    defaultText: null,
    isRequired: children.some((child) => child.schema.isRequired),
    fallback: fallback as InferFields<F>,
    tomlKey: options.key ?? null,
    children,
    fields: byKey,
    accepts: (kind) => kind === 'table',
    decode: (value, report) => {
      if (value.kind !== 'table') reportWrongType(report, value, 'a table');
      else return decodeFields(value, byKey, report) as InferFields<F>;
      return fallback as InferFields<F>;
    },
    toJson: () => objectJson(doc, children),
  };
}

/** An array of values of one schema. */
export function list<T>(
  item: Schema<T>,
  options: {
    readonly doc: string;
    readonly isRequired?: boolean;
    readonly key?: string;
    readonly default?: readonly T[];
  },
): Schema<readonly T[]> {
  const typeText = `array of ${item.typeText}`;
  const isRequired = options.isRequired ?? false;
  const fallback = options.default ?? [];
  return {
    doc: options.doc,
    typeText,
    boundsText: isRequired ? 'at least one' : '',
    defaultText: isRequired ? null : JSON.stringify(fallback),
    isRequired,
    fallback,
    tomlKey: options.key ?? null,
    children: [{ suffix: '[]', schema: item }],
    accepts: (kind) => kind === 'array',
    decode: (value, report) => {
      if (value.kind === 'array') {
        if (value.items.length === 0 && isRequired) reportEmpty(report, value, item.typeText);
        return value.items.map((each) => item.decode(each, report));
      }
      reportWrongType(report, value, `an ${typeText}`);
      return [];
    },
    toJson: () => ({
      description: options.doc,
      type: 'array',
      items: item.toJson(),
      ...(isRequired ? { minItems: 1 } : {}),
    }),
  };
}

/** One value, or an array of at least one: any of them. Null when the key is absent. */
export function oneOrMore<T>(
  item: Schema<T>,
  options: { readonly doc: string; readonly key?: string },
): Schema<readonly T[] | null> {
  const many = list(item, { doc: options.doc, isRequired: true });
  return {
    doc: options.doc,
    typeText: `${item.typeText}, or an array of it`,
    boundsText: '',
    defaultText: null,
    isRequired: false,
    fallback: null,
    tomlKey: options.key ?? null,
    children: [],
    accepts: (kind) => kind === 'array' || item.accepts(kind),
    decode: (value, report) =>
      value.kind === 'array' ? many.decode(value, report) : [item.decode(value, report)],
    toJson: () => ({ description: options.doc, anyOf: [item.toJson(), many.toJson()] }),
  };
}

/**
 * A table whose keys are chosen by the user. Arrives as pairs in order of the file.
 * @param label what a key is, for the reference page: `name`, `field`
 */
export function record<T>(
  label: string,
  item: Schema<T>,
  options: {
    readonly doc: string;
    /** Checks and normalises a key; reports what is wrong with it. */
    readonly decodeKey?: (key: string, value: Located, report: Report) => string;
  },
): Schema<readonly (readonly [key: string, value: T])[]> {
  return {
    doc: options.doc,
    typeText: `table of ${item.typeText}`,
    boundsText: '',
    defaultText: null,
    isRequired: false,
    fallback: [],
    tomlKey: null,
    children: [{ suffix: `.<${label}>`, schema: item }],
    accepts: (kind) => kind === 'table',
    decode: (value, report) => {
      if (value.kind !== 'table') {
        reportWrongType(report, value, 'a table');
        return [];
      }
      const decodeKey = options.decodeKey ?? ((key: string) => key);
      return [...value.entries].map(([key, child]) => {
        return [decodeKey(key, child, report), item.decode(child, report)] as const;
      });
    },
    toJson: () => ({
      description: options.doc,
      type: 'object',
      additionalProperties: item.toJson(),
    }),
  };
}

/** The first of two schemas that reads the value; the default comes from the first. */
export function union<A, B>(
  first: Schema<A>,
  second: Schema<B>,
  options: { readonly doc: string; readonly key?: string },
): Schema<A | B> {
  const typeText = `${first.typeText} | ${second.typeText}`;
  const boundsText = first.boundsText || second.boundsText;
  const expected = boundsText === '' ? typeText : `${typeText}, ${boundsText}`;
  const alternatives: readonly Schema<A | B>[] = [first, second];
  return {
    doc: options.doc,
    typeText,
    boundsText,
    defaultText: first.defaultText,
    isRequired: first.isRequired,
    fallback: first.fallback,
    tomlKey: options.key ?? null,
    children: alternatives.flatMap((schema) => schema.children),
    accepts: (kind) => first.accepts(kind) || second.accepts(kind),
    decode: (value, report) => {
      let drafts: readonly IssueDraft[] | null = null;
      for (const schema of alternatives) {
        // An interpolated string may stand for any scalar.
        const isInterpolated = value.kind === 'string' && value.isInterpolated;
        if (!schema.accepts(value.kind) && !isInterpolated) continue;
        const attempt: IssueDraft[] = [];
        const decoded = schema.decode(value, (draft) => attempt.push(draft));
        drafts ??= attempt;
        if (attempt.some((draft) => draft.severity === 'error')) continue;
        for (const draft of attempt) report(draft);
        return decoded;
      }
      if (drafts === null) reportWrongType(report, value, expected);
      for (const draft of drafts ?? []) {
        // One of the words would do, but so would the other alternative.
        report(draft.code === 'PN1105' ? { ...draft, expected, hint: undefined } : draft);
      }
      return first.fallback;
    },
    toJson: () => ({ description: options.doc, anyOf: [first.toJson(), second.toJson()] }),
  };
}

/** `connectTimeoutMs` is `connect-timeout`: units are part of the value in TOML. */
export function kebabCase(property: string): string {
  const bare = property.replace(/(?:Ms|Seconds)$/, '');
  return bare.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function decodeFields(
  table: LocatedTable,
  fields: ReadonlyMap<string, { property: string; schema: Schema<unknown> }>,
  report: Report,
): Record<string, unknown> {
  const decoded: Record<string, unknown> = {};
  for (const [key, { property, schema }] of fields) {
    const value = table.entries.get(key);
    decoded[property] = value === undefined ? schema.fallback : schema.decode(value, report);
    if (value === undefined && schema.isRequired) {
      report({
        severity: 'error',
        code: 'PN1104',
        message: `\`${key}\` is missing`,
        spot: table.spot,
        part: 'key',
        expected: `\`${key}\`: ${schema.typeText}`,
      });
    }
  }
  const known = [...fields.keys()];
  for (const [key, value] of table.entries) {
    if (!fields.has(key)) reportUnknownKey(report, key, value, known);
  }
  return decoded;
}

/** The issue for a key nobody knows. */
export function reportUnknownKey(
  report: Report,
  key: string,
  value: Located,
  known: readonly string[],
): void {
  report({
    severity: 'error',
    code: 'PN1101',
    message: `unknown key \`${key}\``,
    spot: value.spot,
    part: 'key',
    hint: suggest(key, known),
  });
}

function reportEmpty(report: Report, value: Located, itemText: string): void {
  report({
    severity: 'error',
    code: 'PN1108',
    message: 'the array is empty',
    spot: value.spot,
    part: 'value',
    found: '[]',
    expected: `at least one ${itemText}`,
  });
}

function objectJson(doc: string, children: readonly SchemaChild[]): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const { suffix, schema } of children) {
    const key = suffix.slice(1);
    properties[key] = schema.toJson();
    // A node may inherit what it does not say, so nothing is required where `extends` is known.
    if (schema.isRequired) required.push(key);
  }
  const isNode = 'extends' in properties;
  return {
    description: doc,
    type: 'object',
    additionalProperties: false,
    properties,
    ...(required.length > 0 && !isNode ? { required } : {}),
  };
}
