/**
 * The contract suite of IO backends: handshakes, and the ways in which they end.
 */

import assert from 'node:assert/strict';

import { Prng } from '../../base/prng.ts';
import { Fault } from '../../contract/fault.ts';
import {
  LOOPBACK,
  connectTarget,
  isOver,
  secureAccepted,
  useEverything,
} from './backend-pair.contract.ts';
import type { IoHarness, PairTls } from './backend-pair.contract.ts';
import { BackendProbe } from './backend-probe.contract.ts';
import { useAtRandom } from './backend-world.contract.ts';
import { CHUNK_HEADROOM } from './backend.ts';
import type { Connection, Listening } from './backend.ts';

type TlsCheck = (harness: IoHarness, tls: PairTls) => Promise<void>;

export const TLS_CHECKS: readonly (readonly [string, TlsCheck])[] = [
  ['agrees on the first protocol of the server that the client offers', checkAlpn],
  ['refuses a client that offers other protocols only', checkAlpnRefused],
  ['serves a client that offers no protocols', checkNoAlpn],
  ['delivers what was written, and the end, before the handshake', checkWriteBefore],
  ['fails on a peer that ends, resets or stays silent in the handshake', checkBrokenOff],
  ['fails, and throws nothing, on bytes that are no TLS', checkGarbage],
  ['is harmless when closed, aborted or reset in the handshake', checkClosedInHandshake],
  ['says onWritable to who has seen that it is not drained', checkDrained],
  ['keeps its promises when used in any order', checkAnyOrder],
  ['secures nothing that is closed or has been secured', checkSecureTwice],
];

interface Served {
  readonly listening: Listening;
  readonly servers: BackendProbe[];
}

/** @param onAccept instead of a handshake */
async function serve(
  harness: IoHarness,
  tls: PairTls,
  onAccept: ((connection: Connection, probe: BackendProbe) => void) | null = null,
): Promise<Served> {
  const servers: BackendProbe[] = [];
  let isListening = false;
  const listening = harness.backend.listen(LOOPBACK, {
    onListening: () => (isListening = true),
    onAccept(connection) {
      const probe = new BackendProbe(harness.backend);
      probe.connection = connection;
      servers.push(probe);
      if (onAccept === null) secureAccepted(harness.backend, connection, probe, tls);
      else onAccept(connection, probe);
    },
    onError: (message) => assert.fail(message),
  });
  await harness.until(() => isListening, 'listening');
  return { listening, servers };
}

function connect(
  harness: IoHarness,
  served: Served,
  tls: PairTls | null,
  alpn: readonly string[] = tls?.client.alpn ?? [],
): BackendProbe {
  const probe = new BackendProbe(harness.backend);
  const client = tls === null ? null : { ...tls.client, alpn };
  const target = { ...connectTarget(LOOPBACK, served.listening), tls: client };
  probe.connection = harness.backend.connect(target, probe);
  assert.equal(probe.connection.tls, null);
  return probe;
}

async function finish(
  harness: IoHarness,
  { listening, servers }: Served,
  clients: readonly BackendProbe[],
): Promise<void> {
  listening.close();
  const probes = [...servers, ...clients];
  for (const probe of probes) probe.call((connection) => connection.abort());
  await harness.until(() => probes.every(isOver), 'all to close');
  for (const probe of probes) useEverything(probe);
  await harness.settle();
}

async function checkAlpn(harness: IoHarness, tls: PairTls): Promise<void> {
  const alpn = ['two', 'one'];
  const served = await serve(harness, { ...tls, alpn });
  const client = connect(harness, served, tls, ['zero', 'one', 'two']);
  await harness.until(() => client.isOpen && served.servers[0]?.isOpen === true, 'open');
  for (const probe of [client, served.servers[0]!]) {
    assert.equal(probe.connection.tls?.alpn, 'two');
    assert.match(probe.connection.tls?.version ?? '', /^TLSv1\.[23]$/);
    assert.notEqual(probe.connection.tls?.cipher, '');
  }
  await finish(harness, served, [client]);
}

async function checkAlpnRefused(harness: IoHarness, tls: PairTls): Promise<void> {
  const served = await serve(harness, { ...tls, alpn: ['one'] });
  const client = connect(harness, served, tls, ['two']);
  await harness.until(() => isOver(client) && served.servers.every(isOver), 'the refusal');
  assert.equal(served.servers[0]?.fault, Fault.tlsHandshakeFailed);
  assert.equal(client.fault, Fault.upstreamTlsFailed);
  assert.equal(client.isOpen || served.servers[0].isOpen, false);
  await finish(harness, served, [client]);
}

