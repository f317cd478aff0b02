import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { latin1Text } from '../../base/ascii.ts';
import type { Chunk } from './backend.ts';
import { CHUNK_HEADROOM } from './backend.ts';
import { HeldBytes } from './held-bytes.ts';
import { Simulation } from './sim/simulation.ts';

function open(memoryMax = 8_388_608): { sim: Simulation; held: HeldBytes; shared: Chunk } {
  const sim = new Simulation({ seed: 1, memoryMax });
  return { sim, held: new HeldBytes(sim), shared: sim.chunks.sharedChunk() };
}

/** Puts `text` where a read would. @returns its range */
function arrive(chunk: Chunk, text: string): readonly [Chunk, number, number] {
  chunk.bytes.set(Buffer.from(text, 'latin1'), CHUNK_HEADROOM);
  return [chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + text.length];
}

function textOf(held: HeldBytes): string {
  return held.chunk === null ? '' : latin1Text(held.chunk.bytes, held.start, held.end);
}

test('held bytes: outlive the shared chunk they came in', () => {
  const { sim, held, shared } = open();
  assert.equal(held.isEmpty, true);
  assert.equal(held.take(...arrive(shared, 'hello')), true);
  shared.bytes.fill(0);
  assert.equal(held.isEmpty, false);
  assert.equal(textOf(held), 'hello');
  held.drop();
  held.drop();
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('held bytes: stay where they are when their chunk is their own', () => {
  const { sim, held } = open();
  const chunk = sim.chunks.acquire(100)!;
  assert.equal(held.take(...arrive(chunk, 'hello')), true);
  assert.equal(held.chunk, chunk);
  sim.chunks.release(chunk);
  assert.equal(textOf(held), 'hello');
  held.drop();
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('held bytes: what is used up is forgotten, and the chunk with the last of it', () => {
  const { sim, held, shared } = open();
  held.take(...arrive(shared, 'hello'));
  held.consume(held.start + 2);
  assert.equal(textOf(held), 'llo');
  held.append(...arrive(shared, ' world'));
  assert.equal(textOf(held), 'llo world');
  held.consume(held.end);
  assert.equal(held.isEmpty, true);
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('held bytes: grow up to the largest chunk, and say when not all of them fit', () => {
  const { sim, held, shared } = open();
  const { sizeMax } = sim.chunks;
  held.take(...arrive(shared, 'a'.repeat(10_000)));
  let size = 10_000;
  while (size + 10_000 <= sizeMax) {
    assert.equal(held.append(...arrive(shared, 'b'.repeat(10_000))), true);
    size += 10_000;
  }
  const fitting = sizeMax - size;
  assert.equal(held.append(...arrive(shared, 'c'.repeat(fitting + 1))), false);
  assert.equal(held.end - held.start, sizeMax);
  assert.equal(textOf(held).at(-1), 'c');
  assert.equal(held.append(...arrive(shared, 'd')), false);
  assert.equal(textOf(held).at(-1), 'c');
  held.drop();
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('held bytes: use the room before them when they grow', () => {
  const { sim, held, shared } = open();
  const { sizeMax } = sim.chunks;
  held.take(...arrive(shared, 'x'.repeat(20_000)));
  held.append(...arrive(shared, 'y'.repeat(20_000)));
  held.consume(held.start + 39_990);
  assert.equal(held.append(...arrive(shared, 'z'.repeat(30_000))), true);
  assert.equal(textOf(held), 'y'.repeat(10) + 'z'.repeat(30_000));
  assert.ok(held.end <= sizeMax + CHUNK_HEADROOM);
  held.drop();
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('held bytes: say so when there is no memory, and keep what they had', () => {
  const { sim, held, shared } = open(1_048_576);
  assert.equal(held.take(...arrive(shared, 'hello')), true);
  const others: Chunk[] = [];
  for (;;) {
    const chunk = sim.chunks.acquire(64);
    if (chunk === null) break;
    others.push(chunk);
  }
  const second = new HeldBytes(sim);
  assert.equal(second.take(...arrive(shared, 'more')), false);
  assert.equal(second.isEmpty, true);
  assert.equal(held.append(...arrive(shared, 'x'.repeat(5_000))), false);
  assert.match(textOf(held), /^hellox*$/);
  held.drop();
  for (const chunk of others) sim.chunks.release(chunk);
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('held bytes: are a queue of bytes, whatever is added and used up', () => {
  const step = fc.record({ size: fc.integer({ min: 1, max: 9_000 }), used: fc.nat(9_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.boolean(), (steps, isShared) => {
      const { sim, held, shared } = open();
      let expected = '';
      let count = 0;
      for (const { size, used } of steps) {
        if (expected.length + size > 60_000) continue;
        const text = String.fromCharCode(0x61 + (count++ % 26)).repeat(size);
        const chunk = isShared ? shared : sim.chunks.acquire(size)!;
        const isTaken = held.isEmpty
          ? held.take(...arrive(chunk, text))
          : held.append(...arrive(chunk, text));
        if (!isShared) sim.chunks.release(chunk);
        assert.equal(isTaken, true);
        expected += text;
        assert.equal(textOf(held), expected);
        const usedSize = Math.min(used, expected.length);
        held.consume(held.start + usedSize);
        expected = expected.slice(usedSize);
        assert.equal(textOf(held), expected);
      }
      held.drop();
      assert.deepEqual(sim.chunks.leaks(), []);
    }),
  );
});
