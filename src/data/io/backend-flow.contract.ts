/**
 * The contract suite of IO backends: bytes in both directions, backpressure and pauses.
 */

import assert from 'node:assert/strict';

import { Fault } from '../../contract/fault.ts';
import { isOver } from './backend-pair.contract.ts';
import type { Check, Pair } from './backend-pair.contract.ts';
import { BackendProbe } from './backend-probe.contract.ts';
import { CHUNK_HEADROOM } from './backend.ts';
import type { Chunk } from './backend.ts';

export const FLOW_CHECKS: readonly (readonly [string, Check])[] = [
  ['opens both ends and tells who they are', checkAddresses],
  ['delivers nothing before resume when accepted', checkAcceptedPaused],
  ['carries bytes both ways, in order, when both send at once', (p) => exchangeBytes(p, 3_000_000)],
  ['makes write say false, then onWritable, when the reader is paused', checkBackpressure],
  ['tells by takenSize whether a slow reader takes bytes', checkProgress],
  ['holds back bytes and FIN when paused, and loses none', checkPause],
  ['pauses at once when paused from a read', checkPauseInRead],
  ['keeps bytes past the callback', checkKeep],
  ['sends a received chunk on with framing around it', checkInPlace],
  ['lets events be replaced when a connection changes hands', checkReplacedEvents],
];

async function checkAddresses({ client, server, listening, tls }: Pair): Promise<void> {
  assert.ok(listening.port > 0);
  for (const probe of [client, server]) {
    assert.equal(probe.connection.peerAddress, '127.0.0.1');
    assert.equal(probe.connection.localAddress, '127.0.0.1');
    assert.equal(probe.connection.isClosed, false);
    assert.equal(probe.connection.isDrained, true);
  }
  assert.equal(client.connection.peerPort, listening.port);
  assert.equal(server.connection.localPort, listening.port);
  assert.equal(server.connection.peerPort, client.connection.localPort);
  const isTls = tls !== null;
  assert.equal(server.isOpen, isTls, 'onOpen is for outgoing connections and for handshakes');
  for (const probe of [client, server]) assert.equal(probe.connection.tls !== null, isTls);
}

async function checkAcceptedPaused({ harness, client, server }: Pair): Promise<void> {
  client.write(1, 100);
  await harness.settle();
  assert.equal(server.receivedSize, 0);
  server.expectedSeed = 1;
  server.resume();
  await harness.until(() => server.receivedSize === 100, 'the bytes');
}

/** Both ends send `size` bytes at once; each receives what the other sent. */
export async function exchangeBytes(
  { harness, client, server }: Pair,
  size: number,
): Promise<void> {
  client.expectedSeed = 2;
  server.expectedSeed = 1;
  server.resume();
  client.send(1, size);
  server.send(2, size);
  const isDone = (): boolean => client.receivedSize === size && server.receivedSize === size;
  await harness.until(isDone, 'both transfers');
  assert.ok(client.isSent && server.isSent);
}

