/**
 * What the contract suite of IO backends is built from: a backend in a world that goes on, and a
 * connection with a recording probe at each end.
 */

import assert from 'node:assert/strict';

import { BackendProbe } from './backend-probe.contract.ts';
import type { ConnectTarget, IoBackend, Listening, ListenTarget } from './backend.ts';
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

export const LOOPBACK: ListenTarget = { kind: 'tcp', host: '127.0.0.1', port: 0, fd: -1 };

/** A connection with both of its ends. */
export interface Pair {
  readonly harness: IoHarness;
  readonly client: BackendProbe;
  readonly server: BackendProbe;
  readonly listening: Listening;
}

export type Check = (pair: Pair) => Promise<void>;

/** Opens a pair, runs `check`, closes everything and looks for leaks. */
export async function withPair(
  open: OpenHarness,
  target: ListenTarget,
  check: Check,
): Promise<void> {
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

/** How to reach what listens on `target`. */
export function connectTarget(target: ListenTarget, listening: Listening): ConnectTarget {
  return { kind: target.kind, host: target.host, port: listening.port };
}

export function isOver(probe: BackendProbe): boolean {
  return probe.closeCount === 1;
}

/** Calls every method of a connection that is closed. */
export function useEverything(probe: BackendProbe): void {
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
