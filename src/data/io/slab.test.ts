import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { CHUNK_SIZE_MAX, READ_SIZE_MAX, Slab } from './slab.ts';
import type { SlabChunk } from './slab.ts';

const REGION_SIZE = 65_536;

function allocate(size: number): Buffer {
  return Buffer.allocUnsafeSlow(size);
}

function slab(memoryMax: number, isDebug = true): Slab {
  return new Slab({ allocate, memoryMax, regionSize: REGION_SIZE, isDebug });
}

test('slab: serves a size with head and tail room from the smallest class that fits', () => {
  const source = slab(1_048_576);
  const cases = [
    [0, 4_096],
    [4_032, 4_096],
    [4_033, 16_384],
    [16_320, 16_384],
    [16_321, 32_768],
    [READ_SIZE_MAX, 32_768],
    [READ_SIZE_MAX + 1, 65_536],
    [CHUNK_SIZE_MAX, 65_536],
  ] as const;
  for (const [size, slotSize] of cases) {
    const chunk = source.acquire(size)!;
    assert.equal(chunk.bytes.byteLength, slotSize);
    assert.ok(chunk.interior.byteLength >= size);
    assert.equal(chunk.isShared, false);
    source.release(chunk);
  }
  assert.equal(source.sizeMax, 65_472);
  assert.equal(source.acquire(65_473), null);
  assert.equal(source.acquireSlot(65_536)!.bytes.byteLength, 65_536);
});

test('slab: a changed ceiling holds from now on, and takes nothing back', () => {
  const source = slab(REGION_SIZE);
  const held = source.acquireSlot(65_536)!;
  assert.equal(source.acquireSlot(65_536), null);
  source.setMemoryMax(3 * REGION_SIZE);
  const more = [source.acquireSlot(65_536)!, source.acquireSlot(65_536)!];
  assert.equal(source.acquireSlot(65_536), null);
  source.setMemoryMax(2 * REGION_SIZE);
  source.release(more[0]!);
  assert.equal(source.acquireSlot(65_536), null, 'two are still out');
  source.release(more[1]!);
  assert.notEqual(source.acquireSlot(65_536), null);
  source.release(held);
});

test('slab: returns null at the limit and serves again after a release', () => {
  const source = slab(REGION_SIZE * 2);
  const first = source.acquire(CHUNK_SIZE_MAX)!;
  const second = source.acquire(CHUNK_SIZE_MAX)!;
  assert.equal(source.acquire(CHUNK_SIZE_MAX), null);
  assert.equal(source.acquire(1), null);
  assert.equal(source.refusedCount, 2);
  assert.equal(source.memorySize, REGION_SIZE * 2);
  source.release(second);
  assert.notEqual(source.acquire(CHUNK_SIZE_MAX), null);
  source.release(first);
});

test('slab: cuts an unused region anew when another class needs the memory', () => {
  const source = slab(REGION_SIZE);
  const small = source.acquire(10)!;
  assert.equal(source.acquire(CHUNK_SIZE_MAX), null);
  source.release(small);
  const large = source.acquire(CHUNK_SIZE_MAX)!;
  assert.equal(large.bytes.byteLength, 65_536);
  assert.equal(source.memorySize, REGION_SIZE);
  assert.equal(source.acquire(10), null);
  source.release(large);
  assert.equal(source.acquire(10)!.bytes.byteLength, 4_096);
});

test('slab: takes a larger slot when its own class is full and cannot grow', () => {
  const source = new Slab({ allocate, memoryMax: 2 * 1_048_576 });
  const large = source.acquire(CHUNK_SIZE_MAX)!;
  const held: SlabChunk[] = [];
  for (let chunk = source.acquire(10); chunk !== null; chunk = source.acquire(10)) held.push(chunk);
  assert.equal(held.length, 256 + 15);
  assert.equal(held.at(-1)!.bytes.byteLength, 65_536);
  assert.equal(source.usedSize, source.memoryMax);
  for (const chunk of [large, ...held]) source.release(chunk);
  assert.equal(source.usedSize, 0);
});

test('slab: keeps its reserve for answers, whatever requests have taken', () => {
  const source = new Slab({ allocate, memoryMax: 4_194_304, reserveSize: 1_048_576 });
  const held: SlabChunk[] = [];
  const fill = (next: () => SlabChunk | null): void => {
    for (let chunk = next(); chunk !== null; chunk = next()) held.push(chunk);
  };
  fill(() => source.acquire(30_000));
  fill(() => source.acquire(10));
  assert.equal(source.usedSize, 4_194_304 - 1_048_576);
  assert.equal(source.acquireSlot(1), null);
  assert.notEqual(source.acquireReserved(10_000), null);
  let answers = 1;
  while (source.acquireReserved(1_000) !== null) answers++;
  assert.ok(answers >= 60, `${answers} answers of 1 KB`);
  assert.ok(source.memorySize <= source.memoryMax);
  source.release(held.pop()!);
  assert.equal(source.acquire(10), null); // The reserve is filled up first.
});

