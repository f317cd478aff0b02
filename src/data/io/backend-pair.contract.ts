/**
 * What the contract suite of IO backends is built from: a backend in a world that goes on, and a
 * connection with a recording probe at each end.
 */

import assert from 'node:assert/strict';

import { BackendProbe } from './backend-probe.contract.ts';
import type {
  ClientTls,
  ConnectTarget,
  Connection,
  IoBackend,
  Listening,
  ListenTarget,
  TlsContext,
} from './backend.ts';
import { HelloTaker } from './backend-hello.contract.ts';
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
  readonly tls: PairTls | null;
}

/** How the ends of a pair speak TLS. */
export interface PairTls {
  readonly server: TlsContext;
  readonly alpn: readonly string[];
  readonly client: ClientTls;
}

export type MakeTls = (backend: IoBackend) => PairTls;

export type Check = (pair: Pair) => Promise<void>;

/** Opens a pair, runs `check`, closes everything and looks for leaks. */
export async function withPair(
  open: OpenHarness,
  target: ListenTarget,
  check: Check,
  makeTls: MakeTls | null = null,
): Promise<void> {
  const harness = await open();
  const tls = makeTls === null ? null : makeTls(harness.backend);
  let pair: Pair | null = null;
  try {
    pair = await openPair(harness, target, tls);
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

async function openPair(
  harness: IoHarness,
  target: ListenTarget,
  tls: PairTls | null,
): Promise<Pair> {
  const { backend } = harness;
  const server = new BackendProbe(backend);
  let isListening = false;
  const listening = backend.listen(target, {
    onListening: () => (isListening = true),
    onAccept(connection) {
      server.connection = connection;
      if (tls === null) {
        server.isPaused = true;
        connection.events = server;
      } else {
        secureAccepted(backend, connection, server, tls);
        // As without TLS: nothing is read before `resume`.
        server.onOpened = () => server.pause();
      }
    },
    onError: (message) => assert.fail(message),
  });
  await harness.until(() => isListening, 'listening');
  const client = new BackendProbe(backend);
  const to = { ...connectTarget(target, listening), tls: tls?.client ?? null };
  client.connection = backend.connect(to, client);
  const isServerOpen = (): boolean => server.connection !== undefined && server.isOpen;
  const isOpen = tls === null ? (): boolean => server.connection !== undefined : isServerOpen;
  await harness.until(() => client.isOpen && isOpen(), 'open');
  return { harness, client, server, listening, tls };
}

/** Reads the ClientHello of an accepted connection, then makes it one with TLS. */
export function secureAccepted(
  backend: IoBackend,
  connection: Connection,
  probe: BackendProbe,
  tls: Pick<PairTls, 'server' | 'alpn'>,
): void {
  connection.events = new HelloTaker(probe, (hello) => {
    connection.events = probe;
    probe.call(() => backend.secure(connection, tls.server, tls.alpn, hello));
  });
  connection.resume();
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
