/**
 * A listening socket of the `node` backend.
 *
 * Node would make a `net.Socket` with a 64 KiB buffer per read for each accepted connection, so
 * the accept callback of the server's handle is replaced by one that gets the bare handle.
 * L1  a failed accept (no descriptors left) is reported, never fatal; listening goes on.
 * L2  while paused, accepted connections wait unread, at most `PARKED_MAX`; libuv cannot stop
 *     accepting, so those beyond it are closed.
 */

import { createServer, connect } from 'node:net';
import type { ListenOptions, Server } from 'node:net';
import { lstatSync, unlinkSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';

import type { ListenEvents, ListenTarget, Listening } from '../backend.ts';
import type { NodeConnection } from './node-connection.ts';
import { serverHandleOf } from './socket-handle.ts';
import type { SocketHandle } from './socket-handle.ts';

/** Most connections accepted but not delivered during a pause. */
export const PARKED_MAX = 1_024;
const BACKLOG = 4_096;

export interface NodeListeningOptions {
  readonly target: ListenTarget;
  readonly events: ListenEvents;
  /** Several sockets may bind the same port; the kernel spreads connections over them. */
  readonly reusePort: boolean;
  readonly accept: (handle: SocketHandle, isUnix: boolean) => NodeConnection;
}

export class NodeListening implements Listening {
  port = 0;
  readonly #options: NodeListeningOptions;
  readonly server: Server;
  readonly #parked: SocketHandle[] = [];
  #isPaused = false;
  #isClosed = false;
  #isListening = false;
  #wasProbed = false;

  constructor(options: NodeListeningOptions) {
    this.#options = options;
    this.server = createServer();
    this.server.on('listening', () => this.#onListening());
    this.server.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    this.#listen();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#parked.length > 0) setImmediate(() => this.#deliverParked());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const handle of this.#parked.splice(0)) handle.close();
    this.server.close();
  }

  #listen(): void {
    const { kind, host, port, fd } = this.#options.target;
    const options: ListenOptions & { fd?: number } = { backlog: BACKLOG, exclusive: true };
    if (fd >= 0) {
      options.fd = fd;
    } else if (kind === 'unix') {
      options.path = host;
    } else {
      options.port = port;
      options.reusePort = this.#options.reusePort;
      if (host !== '') options.host = host;
    }
    try {
      this.server.listen(options);
    } catch (error) {
      const message = error instanceof Error ? error.message : 'cannot listen';
      process.nextTick(() => this.#report(message));
    }
  }

  #onListening(): void {
    const handle = serverHandleOf(this.server);
    if (handle === null || this.#isClosed) return;
    this.#isListening = true;
    const address = this.server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
    const isUnix = this.#options.target.kind === 'unix';
    handle.onconnection = (status, accepted) => this.#onAccept(status, accepted, isUnix);
    this.#options.events.onListening();
  }

  #onAccept(status: number, handle: SocketHandle | undefined, isUnix: boolean): void {
    if (status !== 0 || handle === undefined) {
      this.#report(`accept failed: ${getSystemErrorName(status)}`);
    } else if (!this.#isPaused && this.#parked.length === 0) {
      this.#options.events.onAccept(this.#options.accept(handle, isUnix));
    } else if (this.#parked.length < PARKED_MAX) {
      this.#parked.push(handle);
    } else {
      handle.close();
    }
  }

  #deliverParked(): void {
    while (this.#parked.length > 0 && !this.#isPaused) {
      const handle = this.#parked.shift()!;
      const isUnix = this.#options.target.kind === 'unix';
      this.#options.events.onAccept(this.#options.accept(handle, isUnix));
    }
  }

  #onError(error: NodeJS.ErrnoException): void {
    const { kind, host, fd } = this.#options.target;
    const isOccupiedPath = error.code === 'EADDRINUSE' && kind === 'unix' && fd < 0;
    if (isOccupiedPath && !this.#wasProbed && !this.#isClosed) {
      this.#wasProbed = true;
      this.#probe(host);
    } else {
      this.#report(error.message);
    }
  }

  /** A socket file that nobody answers on is left over from a process that died. */
  #probe(path: string): void {
    const probe = connect({ path });
    probe.on('connect', () => {
      probe.destroy();
      this.#report(`another process listens on ${path}`);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#isClosed) return;
      if (error.code === 'ECONNREFUSED' && unlinkSocket(path)) this.#listen();
      else this.#report(`${path} exists and cannot be taken over`);
    });
  }

  #report(message: string): void {
    if (this.#isClosed) return;
    if (!this.#isListening) this.#isClosed = true;
    this.#options.events.onError(message);
  }
}

/** Only a socket is ever removed. */
function unlinkSocket(path: string): boolean {
  try {
    if (!lstatSync(path).isSocket()) return false;
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
