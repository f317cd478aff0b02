/**
 * What a load client and the origin behind the proxy agree on, so that the client can tell whether
 * it got its own whole answer: ids, bodies made of the id, and hashes.
 */

import { createHash } from 'node:crypto';

/** Fields of requests and answers. */
export const ID_FIELD = 'x-load-id';
export const ENDPOINT_FIELD = 'x-endpoint';
export const HASH_FIELD = 'x-body-sha256';

/** The endpoint name that only an answer from a mix of two configurations can carry. */
export const MIXED_ENDPOINT = 'mixed';

/** A body of `size` bytes that no other id has. */
export function bodyOf(id: string, size: number): Buffer {
  return Buffer.alloc(size, `${id}.`);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
