/** What the fake authority checks of a request before it looks at what it asks for. */

import { createPublicKey, verify } from 'node:crypto';

export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

/** The authority does not do it. */
export class Refusal extends Error {
  readonly answer: { readonly status: number; readonly body: object };

  constructor(status: number, type: string, detail: string) {
    super(detail);
    this.answer = { status, body: problem(status, type, detail) };
  }
}

export function problem(status: number, type: string, detail: string): object {
  return { type: `urn:ietf:params:acme:error:${type}`, status, detail };
}

/** The JSON in a part of a JWS. */
export function decode(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}

const DIGESTS: Readonly<Record<string, string>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  RS256: 'sha256',
};

/** @throws Refusal unless it is signed by `jwk` */
export function verifyJws(jws: Jws, jwk: Record<string, string>, algorithm: string): void {
  const digest = DIGESTS[algorithm];
  if (digest === undefined) throw new Refusal(400, 'badSignatureAlgorithm', algorithm);
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const input = Buffer.from(`${jws.protected}.${jws.payload}`);
  const signature = Buffer.from(jws.signature, 'base64url');
  if (verify(digest, input, { key, dsaEncoding: 'ieee-p1363' }, signature)) return;
  throw new Refusal(400, 'malformed', 'the signature is wrong');
}
