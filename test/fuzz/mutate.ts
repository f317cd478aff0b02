/**
 * Mutations of recorded traffic: flips, truncations, insertions, removals, repeats and splices.
 *
 * Everything follows from the generator, so a case is reproduced by its seed.
 */

import type { Prng } from '../support/prng.ts';

const SIZE_MAX = 200_000;

/** Pieces that have broken parsers before. */
const TOKENS = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0\r\n\r\n',
  '\r\n ',
  '\x7f',
  '\x80',
  '\xff',
  '-1',
  'ffffffffffffffff',
  '99999999999999999999',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  'Host: b.test\r\n',
  'HTTP/1.0',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  '%00',
  '%2e%2e/',
  '__proto__: x\r\n',
].map((text) => Buffer.from(text, 'latin1'));

type Mutation = (bytes: Buffer, random: Prng, other: Buffer) => Buffer;

function cutAt(bytes: Buffer, random: Prng): [Buffer, Buffer] {
  const at = random.below(bytes.length + 1);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = random.below(copy.length);
    copy[at] = copy[at]! ^ (1 << random.below(8));
    return copy;
  },
  function setByte(bytes, random) {
    const copy = Buffer.from(bytes);
    copy[random.below(copy.length)] = random.below(256);
    return copy;
  },
  function truncate(bytes, random) {
    return cutAt(bytes, random)[0];
  },
  function insertToken(bytes, random) {
    const [before, after] = cutAt(bytes, random);
    return Buffer.concat([before, random.pick(TOKENS), after]);
  },
  function insertLine(bytes, random) {
    const lines = bytes.toString('latin1').split('\r\n');
    lines.splice(random.below(lines.length), 0, random.pick(TOKENS).toString('latin1').trim());
    return Buffer.from(lines.join('\r\n'), 'latin1');
  },
  function remove(bytes, random) {
    const [before, after] = cutAt(bytes, random);
    return Buffer.concat([before, after.subarray(1 + random.below(16))]);
  },
  function repeat(bytes, random) {
    const [before, after] = cutAt(bytes, random);
    const piece = after.subarray(0, 1 + random.below(64));
    const copies = Array.from({ length: 1 + random.below(20) }, () => piece);
    return Buffer.concat([before, ...copies, after]);
  },
  function splice(bytes, random, other) {
    return Buffer.concat([cutAt(bytes, random)[0], cutAt(other, random)[1]]);
  },
  function swapLineEnds(bytes, random) {
    const lines = bytes.toString('latin1').split('\r\n');
    const at = random.below(lines.length);
    const text = lines.map((line, i) => (i === at ? `${line}\n` : `${line}\r\n`)).join('');
    return Buffer.from(text.slice(0, -1), 'latin1');
  },
];

/** One to four mutations of `bytes`; `other` is what a splice continues with. */
export function mutate(bytes: Buffer, other: Buffer, random: Prng): Buffer {
  let mutated = bytes;
  const count = 1 + random.below(4);
  for (let i = 0; i < count && mutated.length > 0; i++) {
    mutated = random.pick(MUTATIONS)(mutated, random, other);
  }
  return mutated.subarray(0, SIZE_MAX);
}

/** Ascending offsets at which to cut a send; sometimes none. */
export function randomCuts(size: number, random: Prng): number[] {
  if (size < 2 || random.below(3) === 0) return [];
  const count = 1 + random.below(6);
  const cuts = Array.from({ length: count }, () => 1 + random.below(size - 1));
  return cuts.toSorted((a, b) => a - b);
}
