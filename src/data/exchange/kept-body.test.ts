import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../base/prng.ts';
import type { Chunk } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import { Simulation } from '../io/sim/simulation.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import { KeptBody, KeptMemory } from './kept-body.ts';

/** Takes what a replay sends; blocks after each piece when it is told to. */
class Sink {
  text = '';
  isBlocking = false;

  send(chunk: Chunk, start: number, end: number): boolean {
    this.text += Buffer.from(chunk.bytes.subarray(start, end)).toString('latin1');
    return !this.isBlocking;
  }

  get upstream(): UpstreamConnection {
    return this as unknown as UpstreamConnection;
  }
}

interface Setup {
  readonly sim: Simulation;
  readonly kept: KeptBody;
  add(text: string): void;
}

function setUp(sizeMax: number, announced = -1, memoryMax = 8_388_608): Setup {
  const sim = new Simulation({ seed: 1, memoryMax });
  const kept = new KeptBody(sim, new KeptMemory());
  kept.begin(sizeMax, announced, memoryMax);
  const add = (text: string): void => {
    const chunk = sim.chunks.acquire(text.length)!;
    chunk.bytes.set(Buffer.from(text, 'latin1'), CHUNK_HEADROOM);
    kept.add(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + text.length);
    sim.chunks.release(chunk);
  };
  return { sim, kept, add };
}

test('kept body: replays what was added, in order, as often as asked', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const prng = new Prng(seed);
    const { sim, kept, add } = setUp(1_048_576);
    let all = '';
    for (let i = prng.integer(0, 30); i > 0; i--) {
      const piece = String.fromCharCode(prng.integer(97, 122)).repeat(
        prng.integer(1, prng.chance(0.3) ? 20_000 : 300),
      );
      all += piece;
      add(piece);
    }
    for (const isBlocking of [false, true]) {
      const sink = new Sink();
      sink.isBlocking = isBlocking;
      kept.beginReplay();
      let calls = 0;
      while (!kept.replay(sink.upstream)) assert.ok(++calls < 1_000);
      assert.equal(sink.text, all, `seed ${seed}`);
      assert.equal(kept.isReplaying, false);
    }
    kept.drop();
    assert.equal(sim.chunks.heldCount, 0);
  }
});

test('kept body: one that is settled is given back, after its replay if there is one', () => {
  const { sim, kept, add } = setUp(100_000);
  add('x'.repeat(9_000));
  add('y'.repeat(9_000));
  const sink = new Sink();
  sink.isBlocking = true;
  kept.beginReplay();
  assert.equal(kept.replay(sink.upstream), false);
  kept.settle();
  assert.equal(kept.isWhole, false);
  assert.equal(kept.replay(sink.upstream), true);
  assert.equal(sink.text.length, 18_000);
  kept.settle();
  assert.equal(sim.chunks.heldCount, 0);
});

test('kept body: a byte past the limit drops all of it', () => {
  const { sim, kept, add } = setUp(10_000);
  add('x'.repeat(9_000));
  add('x'.repeat(1_000));
  assert.equal(kept.isWhole, true);
  add('x');
  assert.equal(kept.isWhole, false);
  assert.equal(sim.chunks.heldCount, 0);
});

test('kept body: one announced as too long is not kept at all', () => {
  assert.equal(setUp(100, 101).kept.isWhole, false);
  assert.equal(setUp(100, 100).kept.isWhole, true);
  assert.equal(setUp(0, 0).kept.isWhole, false, 'no body is kept by default');
});

test('kept body: many small pieces share chunks', () => {
  const { sim, kept, add } = setUp(100_000);
  for (let i = 0; i < 10_000; i++) add('tiny ');
  assert.ok(sim.chunks.heldCount <= 6, `${sim.chunks.heldCount} chunks for 50 kB`);
  kept.drop();
  assert.equal(sim.chunks.heldCount, 0);
});

test('kept body: without memory it is dropped, and nothing leaks', () => {
  const { sim, kept, add } = setUp(1_048_576, -1, 1_048_576);
  const others: Chunk[] = [];
  add('x'.repeat(100));
  for (let chunk = sim.chunks.acquire(60_000); chunk !== null;) {
    others.push(chunk);
    chunk = sim.chunks.acquire(60_000);
  }
  const source = others[0]!;
  for (let i = 0; i < 10; i++) kept.add(source, CHUNK_HEADROOM, CHUNK_HEADROOM + 8_000);
  assert.equal(kept.isWhole, false);
  for (const chunk of others) sim.chunks.release(chunk);
  assert.equal(sim.chunks.heldCount, 0);
});

test('kept body: all bodies together hold at most a quarter of the buffer memory', () => {
  const sim = new Simulation({ seed: 1 });
  const memory = new KeptMemory();
  const bufferSizeMax = 1_048_576;
  const source = sim.chunks.acquire(16_000)!;
  const bodies = Array.from({ length: 100 }, () => new KeptBody(sim, memory));
  for (const body of bodies) {
    body.begin(100_000, -1, bufferSizeMax);
    body.add(source, CHUNK_HEADROOM, CHUNK_HEADROOM + 4_000);
    assert.ok(memory.size <= bufferSizeMax / 4, String(memory.size));
  }
  const keptCount = bodies.filter((body) => body.isWhole).length;
  assert.ok(keptCount > 5 && keptCount < 100, String(keptCount));
  for (const body of bodies) body.drop();
  assert.equal(memory.size, 0);
  const again = new KeptBody(sim, memory);
  again.begin(100_000, -1, bufferSizeMax);
  again.add(source, CHUNK_HEADROOM, CHUNK_HEADROOM + 4_000);
  assert.equal(again.isWhole, true, 'there is room again');
  again.drop();
  sim.chunks.release(source);
  assert.equal(sim.chunks.heldCount, 0);
});
