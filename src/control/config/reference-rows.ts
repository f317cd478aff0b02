/**
 * The schema as documents: rows for the reference page, and JSON Schema for editors.
 */

import { NO_MIDDLEWARE_KINDS } from './middleware-section.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { fullSchema } from './root-section.ts';
import type { JsonSchema, Schema } from './schema.ts';

/** One key of the configuration, as the reference page lists it. */
export interface ReferenceRow {
  /** `transports.<name>.connect-timeout`. */
  readonly key: string;
  readonly type: string;
  /** As TOML writes it; `required`, or empty when the key is simply absent by default. */
  readonly default: string;
  /** Empty without bounds. */
  readonly bounds: string;
  readonly doc: string;
}

/** Every key, in order of declaration: sections before what is in them. */
export function referenceRows(kinds: MiddlewareKinds = NO_MIDDLEWARE_KINDS): ReferenceRow[] {
  const rows: ReferenceRow[] = [];
  for (const child of fullSchema(kinds).children) {
    addRows(child.schema, child.suffix.slice(1), rows);
  }
  return rows;
}

/** JSON Schema (draft-07) of a whole configuration file. */
export function jsonSchema(kinds: MiddlewareKinds = NO_MIDDLEWARE_KINDS): JsonSchema {
  const $schema = 'http://json-schema.org/draft-07/schema#';
  return { $schema, title: 'Proxy Now', ...fullSchema(kinds).toJson() };
}

function addRows(schema: Schema<unknown>, key: string, rows: ReferenceRow[]): void {
  rows.push({
    key,
    type: schema.typeText,
    default: schema.defaultText ?? (schema.isRequired ? 'required' : ''),
    bounds: schema.boundsText,
    doc: schema.doc,
  });
  for (const child of schema.children) {
    const isLeafItem = child.suffix === '[]' && child.schema.children.length === 0;
    if (!isLeafItem) addRows(child.schema, key + child.suffix, rows);
  }
}