async function checkNoAlpn(harness: IoHarness, tls: PairTls): Promise<void> {
  const served = await serve(harness, { ...tls, alpn: ['one'] });
  const client = connect(harness, served, tls, []);
  await harness.until(() => client.isOpen && served.servers[0]?.isOpen === true, 'open');
  assert.equal(served.servers[0]!.connection.tls?.alpn, '');
  await finish(harness, served, [client]);
}

async function checkWriteBefore(harness: IoHarness, tls: PairTls): Promise<void> {
  const served = await serve(harness, tls);
  const client = connect(harness, served, tls);
  let size = 0;
  for (const piece of [100, 60_000, 1, 40_000]) {
    assert.equal(client.write(1, piece, size), false, 'it queues');
    size += piece;
  }
  client.call((connection) => connection.end());
  const server = (): BackendProbe | undefined => served.servers[0];
  await harness.until(() => server() !== undefined, 'the connection');
  server()!.expectedSeed = 1;
  await harness.until(() => server()!.hasEnded, 'the end');
  assert.equal(server()!.receivedSize, size);
  await finish(harness, served, [client]);
}

async function checkBrokenOff(harness: IoHarness, tls: PairTls): Promise<void> {
  // The server end of a handshake whose client breaks it off, and the other way round.
  for (const how of ['end', 'reset', 'abort'] as const) {
    const raw: Connection[] = [];
    const silent = await serve(harness, tls, (connection, probe) => {
      connection.events = probe;
      raw.push(connection);
    });
    const client = connect(harness, silent, tls);
    await harness.until(() => raw.length === 1, 'the connection');
    await harness.settle();
    assert.equal(client.isOpen, false);
    assert.equal(client.closeCount, 0, 'silence is for timers of the owner');
    raw[0]![how]();
    await harness.until(() => isOver(client), 'the client to notice');
    assert.equal(client.fault, Fault.upstreamTlsFailed, how);
    await finish(harness, silent, [client]);
  }
  for (const how of ['end', 'reset', 'abort'] as const) {
    const served = await serve(harness, tls);
    const client = connect(harness, served, null);
    await harness.until(() => client.isOpen, 'the connection');
    sendHello(harness, client);
    await harness.until(() => client.receivedSize > 0, 'the answer of the server');
    client.call((connection) => connection[how]());
    if (how === 'end') client.call((connection) => connection.pause());
    const server = served.servers[0]!;
    // The simulated server needs nothing more, so it is open.
    await harness.until(() => isOver(server) || server.isOpen, 'the server to notice');
    if (!server.isOpen) assert.equal(server.fault, Fault.tlsHandshakeFailed, how);
    await finish(harness, served, [client]);
  }
}

