import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { getHeapStatistics } from 'node:v8';

import { Fault } from '../../../contract/fault.ts';
import { BackendProbe } from '../backend-probe.contract.ts';
import { describeIoBackend } from '../backend.contract.ts';
import type { Listening } from '../backend.ts';
import type { NodeListening } from './node-listening.ts';
import { unmapped } from './socket-handle.ts';
import { serverHandleOf } from './socket-handle.ts';
import { LOOPBACK, open, serve } from './node-harness.contract.ts';
import type { NodeHarness, Served } from './node-harness.contract.ts';

describeIoBackend('node', (memoryMax) => open(memoryMax));

test('node backend: reads bulk into private chunks and goes back when reads are small', () =>
  serve(open(), async ({ harness, servers, connect: openClient }) => {
    const client = await openClient();
    const server = servers[0]!;
    let privateCount = 0;
    let wasShared = false;
    server.onBytes = (chunk, start, end) => {
      if (!chunk.isShared && end - start > 16_384) privateCount++;
      wasShared = chunk.isShared;
    };
    server.resume();
    client.send(1, 8_000_000);
    await harness.until(() => server.receivedSize === 8_000_000, 'the transfer');
    assert.ok(privateCount > 10, `${privateCount} private reads`);
    for (let i = 1; i <= 2; i++) {
      client.write(1, 100);
      await harness.until(() => server.receivedSize === 8_000_000 + 100 * i, 'a small read');
    }
    assert.equal(wasShared, true);
    assert.equal(harness.backend.reads.bulkCount, 0);
  }));

test('node backend: bounds the private chunks of stalled bulk transfers, and shares them', () =>
  serve(open(67_108_864, { bulkMax: 4 }), async ({ harness, servers, connect: openClient }) => {
    const { reads } = harness.backend;
    for (let i = 0; i < 12; i++) {
      const client = await openClient();
      const server = servers[i]!;
      server.onBytes = (_chunk, start, end) => {
        if (end - start > 30_000 && server.receivedSize > 500_000) server.pause();
      };
      server.resume();
      client.send(1, 20_000_000);
      await harness.until(() => server.isPaused, 'a stall');
      assert.ok(reads.bulkCount <= 2, 'paused connections hold at most half');
    }
    assert.ok(harness.slab.heldCount < 40, 'a stalled connection holds what it could not send');
  }));

test('node backend: reads into the shared chunk when memory is exhausted', () =>
  serve(open(1_048_576), async ({ harness, servers, connect: openClient }) => {
    const client = await openClient();
    const server = servers[0]!;
    const { slab } = harness;
    const first = slab.acquire(60_000)!;
    const held = [];
    for (let own = slab.acquire(60_000); own !== null; own = slab.acquire(60_000)) held.push(own);
    server.onBytes = (chunk) => assert.equal(chunk.isShared, true);
    server.resume();
    for (let sent = 0; sent < 4_000_000; sent += 60_000) {
      const count = client.writableCount;
      const isWritable = client.call((connection) => connection.write(first, 32, 60_032));
      if (!isWritable) await harness.until(() => client.writableCount > count, 'onWritable');
    }
    await harness.until(() => server.receivedSize >= 4_000_000, 'the transfer');
    slab.release(first);
    for (const own of held) slab.release(own);
  }));

test('node backend: delivers an early answer although a write met the reset behind it', () =>
  serve(open(), async ({ harness, servers, connect: openClient }) => {
    const client = await openClient();
    const server = servers[0]!;
    client.expectedSeed = 2;
    client.write(1, 60_000);
    await harness.settle();
    server.write(2, 1_000);
    server.call((connection) => connection.abort()); // With bytes unread: RST.
    client.write(1, 1_000, 60_000); // In the same turn, so before anything can be read.
    client.write(1, 1_000, 61_000);
    await harness.until(() => client.closeCount === 1, 'the client to close');
    assert.equal(client.receivedSize, 1_000);
    assert.equal(client.fault, Fault.upstreamReset);
  }));

