/**
 * Middlewares: a node with exactly one table inside, named after its kind. Kinds are injected,
 * so this room knows none of them.
 */

import { suggest } from './did-you-mean.ts';
import type { Report } from './issue.ts';
import type { LocatedTable } from './located.ts';
import { extendsField } from './node-fields.ts';
import type { Schema } from './schema.ts';
import { optional } from './schema.ts';
import { object } from './schema-compound.ts';

/** Schema of each kind's settings, by the kind's name. */
export type MiddlewareKinds = ReadonlyMap<string, Schema<unknown>>;

/** No kinds at all. */
export const NO_MIDDLEWARE_KINDS: MiddlewareKinds = new Map();

/** A middleware as references and editors see it: any of the kinds. */
export function middlewareSchema(kinds: MiddlewareKinds): Schema<unknown> {
  const fields: Record<string, Schema<unknown>> = { extends: extendsField };
  for (const [kind, schema] of kinds) fields[kind] = { ...optional(schema), tomlKey: kind };
  return object('A step a request passes on its way: exactly one kind with its settings.', fields);
}

/** Reads a middleware. @returns null after an issue about its kind. */
export function decodeMiddleware(
  table: LocatedTable,
  kinds: MiddlewareKinds,
  report: Report,
): { kind: string; config: unknown } | null {
  const names = [...table.entries.keys()];
  const known = names.filter((name) => kinds.has(name));
  for (const [name, value] of table.entries) {
    if (kinds.has(name)) continue;
    const kindNames = [...kinds.keys()];
    report({
      severity: 'error',
      code: 'PN1209',
      message: `unknown middleware kind \`${name}\``,
      spot: value.spot,
      part: 'key',
      expected: kinds.size === 0 ? 'no kind is available' : kindNames.join(', '),
      hint: suggest(name, kindNames),
    });
  }
  const [kind] = known;
  if (known.length !== 1 || kind === undefined) {
    if (known.length === names.length) reportCount(table, known, report);
    return null;
  }
  const schema = kinds.get(kind)!;
  return { kind, config: schema.decode(table.entries.get(kind)!, report) };
}

function reportCount(table: LocatedTable, known: readonly string[], report: Report): void {
  report({
    severity: 'error',
    code: 'PN1209',
    message: known.length === 0 ? 'the middleware has no kind' : 'the middleware has several kinds',
    spot: table.spot,
    part: 'key',
    found: known.length === 0 ? undefined : known.join(', '),
    expected: 'exactly one table named after the kind',
  });
}