/** A ClientHello of TLS 1.3 with X25519 (RFC 8446 §4.1.2), from a client that knows no more. */
function sendHello(harness: IoHarness, client: BackendProbe): void {
  const share = Array.from({ length: 32 }, (_, at) => at + 9);
  const extensions = [
    [0, 43, 0, 3, 2, 3, 4],
    [0, 10, 0, 4, 0, 2, 0, 29],
    [0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
    [0, 51, 0, 38, 0, 36, 0, 29, 0, 32, ...share],
  ].flat();
  const body = [3, 3, ...share, 0, 0, 2, 0x13, 1, 1, 0, 0, extensions.length, ...extensions];
  const bytes = [22, 3, 1, 0, body.length + 4, 1, 0, 0, body.length, ...body];
  writeBytes(harness, client, bytes);
}

function writeBytes(harness: IoHarness, probe: BackendProbe, bytes: readonly number[]): void {
  const { chunks } = harness.backend;
  const chunk = chunks.acquire(bytes.length)!;
  chunk.bytes.set(bytes, CHUNK_HEADROOM);
  const end = CHUNK_HEADROOM + bytes.length;
  probe.call((connection) => connection.write(chunk, CHUNK_HEADROOM, end));
  chunks.release(chunk);
}

async function checkGarbage(harness: IoHarness, tls: PairTls): Promise<void> {
  const garbage = [22, 3, 1, 0, 4, 0xff, 0xff, 0xff, 0xff];
  const served = await serve(harness, tls, (connection, probe) => {
    connection.events = probe;
    probe.onBytes = () => writeBytes(harness, probe, [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31]);
    probe.resume();
  });
  const client = connect(harness, served, tls);
  await harness.until(() => isOver(client), 'the failure');
  assert.equal(client.fault, Fault.upstreamTlsFailed);
  await finish(harness, served, [client]);
  if (harness.backend.name === 'sim') return; // Its server believes any hello.
  const second = await serve(harness, tls);
  const raw = connect(harness, second, null);
  await harness.until(() => raw.isOpen, 'the connection');
  writeBytes(harness, raw, garbage);
  await harness.until(() => second.servers.length === 1 && second.servers.every(isOver), 'failure');
  assert.equal(second.servers[0]!.fault, Fault.tlsHandshakeFailed);
  await finish(harness, second, [raw]);
}

async function checkClosedInHandshake(harness: IoHarness, tls: PairTls): Promise<void> {
  for (const how of ['close', 'abort', 'reset'] as const) {
    const served = await serve(harness, tls);
    const early = connect(harness, served, tls);
    early.call((connection) => connection[how]());
    await harness.until(() => isOver(early), 'the client to close');
    assert.equal(early.isOpen, false);
    const client = connect(harness, served, tls);
    await harness.until(() => served.servers.length > 0, 'the connection');
    const server = served.servers.at(-1)!;
    server.call((connection) => connection[how]());
    await harness.until(() => isOver(server), 'the server to close');
    assert.equal(server.isOpen, false);
    await harness.until(() => isOver(client), 'the client to notice');
    await finish(harness, served, [client]);
  }
}

/** A write that is taken may still be held; an owner that minds asks `isDrained`. */
async function checkDrained(harness: IoHarness, tls: PairTls): Promise<void> {
  const served = await serve(harness, tls);
  const client = connect(harness, served, tls);
  await harness.until(() => client.isOpen && served.servers[0]?.isOpen === true, 'open');
  const server = served.servers[0]!;
  server.expectedSeed = 1;
  for (let round = 0; round < 20; round++) {
    const count = client.writableCount;
    for (let i = 0; i < 4; i++) client.writeNext(500);
    if (client.connection.isDrained) continue;
    await harness.until(() => client.writableCount > count, 'onWritable');
    assert.equal(client.connection.isDrained, true);
  }
  await harness.until(() => server.receivedSize === 20 * 4 * 500, 'the bytes');
  await finish(harness, served, [client]);
}

/** Random calls on both ends, from before the handshake on; the probes check B1 to B4. */
async function checkAnyOrder(harness: IoHarness, tls: PairTls): Promise<void> {
  const prng = new Prng(2);
  const served = await serve(harness, tls);
  const probes: BackendProbe[] = [];
  let seen = 0;
  for (let i = 0; i < 60; i++) {
    const client = connect(harness, served, tls);
    client.expectedSeed = 1;
    probes.push(client);
    if (prng.chance(0.3)) useAtRandom(prng, client, 2);
    for (let step = 0; step < 10; step++) {
      if (prng.chance(0.4)) await harness.settle();
      for (; seen < served.servers.length; seen++) {
        served.servers[seen]!.expectedSeed = 1;
        probes.push(served.servers[seen]!);
      }
      const first = Math.max(0, probes.length - 8);
      useAtRandom(prng, probes[prng.integer(first, probes.length - 1)]!, 1);
    }
  }
  await harness.settle();
  const isAnyOpen = probes.filter((probe) => probe.isOpen).length;
  assert.ok(isAnyOpen > 20, `${isAnyOpen} handshakes got through`);
  await finish(harness, served, probes);
}

async function checkSecureTwice(harness: IoHarness, tls: PairTls): Promise<void> {
  const served = await serve(harness, tls);
  const client = connect(harness, served, tls);
  await harness.until(() => client.isOpen && served.servers[0]?.isOpen === true, 'open');
  const server = served.servers[0]!;
  const hello = { chunk: { bytes: new Uint8Array(64), isShared: true }, start: 32, end: 40 };
  const again = (): void =>
    server.call((connection) => harness.backend.secure(connection, tls.server, [], hello));
  again();
  server.expectedSeed = 1;
  client.write(1, 1_000);
  await harness.until(() => server.receivedSize === 1_000, 'the bytes');
  server.call((connection) => connection.abort());
  again();
  await harness.until(() => isOver(server), 'the end');
  again();
  await finish(harness, served, [client]);
}
