import assert from 'node:assert/strict';
import test from 'node:test';

import { latin1Bytes } from '../../base/ascii.ts';
import type { Chunk, Connection } from './backend.ts';
import { CHUNK_HEADROOM } from './backend.ts';
import { BackendProbe } from './backend-probe.contract.ts';
import { Outgoing } from './outgoing.ts';
import type { SimPeer } from './sim/sim-peer.ts';
import { Simulation } from './sim/simulation.ts';

const ORIGIN = '10.0.0.1:80';

interface Setup {
  readonly sim: Simulation;
  readonly out: Outgoing;
  readonly connection: Connection;
  /** The other end. */
  readonly origin: SimPeer;
}

function setUp(windowSize = 65_536): Setup {
  const still = { latencyMinMs: 0, latencyMaxMs: 0, splitChance: 0, partialWriteChance: 0 };
  const sim = new Simulation({ seed: 1, windowSize, ...still });
  const { peers } = sim.listenOrigin(ORIGIN);
  const probe = new BackendProbe(sim);
  const connection = sim.connect({ kind: 'tcp', host: '10.0.0.1', port: 80 }, probe);
  probe.connection = connection;
  sim.advanceMs(0);
  return { sim, out: new Outgoing(sim.chunks), connection, origin: peers[0]! };
}

/** A chunk that holds `text`, with one reference. */
function chunkOf(sim: Simulation, text: string): readonly [Chunk, number, number] {
  const chunk = sim.chunks.acquire(text.length)!;
  chunk.bytes.set(latin1Bytes(text), CHUNK_HEADROOM);
  return [chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + text.length];
}

test('outgoing: what is gathered leaves in one write, and its chunk is given back', () => {
  const { sim, out, connection, origin } = setUp();
  out.take(...chunkOf(sim, 'head '));
  for (const text of ['short ', 'a body of more than forty-eight bytes, so copied in one go ']) {
    const bytes = latin1Bytes(text);
    assert.ok(out.room >= bytes.length);
    out.append(bytes, 0, bytes.length);
  }
  assert.equal(origin.receivedSize, 0);
  assert.equal(out.flush(connection), true);
  sim.advanceMs(0);
  assert.equal(origin.received.length, 1);
  assert.match(origin.text(), /^head short a body .* go $/);
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('outgoing: says no when the connection queues, and only then', () => {
  const { sim, out, connection, origin } = setUp(100);
  assert.equal(out.flush(connection), true, 'nothing gathered is nothing queued');
  out.take(...chunkOf(sim, 'x'.repeat(100)));
  assert.equal(out.flush(connection), true);
  origin.pause();
  out.take(...chunkOf(sim, 'y'.repeat(101)));
  assert.equal(out.flush(connection), false);
  origin.resume();
  sim.advanceMs(10);
  assert.equal(origin.receivedSize, 201);
  assert.deepEqual(sim.chunks.leaks(), []);
});

test('outgoing: has room only behind what it holds', () => {
  const { sim, out, connection } = setUp();
  assert.equal(out.room, 0);
  const [chunk, start, end] = chunkOf(sim, 'head');
  out.take(chunk, start, end);
  assert.equal(out.room, chunk.bytes.length - end);
  out.flush(connection);
  assert.equal(out.room, 0);
});

test('outgoing: gives back what is dropped, replaced or empty', () => {
  const { sim, out, connection, origin } = setUp();
  out.take(...chunkOf(sim, 'dropped'));
  out.drop();
  out.drop();
  out.take(...chunkOf(sim, 'replaced'));
  out.take(...chunkOf(sim, 'sent'));
  out.flush(connection);
  const [empty, start] = chunkOf(sim, 'unsent');
  out.take(empty, start, start);
  assert.equal(out.flush(connection), true);
  sim.advanceMs(0);
  assert.equal(origin.text(), 'sent');
  assert.deepEqual(sim.chunks.leaks(), []);
});