test('node backend: reports an IPv4 client of an IPv6 listener as IPv4', async () => {
  assert.equal(unmapped('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(unmapped('::1'), '::1');
  assert.equal(unmapped('2001:db8::ffff:1'), '2001:db8::ffff:1');
  await serve(
    open(),
    async ({ servers, connect: openClient }) => {
      await openClient();
      assert.equal(servers[0]!.connection.peerAddress, '127.0.0.1');
      assert.equal(servers[0]!.connection.localAddress, '127.0.0.1');
    },
    { ...LOOPBACK, host: '::' },
  );
});

test('node backend: lets two backends bind one port when asked to', () =>
  serve(open(67_108_864, { reusePort: true }), async ({ listening }) => {
    const second = open(67_108_864, { reusePort: true });
    await serve(second, async () => {}, { ...LOOPBACK, port: listening.port });
  }));

test('node backend: a close of the listener accepts what the kernel has queued', () =>
  serveRaw(async (harness, listening, log) => {
    const target = { kind: 'tcp', host: '127.0.0.1', port: listening.port } as const;
    const probes = Array.from({ length: 50 }, () => {
      const probe = new BackendProbe(harness.backend);
      probe.connection = harness.backend.connect(target, probe);
      return probe;
    });
    let acceptedCount = -1;
    listening.close(() => (acceptedCount = log.length)); // In the same turn as the connects.
    await harness.until(() => acceptedCount >= 0, 'the end of listening');
    assert.equal(acceptedCount, 50);
    assert.deepEqual([...new Set(log)], ['accepted']);
    for (const probe of probes) {
      assert.equal(probe.isOpen, true);
      probe.connection.abort();
    }
    await harness.until(() => probes.every((probe) => probe.closeCount === 1), 'the end');
  }));

test('node backend: reports a failed accept and goes on listening', () =>
  serveRaw(async (harness, listening, errors) => {
    const server = (listening as NodeListening).server;
    serverHandleOf(server)!.onconnection(-71, undefined);
    assert.deepEqual(errors, ['accept failed: EPROTO']);
    for (const shortage of [-24, -23]) serverHandleOf(server)!.onconnection(shortage, undefined);
    assert.equal(harness.backend.turnedAwayCount, 2);
    assert.equal(errors.length, 1);
    const client = connect(listening.port, '127.0.0.1');
    await harness.until(() => errors.length === 2, 'the connection');
    client.destroy();
  }));

/** Listens and notes errors, and connections as `accepted`. */
async function serveRaw(
  check: (harness: NodeHarness, listening: Listening, log: string[]) => Promise<void>,
): Promise<void> {
  const harness = open();
  const log: string[] = [];
  let isListening = false;
  const listening = harness.backend.listen(LOOPBACK, {
    onListening: () => (isListening = true),
    onAccept(connection) {
      log.push('accepted');
      connection.abort();
    },
    onError: (message) => log.push(message),
  });
  try {
    await harness.until(() => isListening, 'listening');
    await check(harness, listening, log);
    await harness.settle();
  } finally {
    listening.close();
    await harness.close();
  }
}

test('node backend: says so, and does not throw, when asked for the impossible', async () => {
  const harness = open();
  const errors: string[] = [];
  const note = {
    onListening: () => assert.fail('impossible'),
    onAccept: () => assert.fail('impossible'),
    onError: (message: string) => errors.push(message),
  };
  harness.backend.listen({ ...LOOPBACK, port: 70_000 }, note);
  harness.backend.listen({ ...LOOPBACK, host: '192.0.2.1' }, note);
  harness.backend.listen({ ...LOOPBACK, fd: 9_999 }, note);
  const client = new BackendProbe(harness.backend);
  const target = { kind: 'tcp', host: '127.0.0.1', port: 70_000 } as const;
  client.connection = harness.backend.connect(target, client);
  await harness.until(() => errors.length === 3 && client.closeCount === 1, 'the errors');
  assert.equal(client.fault, Fault.connectFailed);
  await harness.close();
});

async function listenOn(harness: NodeHarness, path: string): Promise<string> {
  let outcome = '';
  const listening = harness.backend.listen(
    { kind: 'unix', host: path, port: 0, fd: -1 },
    {
      onListening: () => (outcome = 'listening'),
      onAccept: (connection) => connection.abort(),
      onError: (message) => (outcome = message),
    },
  );
  await harness.until(() => outcome !== '', 'an outcome');
  if (outcome === 'listening') listening.close();
  return outcome;
}

test('node backend: takes over a socket file nobody answers on, and no other', async () => {
  const harness = open();
  const stale = harness.unixPath();
  const script = `require('net').createServer().listen(${JSON.stringify(stale)}, () => {
    process.kill(process.pid, 'SIGKILL');
  })`;
  await new Promise((resolve) => spawn(process.execPath, ['-e', script]).on('exit', resolve));
  assert.ok(existsSync(stale));
  assert.equal(await listenOn(harness, stale), 'listening');

  const live = harness.unixPath();
  const other = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => other.listen(live, resolve));
  assert.match(await listenOn(harness, live), /another process/);
  await new Promise((resolve) => other.close(resolve));

  const file = harness.unixPath();
  writeFileSync(file, 'precious');
  assert.match(await listenOn(harness, file), /cannot be taken over/);
  assert.ok(existsSync(file));
  await harness.close();
});

test('node backend: listens on an inherited descriptor', async () => {
  const owner = createServer();
  await new Promise<void>((resolve) => owner.listen(0, '127.0.0.1', resolve));
  const { port } = owner.address() as AddressInfo;
  const { fd } = serverHandleOf(owner)!;
  const script = `
    import { NodeBackend } from ${JSON.stringify(new URL('node-backend.ts', import.meta.url).href)};
    const backend = new NodeBackend({ memoryMax: 8e6, wallMs: () => 0, random: () => 0 });
    const target = { kind: 'tcp', host: '', port: 0, fd: 3 };
    const listening = backend.listen(target, {
      onListening: () => process.stdout.write(String(listening.port)),
      onAccept: (connection) => { connection.abort(); listening.close(); backend.close(); },
      onError: (message) => { throw new Error(message); },
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const said = await new Promise((resolve) => child.stdout!.once('data', resolve));
  assert.equal(String(said), String(port));
  await new Promise((resolve) => owner.close(resolve)); // From here on only the child accepts.
  const client = connect(port, '127.0.0.1');
  client.on('error', () => {});
  assert.equal(await exited, 0);
  client.destroy();
});

/** Bytes of JavaScript heap allocated so far. */
function allocatedBytes(): number {
  const statistics = getHeapStatistics() as unknown as { total_allocated_bytes?: number };
  return statistics.total_allocated_bytes ?? 0;
}

test('node backend: allocates less than 700 bytes of heap for an echo round trip', (context) => {
  if (allocatedBytes() === 0) {
    context.skip('this Node does not count allocated bytes');
    return undefined;
  }
  return serve(open(67_108_864, { isDebug: false }), measureEcho);
});

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

async function measureEcho({ harness, servers, connect: openClient }: Served): Promise<void> {
  const client = (await openClient()).connection;
  const server = servers[0]!.connection;
  const warmUp = 5_000;
  const rounds = 10_000;
  const seen = { count: 0, before: 0 };
  const chunk = harness.slab.acquire(100)!;
  const quiet = { onOpen() {}, onWritable() {}, onEnd() {}, onClose() {} };
  const events = [client.events, server.events];
  server.events = { ...quiet, onReadable: (bytes, start, end) => server.write(bytes, start, end) };
  client.events = {
    ...quiet,
    onReadable() {
      seen.count++;
      if (seen.count === warmUp) seen.before = allocatedBytes();
      if (seen.count < warmUp + rounds) client.write(chunk, 32, 132);
    },
  };
  server.resume();
  client.write(chunk, 32, 132);
  // Waited for in few turns: a turn of the test would be counted as well.
  while (seen.count < warmUp + rounds) await pause();
  const perRound = (allocatedBytes() - seen.before) / rounds;
  assert.ok(perRound < 700, `${perRound} bytes per round trip, both ends`);
  client.events = events[0]!;
  server.events = events[1]!;
  harness.slab.release(chunk);
}