test('slab: hands out the chunk released last, and makes no new one', () => {
  const source = slab(1_048_576);
  const first = source.acquire(100)!;
  const second = source.acquire(100)!;
  source.release(first);
  source.release(second);
  assert.equal(source.acquire(100), second);
  assert.equal(source.acquire(100), first);
  assert.equal(second.interior, second.interior);
});

test('slab: a chunk lives until its last reference is released', () => {
  const source = slab(1_048_576);
  const chunk = source.acquire(100)!;
  source.retain(chunk);
  source.release(chunk);
  assert.equal(source.heldCount, 1);
  assert.notEqual(source.acquire(100), chunk);
  source.release(chunk);
  assert.equal(source.heldCount, 1);
});

test('slab: a release too many throws in debug mode and is harmless otherwise', () => {
  const strict = slab(1_048_576);
  const chunk = strict.acquire(100)!;
  strict.release(chunk);
  assert.throws(() => strict.release(chunk), /release/);
  assert.throws(() => strict.retain(chunk), /retain/);
  assert.throws(() => strict.retain(strict.sharedChunk()), /retain/);

  const lenient = slab(1_048_576, false);
  const other = lenient.acquire(100)!;
  lenient.release(other);
  lenient.release(other);
  lenient.retain(other);
  assert.equal(lenient.misuseCount, 2);
  assert.notEqual(lenient.acquire(100), lenient.acquire(100));
});

test('slab: debug mode finds a write after release', () => {
  const source = slab(1_048_576);
  const chunk = source.acquire(100)!;
  source.release(chunk);
  assert.equal(chunk.bytes[50], 0xdb);
  chunk.bytes[50] = 1;
  assert.throws(() => source.acquire(100), /after its release/);
});

test('slab: leaks names what is held and who took it', () => {
  const source = slab(1_048_576);
  function culprit(): SlabChunk {
    return source.acquire(100)!;
  }
  const chunk = culprit();
  assert.equal(source.leaks().length, 1);
  assert.match(source.leaks()[0]!, /4096 bytes, 1 references[^]*culprit/);
  source.release(chunk);
  assert.deepEqual(source.leaks(), []);
});

test('slab: trim gives back what stayed unused for two calls, one region per class stays', () => {
  const source = slab(1_048_576);
  const burst = Array.from({ length: 4 }, () => source.acquire(CHUNK_SIZE_MAX)!);
  source.trim();
  for (const chunk of burst) source.release(chunk);
  source.trim();
  assert.equal(source.memorySize, REGION_SIZE * 4);
  source.trim();
  assert.equal(source.memorySize, REGION_SIZE);
  const chunk = source.acquire(CHUNK_SIZE_MAX)!;
  assert.ok(burst.includes(chunk));
  source.release(chunk);
});

test('slab: keeps its counts right and never shares a chunk, for any order of operations', () => {
  const step = fc.record({ size: fc.integer({ min: -3, max: CHUNK_SIZE_MAX }), pick: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const source = slab(REGION_SIZE * 4, false);
      const held: SlabChunk[] = [];
      for (const { size, pick } of steps) {
        const index = held.length === 0 ? -1 : pick % held.length;
        if (size === -1 && index >= 0) {
          source.retain(held[index]!);
          held.push(held[index]!);
        } else if (size < 0) {
          if (index >= 0) source.release(held.splice(index, 1)[0]!);
          else source.trim();
        } else {
          const chunk = source.acquire(size);
          if (chunk === null) continue;
          assert.ok(!held.includes(chunk), 'S1: handed out twice');
          held.push(chunk);
        }
        assert.equal(source.heldCount, new Set(held).size);
        assert.ok(source.memorySize <= source.memoryMax, 'S2');
      }
      for (const chunk of held) source.release(chunk);
      assert.deepEqual(source.leaks(), []);
      assert.equal(source.misuseCount, 0);
    }),
    { numRuns: 300 },
  );
});

test('slab: gives all unused memory back at once when told to', () => {
  const freed: Uint8Array[] = [];
  const source = new Slab({ allocate, free: (memory) => freed.push(memory), memoryMax: 8_388_608 });
  const small = source.acquire(10)!;
  const large = source.acquire(CHUNK_SIZE_MAX)!;
  source.trimAll();
  assert.equal(freed.length, 0);
  source.release(large);
  source.trimAll();
  assert.equal(freed.length, 1);
  assert.equal(source.memorySize, 1_048_576);
  assert.equal(source.acquire(CHUNK_SIZE_MAX)!.bytes.byteLength, 65_536);
  source.release(small);
});
