/**
 * What every `IoBackend` promises, as tests. Each backend's test file calls it once.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../base/prng.ts';
import { Fault } from '../../contract/fault.ts';
import { BackendProbe } from './backend-probe.contract.ts';
import { CHUNK_HEADROOM } from './backend.ts';
import type {
  Chunk,
  Connection,
  ConnectTarget,
  IoBackend,
  Listening,
  ListenTarget,
} from './backend.ts';
import type { Slab } from './slab.ts';

/** A backend ready for tests, and the means to make its world go on. */
export interface IoHarness {
  readonly backend: IoBackend;
  readonly slab: Slab;
  /** Lets the world go on until `isDone`; fails, naming `what`, after a generous limit. */
  until(isDone: () => boolean, what: string): Promise<void>;
  /** Lets everything happen that is about to. */
  settle(): Promise<void>;
  /** A path nobody listens on. */
  unixPath(): string;
  close(): Promise<void> | void;
}

export type OpenHarness = (memoryMax?: number) => Promise<IoHarness> | IoHarness;

const LOOPBACK: ListenTarget = { kind: 'tcp', host: '127.0.0.1', port: 0, fd: -1 };

interface Pair {
  readonly harness: IoHarness;
  readonly client: BackendProbe;
  readonly server: BackendProbe;
  readonly listening: Listening;
}

type Check = (pair: Pair) => Promise<void>;

/** Runs the suite on the backend that `open` makes; a fresh one for each test. */
export function describeIoBackend(name: string, open: OpenHarness): void {
  for (const [does, check] of [...PAIR_CHECKS, ...CLOSING_CHECKS]) {
    test(`${name} backend: ${does}`, () => withPair(open, LOOPBACK, check));
  }
  test(`${name} backend: carries bytes both ways when the socket is a unix one`, async () => {
    const harness = await open();
    const target: ListenTarget = { kind: 'unix', host: harness.unixPath(), port: 0, fd: -1 };
    await withPair(
      () => harness,
      target,
      async (pair) => {
        assert.equal(pair.server.connection.peerAddress, '');
        assert.equal(pair.server.connection.peerPort, 0);
        await exchangeBytes(pair, 1_000_000);
        pair.client.call((connection) => connection.reset()); // There is no RST: it just closes.
        await pair.harness.until(() => pair.server.hasEnded || isOver(pair.server), 'the end');
      },
    );
  });
  for (const [does, check] of WORLD_CHECKS) {
    test(`${name} backend: ${does}`, async () => {
      const harness = await open();
      try {
        await check(harness);
        assert.deepEqual(harness.slab.leaks(), []);
      } finally {
        await harness.close();
      }
    });
  }
  test(`${name} backend: closes with memoryLimit when nothing is left to queue in`, () =>
    withPair(() => open(1_048_576), LOOPBACK, checkMemoryLimit));
}

const PAIR_CHECKS: readonly (readonly [string, Check])[] = [
  ['opens both ends and tells who they are', checkAddresses],
  ['delivers nothing before resume when accepted', checkAcceptedPaused],
  ['carries bytes both ways, in order, when both send at once', (p) => exchangeBytes(p, 3_000_000)],
  ['makes write say false, then onWritable, when the reader is paused', checkBackpressure],
  ['holds back bytes and FIN when paused, and loses none', checkPause],
  ['pauses at once when paused from a read', checkPauseInRead],
  ['keeps bytes past the callback', checkKeep],
  ['sends a received chunk on with framing around it', checkInPlace],
  ['lets events be replaced when a connection changes hands', checkReplacedEvents],
];

const CLOSING_CHECKS: readonly (readonly [string, Check])[] = [
  ['goes on writing to a peer that has ended, from either side', checkHalfClose],
  ['sends FIN behind everything queued when ended', checkEndFlushes],
  ['shows the peer a reset, and never an end, when reset', checkReset],
  ['resets although it has ended with bytes queued', checkResetAfterEnd],
  ['closes once when ended and reset in one go', checkEndReset],
  ['closes once with aborted, and is harmless after', checkAbort],
  ['flushes, then closes both ends when closed', checkClose],
  ['gives the peer its answer when closed with bytes unread', checkCloseUnread],
  ['drops the rest when aborted while closing', checkAbortWhileClosing],
];