async function checkBackpressure({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  const total = 64_000_000;
  client.send(1, total);
  await harness.settle();
  assert.ok(!client.isSent, 'write says false before 64 MB are queued');
  assert.equal(client.connection.isDrained, false);
  const { writableCount } = client; // With TLS a write may wait for the one before it.
  const stoppedAt = client.sentSize;
  await harness.settle();
  assert.equal(client.writableCount, writableCount);
  server.resume();
  await harness.until(() => server.receivedSize >= stoppedAt, 'the queue to drain');
  await harness.until(() => client.writableCount > writableCount, 'onWritable');
}

/** Much is queued, and the reader takes some and stops, again and again. */
async function checkProgress({ harness, client, server }: Pair): Promise<void> {
  assert.equal(client.connection.takenSize, 0);
  let size = 0;
  for (let isWritable = true; isWritable || size < 30_000_000; size += 60_000) {
    isWritable = client.write(1, 60_000);
    assert.ok(size < 60_000_000, 'write() must say false');
  }
  await harness.settle();
  let last = client.connection.takenSize;
  await harness.settle();
  assert.equal(client.connection.takenSize, last, 'nothing was read');
  for (let steps = 0; !client.connection.isDrained; steps++) {
    const { receivedSize } = server;
    const isTaken = (): boolean => server.receivedSize > receivedSize + 6_000_000;
    server.resume();
    await harness.until(() => isTaken() || client.connection.isDrained, 'some bytes');
    server.pause();
    await harness.settle();
    const takenSize: number = client.connection.takenSize;
    assert.ok(takenSize > last && takenSize <= size, `${takenSize} after ${last}`);
    last = takenSize;
    assert.ok(steps < 100);
  }
  assert.equal(client.connection.takenSize, size);
  server.resume();
}

async function checkPause({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  server.resume();
  client.write(1, 1_000);
  await harness.until(() => server.receivedSize === 1_000, 'the first bytes');
  server.pause();
  client.write(1, 1_000, 1_000);
  client.call((connection) => connection.end());
  await harness.settle();
  assert.equal(server.receivedSize, 1_000);
  assert.equal(server.hasEnded, false);
  server.resume();
  server.pause(); // At once: still nothing may come.
  await harness.settle();
  assert.equal(server.receivedSize, 1_000);
  server.resume();
  await harness.until(() => server.hasEnded, 'the end');
  assert.equal(server.receivedSize, 2_000);
}

async function checkPauseInRead({ harness, client, server }: Pair): Promise<void> {
  const size = 2_000_000;
  server.expectedSeed = 1;
  server.onBytes = () => {
    server.pause();
    harness.backend.defer(() => harness.backend.defer(() => server.resume()));
  };
  server.resume();
  client.send(1, size, 'end');
  await harness.until(() => server.receivedSize === size, 'the transfer');
  await harness.until(() => server.hasEnded, 'the end');
}

async function checkKeep({ harness, client, server }: Pair): Promise<void> {
  const { backend } = harness;
  const kept: { chunk: Chunk; start: number; end: number; text: string }[] = [];
  server.onBytes = (chunk, start, end) => {
    if (kept.length >= 50) return;
    const text = Buffer.from(chunk.bytes.subarray(start, end)).toString('latin1');
    const own = backend.keep(chunk, start, end)!;
    assert.equal(own.isShared, false);
    kept.push({ chunk: own, start: backend.keptStart, end: backend.keptStart + end - start, text });
  };
  server.resume();
  client.send(1, 4_000_000);
  await harness.until(() => server.receivedSize === 4_000_000, 'the transfer');
  assert.ok(kept.length > 10);
  for (const piece of kept) {
    assert.equal(
      Buffer.from(piece.chunk.bytes.subarray(piece.start, piece.end)).toString('latin1'),
      piece.text,
    );
    backend.chunks.release(piece.chunk);
  }
}

/** Echoes each read as `[` bytes `]`, written around the bytes where they are. */
async function checkInPlace({ harness, client, server }: Pair): Promise<void> {
  server.onBytes = (chunk, start, end) => {
    chunk.bytes[start - 1] = 0x5b;
    chunk.bytes[end] = 0x5d;
    if (!server.call((connection) => connection.write(chunk, start - 1, end + 1))) server.pause();
  };
  const onWritable = server.onWritable.bind(server);
  server.onWritable = () => {
    onWritable();
    if (server.isPaused) server.resume();
  };
  let payload = 0;
  let depth = 0;
  client.onBytes = (chunk, start, end) => {
    for (let i = start; i < end; i++) {
      const byte = chunk.bytes[i]!;
      if (byte === 0x5b) depth++;
      else if (byte === 0x5d) depth--;
      else if (byte === 0x78 && depth === 1) payload++;
    }
  };
  server.resume();
  const { chunks } = harness.backend;
  const total = 3_000_000;
  for (let sent = 0; sent < total; sent += 60_000) {
    const chunk = chunks.acquire(60_000)!;
    chunk.bytes.fill(0x78);
    const end = CHUNK_HEADROOM + 60_000;
    const isWritable = client.call((connection) => connection.write(chunk, CHUNK_HEADROOM, end));
    chunks.release(chunk);
    const count = client.writableCount;
    if (!isWritable) await harness.until(() => client.writableCount > count, 'onWritable');
  }
  await harness.until(() => payload === total && depth === 0, 'the echo');
}

async function checkReplacedEvents({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  client.write(1, 10);
  await harness.until(() => server.receivedSize === 10, 'the first bytes');
  const next = new BackendProbe(harness.backend);
  next.connection = server.connection;
  next.connection.events = next;
  client.write(1, 10, 10);
  await harness.until(() => next.receivedSize === 10, 'the second bytes');
  assert.equal(server.receivedSize, 10);
  next.connection.events = server;
}

/** Fills the slab, then writes from the shared chunk, whose bytes have to be copied. */
export async function checkMemoryLimit({ harness, client, server }: Pair): Promise<void> {
  const { chunks } = harness.backend;
  const held: Chunk[] = [];
  const state = { isExhausted: false };
  server.onBytes = (chunk, start, end) => {
    if (!chunk.isShared) return;
    for (let own = chunks.acquire(10); own !== null; own = chunks.acquire(10)) held.push(own);
    for (let own = chunks.acquire(60_000); own !== null; own = chunks.acquire(60_000)) {
      held.push(own);
    }
    state.isExhausted = true;
    assert.equal(harness.backend.keep(chunk, start, end), null);
    for (let i = 0; i < 3_000; i++) {
      if (!server.call((connection) => connection.write(chunk, start, end))) return;
    }
  };
  server.resume();
  client.pause();
  for (let i = 0; i < 200 && !state.isExhausted; i++) {
    client.write(1, 100);
    await harness.settle();
  }
  await harness.until(() => isOver(server), 'the server to close');
  assert.equal(server.fault, Fault.memoryLimit);
  client.resume();
  await harness.until(() => isOver(client), 'the client to see it');
  assert.equal(client.fault, Fault.upstreamReset, 'what is cut short must not look complete');
  for (const own of held) chunks.release(own);
}
