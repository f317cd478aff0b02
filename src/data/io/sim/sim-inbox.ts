/**
 * Segments that have arrived at a simulated connection and wait to be read.
 */

import { CHUNK_HEADROOM } from '../backend.ts';

/** Moves the first `size` bytes of `inbox` to their place in `target`, the bytes of a chunk. */
export function takeArrived(inbox: Uint8Array[], target: Uint8Array, size: number): void {
  for (let taken = 0; taken < size;) {
    const first = inbox[0]!;
    const count = Math.min(first.byteLength, size - taken);
    target.set(first.subarray(0, count), CHUNK_HEADROOM + taken);
    taken += count;
    if (count === first.byteLength) inbox.shift();
    else inbox[0] = first.subarray(count);
  }
}