const WORLD_CHECKS: readonly (readonly [string, (harness: IoHarness) => Promise<void>])[] = [
  ['says connectRefused when nobody listens', checkRefused],
  ['says nameNotResolved when the host is a name', checkNameRefused],
  ['is harmless when closed, aborted or written to before it opens', checkBeforeOpen],
  ['delivers what was written before it opened', checkWriteBeforeOpen],
  ['reports an address in use and keeps the first listener', checkAddressInUse],
  ['holds connections while the listener is paused', checkListenPause],
  ['resolves numeric addresses and localhost', checkResolve],
  ['fires timers in order, never early, and not when cleared', checkTimers],
  ['runs deferred tasks later, in order', checkDefer],
  ['serves many connections at once', checkMany],
  ['keeps its promises when used in any order', checkAnyOrder],
];

async function withPair(open: OpenHarness, target: ListenTarget, check: Check): Promise<void> {
  const harness = await open();
  let pair: Pair | null = null;
  try {
    pair = await openPair(harness, target);
    await check(pair);
    const { client, server, listening } = pair;
    listening.close();
    client.connection.abort();
    server.connection.abort();
    await harness.until(() => isOver(client) && isOver(server), 'both ends closed');
    assert.deepEqual(harness.slab.leaks(), []);
    assert.equal(harness.slab.misuseCount, 0);
  } finally {
    pair?.listening.close(); // A failed test must not keep the process alive.
    pair?.client.connection.abort();
    pair?.server.connection.abort();
    await harness.close();
  }
}

async function openPair(harness: IoHarness, target: ListenTarget): Promise<Pair> {
  const { backend } = harness;
  const server = new BackendProbe(backend);
  let isListening = false;
  const listening = backend.listen(target, {
    onListening: () => (isListening = true),
    onAccept(connection) {
      server.connection = connection;
      server.isPaused = true;
      connection.events = server;
    },
    onError: (message) => assert.fail(message),
  });
  await harness.until(() => isListening, 'listening');
  const client = new BackendProbe(backend);
  client.connection = backend.connect(connectTarget(target, listening), client);
  await harness.until(() => client.isOpen && server.connection !== undefined, 'open');
  return { harness, client, server, listening };
}

function connectTarget(target: ListenTarget, listening: Listening): ConnectTarget {
  return { kind: target.kind, host: target.host, port: listening.port };
}

function isOver(probe: BackendProbe): boolean {
  return probe.closeCount === 1;
}

async function checkAddresses({ client, server, listening }: Pair): Promise<void> {
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
  assert.equal(server.isOpen, false, 'onOpen is for outgoing connections');
}

async function checkAcceptedPaused({ harness, client, server }: Pair): Promise<void> {
  client.write(1, 100);
  await harness.settle();
  assert.equal(server.receivedSize, 0);
  server.expectedSeed = 1;
  server.resume();
  await harness.until(() => server.receivedSize === 100, 'the bytes');
}

