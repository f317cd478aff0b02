/**
 * Address ranges: parsed once, asked often. Serves the ClientIP matcher and trusted proxies.
 *
 * R1  an IPv4 address and its IPv4-mapped IPv6 spelling are the same address.
 * R2  a range of one family never contains the other: `::/0` holds no IPv4 address.
 * R3  ranges are nested or disjoint (they are prefixes), so after dropping nested ones a check
 *     is one binary search for the last range that starts at or below the address.
 */

import { assert } from './assert.ts';
import { isIpv4, parseIpv4, parseIpv6 } from './ip-address.ts';

/** One prefix. IPv4 is held in its mapped form, with `prefixLength` counted in 128 bits. */
export interface CidrRange {
  readonly family: 4 | 6;
  /** First address of the range: host bits are already zero. */
  readonly words: Uint32Array;
  /** 0 to 128. */
  readonly prefixLength: number;
}

const TEXT_SIZE_MAX = 64;
const textBytes = new Uint8Array(TEXT_SIZE_MAX);
const PERCENT = 0x25;

/**
 * Reads one address in text form, without brackets. A zone (`fe80::1%eth0`) is ignored: it names
 * an interface, not an address.
 * @param words  receives the address as four words, IPv4 mapped; undefined when false
 * @returns false when `text` is no address
 */
export function parseAddress(text: string, words: Uint32Array): boolean {
  let size = text.length;
  if (size > TEXT_SIZE_MAX) return false;
  let isColonSeen = false;
  for (let i = 0; i < size; i++) {
    const code = text.charCodeAt(i);
    if (code === PERCENT) {
      if (!isColonSeen || i === size - 1) return false; // Only IPv6 has zones.
      size = i;
      break;
    }
    if (code > 0x7f) return false;
    if (code === 0x3a) isColonSeen = true;
    textBytes[i] = code;
  }
  if (isColonSeen) return parseIpv6(textBytes, 0, size, words);
  return parseIpv4(textBytes, 0, size, words);
}

/**
 * Reads `address` or `address/prefix-length`. Host bits may be set and are cleared.
 * @returns null unless the address is valid, has no zone, and the length is 0 to 32 (IPv4) or
 *          0 to 128 (IPv6), in decimal without sign or leading zeros
 */
export function parseCidr(text: string): CidrRange | null {
  const slash = text.indexOf('/');
  const addressText = slash < 0 ? text : text.slice(0, slash);
  const words = new Uint32Array(4);
  if (addressText.includes('%') || !parseAddress(addressText, words)) return null;
  const isDotted = !addressText.includes(':');
  let prefixLength = 128;
  if (slash >= 0) {
    const lengthText = text.slice(slash + 1);
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(lengthText)) return null;
    prefixLength = Number(lengthText) + (isDotted ? 96 : 0);
    if (prefixLength > 128) return null;
  }
  const family = isDotted || (isIpv4(words) && prefixLength >= 96) ? 4 : 6;
  for (let i = 0; i < 4; i++) words[i]! &= wordMask(prefixLength, i);
  return { family, words, prefixLength };
}

/**
 * A fixed set of ranges. `contains` allocates nothing and remembers the last answer, because one
 * connection asks about one address again and again.
 */
export class CidrSet {
  readonly #ipv4: PrefixTable;
  readonly #ipv6: PrefixTable;
  readonly #words = new Uint32Array(4);
  #lastText = '';
  #lastResult = false;

  constructor(ranges: readonly CidrRange[]) {
    this.#ipv4 = new PrefixTable(ranges.filter((range) => range.family === 4));
    this.#ipv6 = new PrefixTable(ranges.filter((range) => range.family === 6));
  }

  /** Disjoint ranges left after nested ones were dropped. */
  get size(): number {
    return this.#ipv4.size + this.#ipv6.size;
  }

  /**
   * @param text  an address as text; a zone is ignored
   * @returns true when a range of the address's own family contains it; false also for text that
   *          is no address
   */
  contains(text: string): boolean {
    if (text === this.#lastText) return this.#lastResult;
    const words = this.#words;
    let result = false;
    if (parseAddress(text, words)) {
      result = isIpv4(words) ? this.#ipv4.contains(words) : this.#ipv6.contains(words);
    }
    this.#lastText = text;
    this.#lastResult = result;
    return result;
  }
}

/**
 * Compiles texts that validation has already accepted.
 * @throws only when a text is no range, which is a bug of the caller
 */
export function compileCidrSet(texts: readonly string[]): CidrSet {
  const ranges: CidrRange[] = [];
  for (const text of texts) {
    const range = parseCidr(text);
    assert(range !== null, 'address ranges are validated before they are compiled');
    ranges.push(range);
  }
  return new CidrSet(ranges);
}

/** Bits of word `index` (0 to 3) that belong to a prefix of `prefixLength`, as a signed int. */
function wordMask(prefixLength: number, index: number): number {
  const bits = prefixLength - index * 32;
  if (bits >= 32) return -1;
  return bits <= 0 ? 0 : -1 << (32 - bits);
}

/** Disjoint prefixes in ascending order: see R3. */
class PrefixTable {
  /** Four words each. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint8Array;

  constructor(ranges: readonly CidrRange[]) {
    const kept = withoutNested(ranges);
    this.#starts = new Uint32Array(kept.length * 4);
    this.#lengths = new Uint8Array(kept.length);
    for (const [index, range] of kept.entries()) {
      this.#starts.set(range.words, index * 4);
      this.#lengths[index] = range.prefixLength;
    }
  }

  get size(): number {
    return this.#lengths.length;
  }

  contains(words: Uint32Array): boolean {
    let low = 0;
    let high = this.#lengths.length; // Ranges before `low` start at or below the address.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareWords(this.#starts, middle * 4, words) <= 0) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return false;
    return isInside(words, this.#starts, (low - 1) * 4, this.#lengths[low - 1]!);
  }
}

function compareWords(starts: Uint32Array, offset: number, words: Uint32Array): number {
  for (let i = 0; i < 4; i++) {
    const difference = starts[offset + i]! - words[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** True when the first `length` bits of `words` are those of the start at `offset`. */
function isInside(
  words: Uint32Array,
  starts: Uint32Array,
  offset: number,
  length: number,
): boolean {
  for (let i = 0; i < 4; i++) {
    if (((words[i]! ^ starts[offset + i]!) & wordMask(length, i)) !== 0) return false;
  }
  return true;
}

function withoutNested(ranges: readonly CidrRange[]): CidrRange[] {
  const sorted = ranges.toSorted(
    (a, b) => compareWords(a.words, 0, b.words) || a.prefixLength - b.prefixLength,
  );
  const kept: CidrRange[] = [];
  for (const range of sorted) {
    const outer = kept.at(-1);
    const isNested =
      outer !== undefined && isInside(range.words, outer.words, 0, outer.prefixLength);
    if (!isNested) kept.push(range);
  }
  return kept;
}
