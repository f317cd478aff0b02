/**
 * JWS as ACME uses it (RFC 7515, RFC 8555 §6.2): flattened JSON, one signature, account keys and
 * external account binding.
 *
 * J1  accounts of ours have P-256 keys; keys that are imported may be P-384 or RSA as well.
 * J2  the private key never leaves the KeyObject.
 */

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Public half of a key as JWK, with the members of its thumbprint alone (RFC 7638 §3.2). */
export type PublicJwk = Readonly<Record<string, string>>;

export interface AccountKey {
  readonly privateKey: KeyObject;
  readonly algorithm: 'ES256' | 'ES384' | 'RS256';
  readonly jwk: PublicJwk;
  /** Base64url (RFC 7638). */
  readonly thumbprint: string;
}

/** A new account key, PEM (PKCS#8). */
export function generateAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/**
 * @param pem private key: PKCS#8, SEC 1 or PKCS#1
 * @returns null when it is not a key that can sign for an account
 */
export function readAccountKey(pem: string): AccountKey | null {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    return null;
  }
  const full = createPublicKey(privateKey).export({ format: 'jwk' }) as Record<string, string>;
  const algorithm = algorithmOf(full);
  if (algorithm === null) return null;
  const jwk = publicMembers(full);
  return { privateKey, algorithm, jwk, thumbprint: thumbprintOf(jwk) };
}

function algorithmOf(jwk: Record<string, string>): AccountKey['algorithm'] | null {
  if (jwk['kty'] === 'RSA') return 'RS256';
  if (jwk['kty'] !== 'EC') return null;
  if (jwk['crv'] === 'P-256') return 'ES256';
  return jwk['crv'] === 'P-384' ? 'ES384' : null;
}

/** Required members in lexicographic order, which is what a thumbprint is taken of. */
function publicMembers(jwk: Record<string, string>): PublicJwk {
  const { crv = '', e = '', kty = '', n = '', x = '', y = '' } = jwk;
  return kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y };
}

/** SHA-256 over the required members (RFC 7638 §3), base64url. */
export function thumbprintOf(jwk: PublicJwk): string {
  const members = Object.entries(jwk).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(Object.fromEntries(members));
  return createHash('sha256').update(text).digest('base64url');
}

/** Protected header but for `alg`: `jwk` for requests without an account, else `kid`. */
export type JwsHeader = {
  readonly url: string;
  /** Left out inside of another JWS (RFC 8555 §7.3.4, §7.3.5). */
  readonly nonce?: string;
} & ({ readonly jwk: PublicJwk } | { readonly kid: string });

/**
 * Signs a request.
 * @param payload null: the empty payload of POST-as-GET (RFC 8555 §6.3)
 * @returns the JSON text that is sent as application/jose+json
 */
export function signJws(key: AccountKey, header: JwsHeader, payload: object | null): string {
  const protectedPart = encode({ alg: key.algorithm, ...header });
  const payloadPart = payload === null ? '' : encode(payload);
  const input = Buffer.from(`${protectedPart}.${payloadPart}`);
  const digest = key.algorithm === 'ES384' ? 'sha384' : 'sha256';
  // JOSE wants r and s side by side (RFC 7518 §3.4); RSA ignores the option.
  const signature = sign(digest, input, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return JSON.stringify({
    protected: protectedPart,
    payload: payloadPart,
    signature: signature.toString('base64url'),
  });
}

/**
 * External account binding (RFC 8555 §7.3.4): the account key signed with a key that the authority
 * handed out.
 * @param hmacKey base64url
 */
export function signBinding(
  jwk: PublicJwk,
  binding: { readonly keyId: string; readonly hmacKey: string },
  url: string,
): object {
  const protectedPart = encode({ alg: 'HS256', kid: binding.keyId, url });
  const payload = encode(jwk);
  const signature = createHmac('sha256', Buffer.from(binding.hmacKey, 'base64url'))
    .update(`${protectedPart}.${payload}`)
    .digest('base64url');
  return { protected: protectedPart, payload, signature };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