async function exchangeBytes({ harness, client, server }: Pair, size: number): Promise<void> {
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
  assert.equal(client.writableCount, 0);
  const stoppedAt = client.sentSize;
  server.resume();
  await harness.until(() => server.receivedSize >= stoppedAt, 'the queue to drain');
  await harness.until(() => client.writableCount > 0, 'onWritable');
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
    const text = chunk.bytes.toString('latin1', start, end);
    const own = backend.keep(chunk, start, end)!;
    assert.equal(own.isShared, false);
    kept.push({ chunk: own, start: backend.keptStart, end: backend.keptStart + end - start, text });
  };
  server.resume();
  client.send(1, 4_000_000);
  await harness.until(() => server.receivedSize === 4_000_000, 'the transfer');
  assert.ok(kept.length > 10);
  for (const piece of kept) {
    assert.equal(piece.chunk.bytes.toString('latin1', piece.start, piece.end), piece.text);
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

async function checkHalfClose({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  client.expectedSeed = 2;
  server.resume();
  client.send(1, 1_000, 'end');
  await harness.until(() => server.hasEnded, 'the end of the client');
  assert.equal(server.receivedSize, 1_000);
  await harness.settle();
  assert.equal(server.closeCount, 0);
  server.send(2, 1_000_000, 'end');
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(client.receivedSize, 1_000_000);
  assert.equal(client.hasEnded, true);
  assert.equal(client.fault, Fault.none);
  assert.equal(server.fault, Fault.none);
}

async function checkEndFlushes({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  let size = 0;
  while (client.write(1, 60_000, size)) size += 60_000;
  size += 60_000; // The one that made it say false is sent as well.
  client.call((connection) => connection.end());
  assert.equal(client.write(1, 10), false, 'nothing can be written behind FIN');
  await harness.settle();
  server.resume();
  await harness.until(() => server.hasEnded, 'the end');
  assert.equal(server.receivedSize, size);
}

async function checkReset({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  server.call((connection) => connection.reset());
  assert.equal(server.connection.isClosed, true);
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(server.fault, Fault.aborted);
  assert.equal(client.fault, Fault.upstreamReset);
  assert.equal(client.hasEnded, false);
}

async function checkResetAfterEnd({ harness, client, server }: Pair): Promise<void> {
  while (client.write(1, 60_000)) assert.ok(!client.connection.isClosed);
  client.call((connection) => connection.end());
  client.call((connection) => connection.reset());
  await harness.until(() => isOver(client), 'the client to close');
  assert.equal(client.fault, Fault.aborted);
  server.resume();
  await harness.until(() => isOver(server), 'the server to close');
  assert.equal(server.fault, Fault.upstreamReset);
  assert.equal(server.hasEnded, false);
}

async function checkEndReset({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  client.write(1, 100);
  client.call((connection) => connection.end());
  client.call((connection) => connection.reset());
  client.call((connection) => connection.reset());
  await harness.until(() => isOver(client), 'the client to close');
  // FIN may have been on its way already; a socket at its end does not see the reset.
  await harness.until(() => server.hasEnded || isOver(server), 'the server to notice');
  assert.equal(client.fault, Fault.aborted);
}

async function checkAbort({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  while (client.write(1, 60_000)) assert.ok(!client.connection.isClosed);
  client.call((connection) => connection.abort());
  assert.equal(client.connection.isClosed, true);
  assert.equal(client.closeCount, 0);
  await harness.until(() => isOver(client), 'the client to close');
  assert.equal(client.fault, Fault.aborted);
  useEverything(client);
  await harness.until(() => server.hasEnded || isOver(server), 'the server to notice');
  await harness.settle();
  assert.equal(client.closeCount, 1);
}

function useEverything(probe: BackendProbe): void {
  assert.equal(probe.write(1, 100), false);
  probe.call((connection) => {
    connection.pause();
    connection.resume();
    connection.end();
    connection.close();
    connection.abort();
    connection.reset();
    assert.equal(typeof connection.peerAddress, 'string');
    assert.equal(typeof connection.localPort, 'number');
    assert.equal(typeof connection.isDrained, 'boolean');
  });
}

async function checkClose({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  let size = 60_000;
  while (client.write(1, 60_000, size - 60_000)) size += 60_000;
  client.call((connection) => connection.close());
  assert.equal(client.connection.isClosed, true);
  server.resume();
  server.onEnded = () => server.call((connection) => connection.end());
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(server.receivedSize, size);
  assert.equal(client.fault, Fault.none);
  assert.equal(server.fault, Fault.none);
}

async function checkCloseUnread({ harness, client, server }: Pair): Promise<void> {
  client.expectedSeed = 2;
  client.pause();
  client.send(1, 400_000); // Nobody is going to read this.
  await harness.settle();
  server.send(2, 1_000, 'close');
  await harness.settle();
  client.resume();
  await harness.until(() => client.hasEnded, 'the end of the answer');
  assert.equal(client.receivedSize, 1_000);
  assert.equal(server.receivedSize, 0, 'reading stops with close');
  client.call((connection) => connection.close());
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(server.fault, Fault.none);
}

async function checkAbortWhileClosing({ harness, client }: Pair): Promise<void> {
  while (client.write(1, 60_000)) assert.ok(!client.connection.isClosed);
  client.call((connection) => connection.close());
  await harness.settle();
  assert.equal(client.closeCount, 0);
  client.call((connection) => connection.abort());
  await harness.until(() => isOver(client), 'the client to close');
  assert.equal(client.fault, Fault.aborted);
}

/** Fills the slab, then writes from the shared chunk, whose bytes have to be copied. */
async function checkMemoryLimit({ harness, client, server }: Pair): Promise<void> {
  const { chunks } = harness.backend;
  const held: Chunk[] = [];
  let isExhausted = false;
  server.onBytes = (chunk, start, end) => {
    if (!chunk.isShared) return;
    for (let own = chunks.acquire(10); own !== null; own = chunks.acquire(10)) held.push(own);
    for (let own = chunks.acquire(60_000); own !== null; own = chunks.acquire(60_000)) {
      held.push(own);
    }
    isExhausted = true;
    assert.equal(harness.backend.keep(chunk, start, end), null);
    for (let i = 0; i < 3_000; i++) {
      if (!server.call((connection) => connection.write(chunk, start, end))) return;
    }
  };
  server.resume();
  client.pause();
  for (let i = 0; i < 200 && !isExhausted; i++) {
    client.write(1, 100);
    await harness.settle();
  }
  await harness.until(() => isOver(server), 'the server to close');
  assert.equal(server.fault, Fault.memoryLimit);
  for (const own of held) chunks.release(own);
}

async function listenOnce(harness: IoHarness): Promise<{
  readonly listening: Listening;
  readonly target: ConnectTarget;
  readonly accepted: Connection[];
}> {
  const accepted: Connection[] = [];
  let isListening = false;
  const listening = harness.backend.listen(LOOPBACK, {
    onListening: () => (isListening = true),
    onAccept: (connection) => accepted.push(connection),
    onError: (message) => assert.fail(message),
  });
  await harness.until(() => isListening, 'listening');
  return { listening, target: connectTarget(LOOPBACK, listening), accepted };
}

function connectProbe(harness: IoHarness, target: ConnectTarget): BackendProbe {
  const probe = new BackendProbe(harness.backend);
  probe.connection = harness.backend.connect(target, probe);
  assert.equal(probe.closeCount, 0);
  return probe;
}

async function checkRefused(harness: IoHarness): Promise<void> {
  const { listening, target } = await listenOnce(harness);
  listening.close(); // So that the port is known to be free.
  await harness.settle();
  const probe = connectProbe(harness, target);
  const path = connectProbe(harness, { kind: 'unix', host: harness.unixPath(), port: 0 });
  await harness.until(() => isOver(probe) && isOver(path), 'the refusal');
  assert.equal(probe.fault, Fault.connectRefused);
  assert.ok(path.fault === Fault.connectRefused || path.fault === Fault.connectFailed);
  assert.equal(probe.isOpen, false);
  useEverything(probe);
}

async function checkNameRefused(harness: IoHarness): Promise<void> {
  const probe = connectProbe(harness, { kind: 'tcp', host: 'localhost', port: 80 });
  await harness.until(() => isOver(probe), 'the refusal');
  assert.equal(probe.fault, Fault.nameNotResolved);
}

async function checkBeforeOpen(harness: IoHarness): Promise<void> {
  const { listening, target, accepted } = await listenOnce(harness);
  const aborted = connectProbe(harness, target);
  aborted.write(1, 100);
  aborted.call((connection) => connection.abort());
  const reset = connectProbe(harness, target);
  reset.call((connection) => connection.reset());
  const closed = connectProbe(harness, target);
  closed.pause();
  closed.resume();
  closed.call((connection) => connection.close());
  await harness.until(() => [aborted, reset, closed].every(isOver), 'all to close');
  assert.equal(aborted.fault, Fault.aborted);
  assert.equal(reset.fault, Fault.aborted);
  assert.equal(closed.fault, Fault.none);
  await harness.settle();
  for (const connection of accepted) connection.abort();
  listening.close();
  await harness.settle();
}

async function checkWriteBeforeOpen(harness: IoHarness): Promise<void> {
  const { listening, target, accepted } = await listenOnce(harness);
  const client = connectProbe(harness, target);
  client.pause();
  assert.equal(client.write(1, 1_000), false);
  assert.equal(client.write(1, 1_000, 1_000), false);
  client.call((connection) => connection.end());
  await harness.until(() => accepted.length === 1, 'the connection');
  const server = new BackendProbe(harness.backend);
  server.connection = accepted[0]!;
  server.connection.events = server;
  server.expectedSeed = 1;
  server.resume();
  server.write(2, 500);
  await harness.until(() => server.hasEnded, 'the end');
  assert.equal(server.receivedSize, 2_000);
  assert.equal(client.receivedSize, 0);
  client.resume();
  await harness.until(() => client.receivedSize === 500, 'the answer');
  server.call((connection) => connection.end());
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  listening.close();
}

async function checkAddressInUse(harness: IoHarness): Promise<void> {
  const { listening, target, accepted } = await listenOnce(harness);
  const errors: string[] = [];
  harness.backend.listen(
    { ...LOOPBACK, port: listening.port },
    {
      onListening: () => assert.fail('the address is taken'),
      onAccept: () => assert.fail('the address is taken'),
      onError: (message) => errors.push(message),
    },
  );
  assert.equal(errors.length, 0);
  await harness.until(() => errors.length === 1, 'the error');
  const probe = connectProbe(harness, target);
  await harness.until(() => accepted.length === 1, 'the connection');
  await drop(harness, listening, accepted, [probe]);
}

async function drop(
  harness: IoHarness,
  listening: Listening,
  accepted: readonly Connection[],
  probes: readonly BackendProbe[],
): Promise<void> {
  for (const connection of accepted) connection.abort();
  for (const probe of probes) probe.call((connection) => connection.abort());
  await harness.until(() => probes.every(isOver), 'all to close');
  listening.close();
  await harness.settle();
}

async function checkListenPause(harness: IoHarness): Promise<void> {
  const { listening, target, accepted } = await listenOnce(harness);
  listening.pause();
  const first = connectProbe(harness, target);
  const second = connectProbe(harness, target);
  await harness.until(() => first.isOpen && second.isOpen, 'the handshakes');
  await harness.settle();
  assert.equal(accepted.length, 0);
  listening.resume();
  await harness.until(() => accepted.length === 2, 'the connections');
  await drop(harness, listening, accepted, [first, second]);
}

async function checkResolve(harness: IoHarness): Promise<void> {
  const answers: string[][] = [];
  for (const host of ['192.0.2.7', 'localhost', 'LOCALHOST']) {
    harness.backend.resolve(host, (addresses) => answers.push([...addresses]));
  }
  assert.equal(answers.length, 0);
  await harness.until(() => answers.length === 3, 'the answers');
  assert.ok(answers.some((addresses) => addresses[0] === '192.0.2.7'));
  assert.equal(answers.filter((addresses) => addresses.includes('127.0.0.1')).length, 2);
}

async function checkTimers(harness: IoHarness): Promise<void> {
  const { backend } = harness;
  const fired: string[] = [];
  const startMs = backend.nowMs();
  const early: string[] = [];
  const timer = (name: string, delayMs: number): ReturnType<IoBackend['timer']> => {
    const made = backend.timer(() => {
      fired.push(name);
      if (backend.nowMs() - startMs < delayMs) early.push(name);
    });
    made.set(delayMs);
    assert.equal(made.isSet, true);
    return made;
  };
  timer('late', 300);
  timer('soon', 100);
  const cleared = timer('cleared', 50);
  cleared.clear();
  assert.equal(cleared.isSet, false);
  const moved = timer('moved', 200);
  moved.set(400);
  await harness.until(() => fired.includes('moved'), 'the timers');
  assert.deepEqual(fired, ['soon', 'late', 'moved']);
  assert.deepEqual(early, []);
}

async function checkDefer(harness: IoHarness): Promise<void> {
  const ran: number[] = [];
  harness.backend.defer(() => {
    ran.push(1);
    harness.backend.defer(() => ran.push(3));
  });
  harness.backend.defer(() => ran.push(2));
  assert.deepEqual(ran, []);
  await harness.until(() => ran.length === 3, 'the tasks');
  assert.deepEqual(ran, [1, 2, 3]);
}

async function checkMany(harness: IoHarness): Promise<void> {
  const { listening, target, accepted } = await listenOnce(harness);
  const clients: BackendProbe[] = [];
  for (let i = 0; i < 100; i++) {
    const client = connectProbe(harness, target);
    client.expectedSeed = i;
    clients.push(client);
  }
  await harness.until(() => accepted.length === 100, 'all connections');
  const servers = accepted.map((connection) => {
    const server = new BackendProbe(harness.backend);
    server.connection = connection;
    connection.events = server;
    // The first byte says whose stream to answer with.
    server.onBytes = (chunk, start) => server.send(chunk.bytes[start]!, 100_000, 'end');
    server.resume();
    return server;
  });
  await harness.until(() => clients.every((client) => client.isOpen), 'all to open');
  const { chunks } = harness.backend;
  for (const [i, client] of clients.entries()) {
    const chunk = chunks.acquire(1)!;
    chunk.bytes[0] = i;
    client.call((connection) => connection.write(chunk, 0, 1));
    chunks.release(chunk);
    client.onEnded = () => client.call((connection) => connection.end());
  }
  await harness.until(() => clients.every(isOver) && servers.every(isOver), 'all to close');
  for (const client of clients) assert.equal(client.receivedSize, 100_000);
  listening.close();
}

/** Random calls on both ends of many connections; the probes check B1 to B4 all the while. */
async function checkAnyOrder(harness: IoHarness): Promise<void> {
  const prng = new Prng(1);
  const { listening, target, accepted } = await listenOnce(harness);
  const probes: BackendProbe[] = [];
  for (let i = 0; i < 60; i++) {
    const client = connectProbe(harness, target);
    client.expectedSeed = 1;
    probes.push(client);
    if (prng.chance(0.3)) useAtRandom(prng, client, 3); // Before it opens.
    for (let step = 0; step < 12; step++) {
      if (prng.chance(0.3)) await harness.settle();
      for (const connection of accepted.splice(0)) {
        const server = new BackendProbe(harness.backend);
        server.expectedSeed = 1;
        server.connection = connection;
        server.isPaused = true;
        connection.events = server;
        probes.push(server);
      }
      useAtRandom(
        prng,
        probes[prng.integer(Math.max(0, probes.length - 8), probes.length - 1)]!,
        1,
      );
    }
  }
  await harness.settle();
  for (const connection of accepted) connection.abort();
  for (const probe of probes) probe.call((connection) => connection.abort());
  await harness.until(() => probes.every(isOver), 'all to close');
  listening.close();
  await harness.settle();
  assert.equal(harness.slab.misuseCount, 0);
}

function useAtRandom(prng: Prng, probe: BackendProbe, count: number): void {
  for (let i = 0; i < count; i++) {
    const choice = prng.integer(0, 19);
    if (choice < 7) probe.writeNext(prng.integer(0, 65_000));
    else if (choice < 9) probe.pause();
    else if (choice < 14) probe.resume();
    else if (choice < 16) probe.call((connection) => connection.end());
    else if (choice === 16) probe.call((connection) => connection.close());
    else if (choice === 17) probe.call((connection) => connection.abort());
    else if (choice === 18) probe.call((connection) => connection.reset());
    else for (let n = 0; n < 40; n++) probe.writeNext(65_000);
  }
}
