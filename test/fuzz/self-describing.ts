/**
 * Bodies that say how long they are and what they hash to, so that whoever gets one can tell a
 * whole body from a part of it: `<size in 8 digits>:<32 hex digits of sha256>:<payload>`.
 */

import { createHash } from 'node:crypto';
import type { Prng } from '../support/prng.ts';

const PREFIX_SIZE = 8 + 1 + 32 + 1;

function digest(payload: Buffer): string {
  return createHash('sha256').update(payload).digest('hex').slice(0, 32);
}

/** A body whose payload has `size` pseudo-random printable bytes. */
export function describedBody(size: number, random: Prng): Buffer {
  const payload = Buffer.alloc(size);
  for (let i = 0; i < size; i++) payload[i] = 0x20 + random.below(0x5f);
  const prefix = `${String(size).padStart(8, '0')}:${digest(payload)}:`;
  return Buffer.concat([Buffer.from(prefix), payload]);
}

/** True when `body` is whole by its own account. */
export function isWhole(body: Buffer): boolean {
  const match = /^([0-9]{8}):([0-9a-f]{32}):$/.exec(body.toString('latin1', 0, PREFIX_SIZE));
  if (match === null) return false;
  const payload = body.subarray(PREFIX_SIZE);
  return payload.length === Number(match[1]) && digest(payload) === match[2];
}
