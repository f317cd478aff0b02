/**
 * Small texts of HTTP that configuration names: methods, field and cookie names, address ranges.
 */

import { parseCidr } from '../../base/cidr.ts';
import { nearest } from './did-you-mean.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

/** RFC 9110 §5.6.2. */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

const METHODS: readonly string[] = (
  'GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT QUERY PROPFIND PROPPATCH MKCOL COPY MOVE ' +
  'LOCK UNLOCK REPORT SEARCH ACL BIND MKCALENDAR MERGE CHECKOUT LINK UNLINK PURGE BAN'
).split(' ');

/** Reads a method and puts it in upper case. An uncommon one is a warning, for it may be a slip. */
export function parseMethod(text: string): Parsed<string> {
  const expected = 'a method such as `GET`';
  if (!TOKEN.test(text)) return bad('PN1308', 'not a method', { expected });
  const method = text.toUpperCase();
  if (METHODS.includes(method)) return good(method);
  const near = nearest(method, METHODS);
  const hint = near === null ? undefined : `did you mean \`${near}\`?`;
  const warning = { code: 'PN1309', message: 'not a common method', expected, hint } as const;
  return { ok: true, value: method, warning };
}

/** Reads a field name and puts it in lower case (RFC 9110 §5.1). */
export function parseFieldName(text: string): Parsed<string> {
  if (TOKEN.test(text)) return good(text.toLowerCase());
  return bad('PN1311', 'not a field name', { expected: 'a name such as `x-api-version`' });
}

/** Reads a cookie name (RFC 6265 §4.1.1). */
export function parseCookieName(text: string): Parsed<string> {
  if (TOKEN.test(text)) return good(text);
  return bad('PN1315', 'not a cookie name', { expected: 'letters, digits and `-_.`' });
}

/** Reads an address or an address range; the text is kept as it is. */
export function parseRange(text: string): Parsed<string> {
  if (parseCidr(text) !== null) return good(text);
  return bad('PN1310', 'not an address range', {
    expected: 'an address or range such as `10.0.0.0/8` or `fd00::/8`',
  });
}
