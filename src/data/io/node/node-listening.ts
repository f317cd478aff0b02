/**
 * A listening socket of the `node` backend.
 *
 * Node would make a `net.Socket` with a 64 KiB buffer per read for each accepted connection, so
 * the accept callback of the server's handle is replaced by one that gets the bare handle.
 * L1  a failed accept is reported, never fatal; listening goes on. Without descriptors nothing is
 *     said for each connection: `onTurnedAway` is for counting.
 * L2  while paused, accepted connections wait unread, at most `PARKED_MAX`; libuv cannot stop
 *     accepting, so those beyond it are closed.
 * L3  a connection beyond what this worker has room for is closed at once. The kernel is not left
 *     to run out: libuv would close connections unseen then, and in a process of several threads
 *     it spins on a waiting one when another thread takes its spare descriptor.
 * L4  a close accepts what waits in the kernel first: those connections were told they are open.
 */

import { createServer, connect } from 'node:net';
import type { ListenOptions, Server } from 'node:net';
import { lstatSync, unlinkSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';

import type { ListenEvents, ListenTarget, Listening } from '../backend.ts';
import type { NodeConnection } from './node-connection.ts';
import { isOwnShortage } from './socket-fault.ts';
import { keepAlive, serverHandleOf } from './socket-handle.ts';
import type { SocketHandle } from './socket-handle.ts';

/** Most connections accepted but not delivered during a pause. */
export const PARKED_MAX = 1_024;
const BACKLOG = 4_096;
/** Turns of the loop that may go on accepting before a close. */
const CLOSING_TURNS_MAX = 256;
/**
 * The kernel is asked at the begin of a turn and the socket closed at its end; who connects in
 * between is reset. So a turn in which little happens is waited for.
 */
const QUIET_TURN_MS = 0.05;

type ListenWithBacklog = (this: Server, options: ListenOptions, backlog: number) => void;

export interface NodeListeningOptions {
  readonly target: ListenTarget;
  readonly events: ListenEvents;
  /** Several sockets may bind the same port; the kernel spreads connections over them. */
  readonly reusePort: boolean;
  readonly accept: (handle: SocketHandle, isUnix: boolean) => NodeConnection;
  /** Whether one more connection may be open. */
  readonly hasRoom: () => boolean;
  /** A connection was lost for want of descriptors. */
  readonly onTurnedAway: () => void;
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
  #isClosing = false;
  #acceptCount = 0;

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

  close(done: () => void = () => {}): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.resume();
    if (this.#isListening) this.#closeWhenQuiet(0, done);
    else this.#end(done);
  }

  /** Closing resets what the kernel has queued, so a turn of the loop must have found nothing. */
  #closeWhenQuiet(turns: number, done: () => void): void {
    const countBefore = this.#acceptCount;
    const beganMs = performance.now();
    setImmediate(() => {
      // The first one may run in the turn it was set in, before the kernel was asked.
      const isShort = turns > 0 && performance.now() - beganMs <= QUIET_TURN_MS;
      const isQuiet = isShort && this.#acceptCount === countBefore;
      if (isQuiet || turns === CLOSING_TURNS_MAX) this.#end(done);
      else this.#closeWhenQuiet(turns + 1, done);
    });
  }

  #end(done: () => void): void {
    this.#isClosed = true;
    for (const handle of this.#parked.splice(0)) handle.close();
    this.server.close();
    setImmediate(done);
  }

  #listen(): void {
    const { kind, host, port, fd } = this.#options.target;
    const options: ListenOptions & { fd?: number } = { exclusive: true };
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
      // Node heeds `backlog` among the options of an address, and of a descriptor only this one.
      (this.server.listen as ListenWithBacklog).call(this.server, options, BACKLOG);
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
    handle.setNoDelay?.(true); // Accepted sockets inherit both.
    keepAlive(handle);
    handle.onconnection = (status, accepted) => this.#onAccept(status, accepted, isUnix);
    this.#options.events.onListening();
  }

  #onAccept(status: number, handle: SocketHandle | undefined, isUnix: boolean): void {
    if (status !== 0 || handle === undefined) {
      const name = getSystemErrorName(status);
      if (isOwnShortage(name)) this.#options.onTurnedAway();
      else this.#report(`accept failed: ${name}`);
    } else if (!this.#options.hasRoom()) {
      this.#acceptCount++;
      handle.close();
      this.#options.onTurnedAway();
    } else if (!this.#isPaused && this.#parked.length === 0) {
      this.#acceptCount++;
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
