/**
 * Paths as rules write them, in the canonical form that requests are matched in
 * (base/target.ts); non-ASCII characters become UTF-8 escapes.
 */

import { latin1Text } from '../../base/ascii.ts';
import { canonicalizePath } from '../../base/target.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

/** What a path pattern matches. `path` is canonical. */
export interface PathPattern {
  readonly kind: 'path' | 'pathPrefix';
  readonly path: string;
}

const FORBIDDEN = /[\s?#\u0000-\u001f\u007f]/;
const DOT_SEGMENT = /\/(?:\.|%2[Ee]){1,2}(?=\/|$)/;

/** Reads the short form: `/api` is that path, `/api/*` it and all below, `/*` everything. */
export function parsePathPattern(text: string): Parsed<PathPattern> {
  const isPrefix = text === '/*' || text.endsWith('/*');
  const bare = isPrefix ? text.slice(0, -2) || '/' : text;
  const star = bare.indexOf('*');
  if (star >= 0) {
    return bad('PN1307', 'a `*` stands only at the end, after a slash', {
      within: { start: star, end: star + 1 },
      expected: '`/api/*`',
      hint: 'other patterns: rule = "PathRegexp(`...`)"',
    });
  }
  const parsed = parsePath(bare);
  if (!parsed.ok) return parsed;
  return good({ kind: isPrefix ? 'pathPrefix' : 'path', path: parsed.value });
}

/** Reads a path without pattern characters. */
export function parsePath(text: string): Parsed<string> {
  const expected = 'a path such as `/api`';
  if (!text.startsWith('/')) {
    const hint = text === '*' ? 'write `/*` for every path' : undefined;
    return bad('PN1307', 'the path does not begin with `/`', { expected, hint });
  }
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) {
    const within = { start: forbidden.index, end: forbidden.index + 1 };
    return bad('PN1307', 'the path has a character no path has', { within, expected });
  }
  const escape = /%(?![0-9A-Fa-f]{2})/.exec(text);
  if (escape !== null) {
    const within = { start: escape.index, end: escape.index + 1 };
    return bad('PN1307', 'the `%` begins no escape', { within, expected: '`%25`' });
  }
  if (DOT_SEGMENT.test(text)) {
    return bad('PN1307', 'the path has a dot segment, which no request has', { expected });
  }
  const canonical = canonicalPath(text);
  if (canonical !== null) return good(canonical);
  return bad('PN1307', 'no request can have this path', { expected });
}

/** As requests are canonicalised; null when none is accepted with this path. */
function canonicalPath(text: string): string | null {
  const ascii = text.replace(/[^\u0000-\u007f]+/g, (characters) => {
    let escaped = '';
    for (const byte of utf8Bytes(characters)) escaped += `%${byte.toString(16).toUpperCase()}`;
    return escaped;
  });
  const bytes = utf8Bytes(ascii);
  const out = new Uint8Array(bytes.length);
  const size = canonicalizePath(bytes, 0, bytes.length, out, false);
  if (size < 0) return null;
  return size === 0 ? ascii : latin1Text(out, 0, size);
}
