import assert from 'node:assert/strict';
import test from 'node:test';

import { Slab } from '../slab.ts';
import type { SlabChunk } from '../slab.ts';
import { BULK_SIZE_MIN, ReadBuffers } from './read-buffers.ts';
import type { BulkReader } from './read-buffers.ts';

class Reader implements BulkReader {
  isPaused = false;
  isClosed = false;
  readChunk: SlabChunk | null = null;
  bulkIndex = -1;
  bulkReadAtMs = 0;
  redirectedTo: Uint8Array | null = null;
  canRedirect = true;

  redirect(view: Uint8Array): boolean {
    if (this.canRedirect) this.redirectedTo = view;
    return this.canRedirect;
  }
}

function allocate(size: number): Buffer {
  return Buffer.allocUnsafeSlow(size);
}

function setUp(bulkMax: number): { slab: Slab; reads: ReadBuffers; clock: { ms: number } } {
  const clock = { ms: 0 };
  const slab = new Slab({ allocate, memoryMax: 4_194_304, isDebug: true });
  const reads = new ReadBuffers({ slab, nowMs: () => clock.ms, bulkMax });
  return { slab, reads, clock };
}

test('read buffers: give a private chunk at half a buffer and not one byte before', () => {
  const { slab, reads } = setUp(4);
  const reader = new Reader();
  reads.prepareFirst();
  assert.equal(reads.next, reads.shared.interior);
  reads.afterRead(reader, BULK_SIZE_MIN - 1);
  assert.equal(reads.next, undefined);
  assert.equal(reader.readChunk, null);
  reads.afterRead(reader, BULK_SIZE_MIN);
  assert.equal(reads.next, reader.readChunk!.interior);
  reads.afterRead(reader, BULK_SIZE_MIN);
  assert.equal(reads.next, undefined, 'the same chunk again');
  reads.afterRead(reader, 10);
  assert.equal(reads.next, reads.shared.interior);
  assert.deepEqual(slab.leaks(), []);
});

test('read buffers: give another chunk while the last one is still in use', () => {
  const { slab, reads } = setUp(4);
  const reader = new Reader();
  reads.afterRead(reader, BULK_SIZE_MIN);
  const first = reader.readChunk!;
  slab.retain(first);
  reads.afterRead(reader, BULK_SIZE_MIN);
  assert.notEqual(reader.readChunk, first);
  assert.equal(reads.next, reader.readChunk!.interior);
  assert.equal(first.references, 1);
  slab.release(first);
  reads.drop(reader);
  assert.deepEqual(slab.leaks(), []);
});

test('read buffers: refuse a newcomer while all holders read, and evict a stale one', () => {
  const { reads, clock } = setUp(2);
  const [first, second, third] = [new Reader(), new Reader(), new Reader()];
  reads.afterRead(first, BULK_SIZE_MIN);
  reads.afterRead(second, BULK_SIZE_MIN);
  reads.afterRead(third, BULK_SIZE_MIN);
  assert.equal(third.readChunk, null);
  assert.equal(reads.bulkCount, 2);
  clock.ms = 5_000;
  reads.afterRead(second, BULK_SIZE_MIN);
  reads.afterRead(third, BULK_SIZE_MIN);
  reads.afterRead(third, BULK_SIZE_MIN); // One look each time: at worst the second finds it.
  assert.notEqual(third.readChunk, null);
  assert.equal(first.readChunk, null);
  assert.equal(first.redirectedTo, reads.shared.interior);
  assert.equal(reads.bulkCount, 2);
});

test('read buffers: keep the chunk of a holder that cannot be redirected', () => {
  const { reads, clock } = setUp(1);
  const [first, second] = [new Reader(), new Reader()];
  first.canRedirect = false;
  reads.afterRead(first, BULK_SIZE_MIN);
  clock.ms = 5_000;
  reads.afterRead(second, BULK_SIZE_MIN);
  assert.notEqual(first.readChunk, null);
  assert.equal(second.readChunk, null);
});

test('read buffers: give no private chunk at all when bulkMax is 0', () => {
  const { reads } = setUp(0);
  const reader = new Reader();
  reads.afterRead(reader, BULK_SIZE_MIN);
  assert.equal(reader.readChunk, null);
  assert.equal(reads.next, undefined);
});

test('read buffers: take the chunk of a paused reader when half of them are held', () => {
  const { reads } = setUp(4);
  const readers = [new Reader(), new Reader(), new Reader()];
  for (const reader of readers) {
    reader.isPaused = true;
    reads.afterRead(reader, BULK_SIZE_MIN);
  }
  assert.equal(reads.bulkCount, 2);
  assert.equal(readers[2]!.readChunk, null);
  readers[2]!.isPaused = false;
  reads.afterRead(readers[2]!, BULK_SIZE_MIN);
  assert.equal(reads.bulkCount, 3);
});

test('read buffers: take the chunk of a closed reader, whatever place it has', () => {
  const { slab, reads } = setUp(4);
  const readers = [new Reader(), new Reader(), new Reader()];
  for (const reader of readers) reads.afterRead(reader, BULK_SIZE_MIN);
  for (const reader of readers) {
    reader.isClosed = true;
    reads.afterRead(reader, BULK_SIZE_MIN);
    assert.equal(reads.next, reads.shared.interior);
  }
  assert.equal(reads.bulkCount, 0);
  assert.deepEqual(slab.leaks(), []);
});
