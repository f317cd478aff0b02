/**
 * Handshake limiter: how many TLS handshakes one client address may begin in a second. A handshake
 * costs the server a signature, some hundred times what it costs the client to ask for it.
 *
 * R1  memory is fixed, whatever the number of addresses: `SLOT_COUNT` of them are remembered, and
 *     who is pushed out begins anew. A flood from more addresses than that is not this limit's to
 *     stop.
 * R2  a client may begin `rate` handshakes at once, and `rate` more each second after.
 * R3  an IPv6 client is its /64: it has more addresses than there are slots.
 *
 * The generic cell rate algorithm: one number per client, the time up to which its handshakes are
 * accounted for (ITU-T I.371, annex A).
 */

import { parseAddress } from '../../base/cidr.ts';
import { isIpv4 } from '../../base/ip-address.ts';

const SLOT_COUNT = 16_384;
/** Slots that one address may be in: a collision pushes out the one that has been quiet longest. */
const WAYS = 4;

export class HandshakeLimiter {
  readonly #seed: number;
  readonly #words = new Uint32Array(4);
  /** Two words per slot; made when a limit is first asked about. */
  #keys = new Uint32Array(0);
  /** Milliseconds; 0 for a free slot. */
  #untilMs = new Float64Array(0);

  /** @param seed of the hash, so that nobody knows which addresses share slots */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /**
   * Counts one handshake of `address`. Never allocates but its table, once.
   * @param address as text; one that is no IP address (a unix peer) is never limited
   * @param rate handshakes a second for one client here; 0: no limit
   * @param nowMs monotonic
   * @returns false when it is one too many; then it does not count
   */
  allows(address: string, rate: number, nowMs: number): boolean {
    if (rate <= 0 || !parseAddress(address, this.#words)) return true;
    if (this.#keys.length === 0) {
      this.#keys = new Uint32Array(2 * SLOT_COUNT);
      this.#untilMs = new Float64Array(SLOT_COUNT);
    }
    const slot = this.#slotOf(nowMs);
    const stepMs = 1_000 / rate;
    const fromMs = Math.max(this.#untilMs[slot]!, nowMs);
    // The last of `rate` at once is accounted for up to a second from now; the sum of steps may be
    // off by a rounding error.
    if (fromMs - nowMs > 1_000 - stepMs + 0.001) return false;
    this.#untilMs[slot] = fromMs + stepMs;
    return true;
  }

  /** The slot of the address in `#words`: its own, else the quietest of those it may have. */
  #slotOf(nowMs: number): number {
    const words = this.#words;
    const isV4 = isIpv4(words);
    // No /64 that is in use has the upper word 0x0000ffff.
    const high = isV4 ? 0xffff : words[0]!;
    const low = isV4 ? words[3]! : words[1]!;
    const first = (mix(mix(this.#seed ^ high) ^ low) >>> 0) % (SLOT_COUNT / WAYS);
    let quietest = first * WAYS;
    for (let slot = first * WAYS; slot < (first + 1) * WAYS; slot++) {
      if (this.#keys[2 * slot] === high && this.#keys[2 * slot + 1] === low) return slot;
      if (this.#untilMs[slot]! < this.#untilMs[quietest]!) quietest = slot;
    }
    this.#keys[2 * quietest] = high;
    this.#keys[2 * quietest + 1] = low;
    this.#untilMs[quietest] = nowMs;
    return quietest;
  }
}

/**
 * What one client may do in one of `workerCount` workers, of a limit for the whole process. The
 * kernel deals connections out by chance: three standard deviations more than an even share make
 * it rare that a client is refused below the limit.
 */
export function handshakeShareOf(limit: number, workerCount: number): number {
  if (workerCount === 1) return limit;
  const even = limit / workerCount;
  return Math.ceil(Math.min(limit, even + 3 * Math.sqrt(even)));
}

/** The finaliser of MurmurHash3: each bit of the input changes about half of the result. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
