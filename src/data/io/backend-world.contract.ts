/**
 * The contract suite of IO backends: listening, connecting, names, timers and many connections.
 */

import assert from 'node:assert/strict';

import { Prng } from '../../base/prng.ts';
import { Fault } from '../../contract/fault.ts';
import { LOOPBACK, connectTarget, isOver, useEverything } from './backend-pair.contract.ts';
import type { IoHarness } from './backend-pair.contract.ts';
import { BackendProbe } from './backend-probe.contract.ts';
import type { Connection, ConnectTarget, IoBackend, Listening } from './backend.ts';

export const WORLD_CHECKS: readonly (readonly [string, (harness: IoHarness) => Promise<void>])[] = [
  ['says connectRefused when nobody listens', checkRefused],
  ['says nameNotResolved when the host is a name', checkNameRefused],
  ['is harmless when closed, aborted or written to before it opens', checkBeforeOpen],
  ['delivers what was written before it opened', checkWriteBeforeOpen],
  ['reports an address in use and keeps the first listener', checkAddressInUse],
  ['holds connections while the listener is paused', checkListenPause],
  ['accepts what waits when the listener closes, and says when that is done', checkListenClose],
  ['resolves numeric addresses and localhost', checkResolve],
  ['fires timers in order, never early, and not when cleared', checkTimers],
  ['runs deferred tasks later, in order', checkDefer],
  ['serves many connections at once', checkMany],
  ['keeps its promises when used in any order', checkAnyOrder],
];

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

async function checkListenClose(harness: IoHarness): Promise<void> {
  const { listening, target, accepted } = await listenOnce(harness);
  listening.pause();
  const probes = [1, 2, 3].map(() => connectProbe(harness, target));
  await harness.until(() => probes.every((probe) => probe.isOpen), 'the connections');
  await harness.settle();
  assert.equal(accepted.length, 0);
  let doneCount = 0;
  listening.close(() => {
    doneCount++;
    assert.equal(accepted.length, 3);
  });
  listening.close(() => assert.fail('only for the first close'));
  assert.equal(doneCount, 0, 'never inside the call');
  await harness.until(() => doneCount > 0, 'the end of listening');
  const late = connectProbe(harness, target);
  await harness.until(() => isOver(late), 'the refusal');
  assert.equal(doneCount, 1);
  assert.equal(accepted.length, 3);
  for (const connection of accepted) connection.abort();
  for (const probe of probes) probe.call((connection) => connection.abort());
  await harness.until(() => probes.every((probe) => probe.closeCount === 1), 'the end');
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

/** Calls methods of the connection, as `prng` says. */
export function useAtRandom(prng: Prng, probe: BackendProbe, count: number): void {
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
