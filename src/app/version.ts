/**
 * The product's version, from its package file.
 */

import { readFileSync } from 'node:fs';

let known = '';

/** Works from a checkout and from a package: the file is two levels up in both. */
export function version(): string {
  if (known === '') {
    const file = new URL('../../package.json', import.meta.url);
    known = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  return known;
}
