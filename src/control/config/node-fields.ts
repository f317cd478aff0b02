/**
 * Fields that nodes of several kinds have.
 */

import type { Schema } from './schema.ts';
import { optional, string, text } from './schema.ts';
import { parseRange } from './tokens.ts';

/** The key every node has; resolved before a node is decoded (extends.ts). */
export const extendsField: Schema<string | null> = optional(
  string({
    doc: 'Node of the same kind to inherit from: tables merge, arrays and scalars replace.',
  }),
);

/** An address or range of addresses. */
export const rangeField: Schema<string> = text({
  doc: 'An address or CIDR range.',
  typeText: 'address range',
  fallback: '::1',
  parse: parseRange,
});

/** A reference to a node, checked by reference-lint.ts. */
export const nameField: Schema<string> = string({ doc: 'Name of a node.' });
