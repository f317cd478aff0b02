/**
 * Store keys: where things are in a certificate store. The layout is Caddy's, but that a
 * certificate and its key are one file.
 *
 *   certificates/<issuer>/<unit>/<unit>.pem    key and chain
 *   certificates/<issuer>/<unit>/<unit>.json   what is known about it besides
 *   acme/<issuer>/users/<email>/account.json   account with its key
 *   acme/<issuer>/orders/<id>.json             an order under way
 *   locks/<lock>.<token>.lock                  in a folder
 *   last_clean.json
 */

import { createHash } from 'node:crypto';

import { KEY_PART_SIZE_MAX } from './certificate-store.ts';

/**
 * A text as part of a key: lower case, `*` as `wildcard_`, `:` as `-`, `+` as `_plus_`, space as
 * `_`, anything else that is unsafe left out. Where that could make two texts the same, or the
 * name too long, a hash is added.
 */
export function keyPart(text: string): string {
  const lower = text.toLowerCase();
  const plain = lower
    .replaceAll('..', '')
    .replaceAll('*', 'wildcard_')
    .replaceAll(':', '-')
    .replaceAll('+', '_plus_')
    .replaceAll(' ', '_');
  const safe = plain.replace(/[^a-z0-9_@.-]/g, '').replace(/^[.-]+/, '');
  const isWhole = plain === safe && !lower.includes('..');
  if (isWhole && safe !== '' && safe.length <= KEY_PART_SIZE_MAX) return safe;
  const hash = createHash('sha256').update(lower).digest('hex').slice(0, 12);
  return `${safe.slice(0, KEY_PART_SIZE_MAX - 14)}--${hash}`.replace(/^-+/, 'x-');
}

/** The key part of a certificate: its name, or the first of its names and a hash of all. */
export function unitPart(names: readonly string[]): string {
  const first = names[0]!;
  if (names.length === 1) return keyPart(first);
  const hash = createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 12);
  return keyPart(`${first.slice(0, KEY_PART_SIZE_MAX - 16)}--${hash}`);
}

export function certificateKey(issuerKey: string, unit: string): string {
  return `certificates/${keyPart(issuerKey)}/${unit}/${unit}.pem`;
}

export function metaKey(issuerKey: string, unit: string): string {
  return `certificates/${keyPart(issuerKey)}/${unit}/${unit}.json`;
}

export function accountKey(issuerKey: string, email: string): string {
  const user = email === '' ? 'default' : keyPart(email);
  return `acme/${keyPart(issuerKey)}/users/${user}/account.json`;
}

export function orderKey(issuerKey: string, id: string): string {
  return `acme/${keyPart(issuerKey)}/orders/${keyPart(id)}.json`;
}

/** Lock of a certificate, whoever issues it. */
export function issueLock(unit: string): string {
  return `issue_${unit}`;
}
