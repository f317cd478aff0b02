/**
 * What tests of TLS on the `node` backend share: a listener of ours that speaks TLS, for clients of
 * Node's own, and connections of ours to servers of Node's own.
 */

import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';

import { secureAccepted } from '../backend-pair.contract.ts';
import { BackendProbe } from '../backend-probe.contract.ts';
import type { ClientTls, TlsContext } from '../backend.ts';
import { LOOPBACK } from './node-harness.contract.ts';
import type { NodeHarness } from './node-harness.contract.ts';
import { fixture, fixtureText } from './tls-fixtures.contract.ts';

/** Our side as the server. */
export interface TlsListening {
  readonly port: number;
  readonly servers: BackendProbe[];
  /** The context of connections to come. */
  context: TlsContext;
}

/** Runs `check` with a listener of ours; ends everything and looks for leaks. */
export async function withTlsListener(
  harness: NodeHarness,
  context: TlsContext,
  check: (listening: TlsListening) => Promise<void>,
): Promise<void> {
  const { backend } = harness;
  const servers: BackendProbe[] = [];
  let isListening = false;
  const listening = backend.listen(LOOPBACK, {
    onListening: () => (isListening = true),
    onAccept(connection) {
      const probe = new BackendProbe(backend);
      probe.connection = connection;
      servers.push(probe);
      secureAccepted(backend, connection, probe, { server: own.context, alpn: [] });
    },
    onError: (message) => assert.fail(message),
  });
  await harness.until(() => isListening, 'listening');
  const own: TlsListening = { port: listening.port, servers, context };
  try {
    await check(own);
    for (const probe of servers) probe.connection.abort();
    await harness.until(() => servers.every((probe) => probe.closeCount === 1), 'the end');
    assert.deepEqual(harness.slab.leaks(), []);
  } finally {
    listening.close();
    for (const probe of servers) probe.connection.abort();
    await harness.close();
  }
}

/** How a client of Node's own fared. */
export interface Visit {
  readonly socket: TLSSocket;
  isSecure: boolean;
  /** The last of several; empty: none. */
  session: Buffer | null;
  received: string;
  error: string;
  isClosed: boolean;
}

/** A client of Node's own. It sends `hello` when the handshake is over. */
export function visit(port: number, options: ConnectionOptions = {}, hello = 'hello'): Visit {
  const ca = fixture('ca.pem');
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...options });
  const own: Visit = {
    socket,
    isSecure: false,
    session: null,
    received: '',
    error: '',
    isClosed: false,
  };
  socket.on('secureConnect', () => {
    own.isSecure = true;
    if (hello !== '') socket.write(hello);
  });
  socket.on('session', (session: Buffer) => (own.session = session));
  socket.on('data', (bytes: Buffer) => (own.received += bytes.toString('latin1')));
  socket.on('error', (error) => (own.error = error.message));
  socket.on('close', () => (own.isClosed = true));
  return own;
}

/** A server of Node's own, which echoes. */
export interface Origin {
  readonly port: number;
  readonly sockets: TLSSocket[];
  close(): void;
}

export async function originServer(harness: NodeHarness, own: TlsOptions = {}): Promise<Origin> {
  const sockets: TLSSocket[] = [];
  const server = createServer(
    {
      cert: fixtureText('ecdsa.pem'),
      key: fixtureText('ecdsa.key'),
      allowHalfOpen: true,
      ...own,
    } as TlsOptions,
    (socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => socket.write(bytes));
      socket.on('end', () => socket.end());
    },
  );
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await harness.until(() => server.address() !== null, 'the origin');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A connection of ours to the origin. */
export function connectTls(
  harness: NodeHarness,
  port: number,
  context: TlsContext,
  own: Partial<ClientTls> = {},
): BackendProbe {
  const probe = new BackendProbe(harness.backend);
  const tls = { context, serverName: 'localhost', alpn: [], ...own };
  const target = { kind: 'tcp', host: '127.0.0.1', port, tls } as const;
  probe.connection = harness.backend.connect(target, probe);
  return probe;
}
