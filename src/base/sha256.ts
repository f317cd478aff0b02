/**
 * SHA-256 (FIPS 180-4), for rooms without built-ins: fingerprints and names of things. Not for
 * secrets: its speed is that of plain JavaScript, and it makes no promise about timing.
 */

const BLOCK_SIZE = 64;

const INITIAL = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

const ROUND = roundConstants();

/** Scratch of one call. */
const schedule = new Int32Array(64);
const state = new Int32Array(8);
const lastBlocks = new Uint8Array(2 * BLOCK_SIZE);

/**
 * @param bytes borrowed for the call; at most 2^29 of them
 * @returns 64 lower-case hexadecimal digits
 */
export function sha256Hex(bytes: Uint8Array): string {
  state.set(INITIAL);
  const whole = bytes.length - (bytes.length % BLOCK_SIZE);
  for (let offset = 0; offset < whole; offset += BLOCK_SIZE) compress(bytes, offset);
  const rest = bytes.length - whole;
  const size = rest + 9 <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
  lastBlocks.fill(0);
  lastBlocks.set(bytes.subarray(whole));
  lastBlocks[rest] = 0x80;
  // The length in bits is below 2^32, so the upper half of its field stays zero.
  const bitSize = bytes.length * 8;
  lastBlocks[size - 4] = bitSize >>> 24;
  lastBlocks[size - 3] = bitSize >>> 16;
  lastBlocks[size - 2] = bitSize >>> 8;
  lastBlocks[size - 1] = bitSize;
  for (let offset = 0; offset < size; offset += BLOCK_SIZE) compress(lastBlocks, offset);
  let text = '';
  for (const word of state) text += (word >>> 0).toString(16).padStart(8, '0');
  return text;
}

/** One block into `state` (FIPS 180-4 §6.2.2). */
function compress(bytes: Uint8Array, offset: number): void {
  const w = schedule;
  for (let i = 0; i < 16; i++) {
    const at = offset + i * 4;
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const small0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const small1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[i] = (w[i - 16]! + small0 + w[i - 7]! + small1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + big1 + ((e & f) ^ (~e & g)) + ROUND[i]! + w[i]!) | 0;
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

function rotate(word: number, count: number): number {
  return (word >>> count) | (word << (32 - count));
}

/** First 32 bits of the fractions of the cube roots of the first 64 primes (§4.2.2). */
function roundConstants(): Int32Array {
  const constants = new Int32Array(64);
  let found = 0;
  for (let candidate = 2; found < 64; candidate++) {
    let isPrime = true;
    for (let i = 2; i * i <= candidate; i++) if (candidate % i === 0) isPrime = false;
    if (!isPrime) continue;
    const root = Math.cbrt(candidate);
    constants[found++] = Math.floor((root - Math.floor(root)) * 4_294_967_296);
  }
  return constants;
}
