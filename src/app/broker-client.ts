/**
 * Broker client: the proxy process's side of the socket broker. Asks the supervisor for listening
 * sockets and tells it which addresses are in use.
 */

import { fstatSync } from 'node:fs';

import type { SocketHandle } from './bound-socket.ts';
import type { FromProxy, SocketAddress, ToProxy } from './orders.ts';
import { ADMIN_WORKER, addressKey, addressText } from './socket-address.ts';

/** The supervisor binds at once; longer than this means that it is gone or stuck. */
const ANSWER_MAX_MS = 10_000;
/** Ending may not hang on a supervisor that does not answer. */
const CLOSE_MAX_MS = 1_000;

/** A descriptor of a listening socket. Whoever listens on it closes it. */
export interface SocketGrant {
  /** -1 when the supervisor cannot bind on this Node: bind `port` yourself. */
  readonly fd: number;
  readonly port: number;
}

/** What workers and administration need of the client. */
export interface SocketSource {
  want(address: SocketAddress, worker: number): Promise<SocketGrant>;
  giveBack(grant: SocketGrant): void;
  reclaim(grant: SocketGrant): void;
  retain(addresses: readonly SocketAddress[]): void;
}

interface Granted {
  readonly handle: SocketHandle;
  readonly grant: SocketGrant;
  /** Of the socket behind the number at that time. */
  readonly identity: string;
}

interface Waiting {
  readonly worker: number;
  readonly address: SocketAddress;
  readonly resolve: (grant: SocketGrant) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class BrokerClient implements SocketSource {
  private readonly send: (message: FromProxy) => void;
  private readonly waiting = new Map<number, Waiting>();
  /**
   * Granted descriptors. Their handles are kept for good: closing one would close a descriptor that
   * its worker owns, and may be the number of something else by then.
   */
  private readonly granted = new Map<number, Granted>();
  private readonly identityOf: (fd: number) => string;
  private readonly adminAddresses = new Map<string, SocketAddress>();
  /** Null until the listeners are known: before that nothing may be closed. */
  private listeners: readonly SocketAddress[] | null = null;
  private onListenersClosed: (() => void)[] = [];
  private nextId = 1;
  private isGone = false;

  /**
   * @param send       to the supervisor
   * @param identityOf for tests
   */
  constructor(send: (message: FromProxy) => void, identityOf = socketIdentity) {
    this.send = send;
    this.identityOf = identityOf;
  }

  /**
   * A descriptor of the socket of `address`; the same socket each time, a new descriptor. The
   * admin listeners ask as `ADMIN_WORKER`.
   * Rejects with an Error that names the address and the system's reason.
   */
  want(address: SocketAddress, worker: number): Promise<SocketGrant> {
    if (this.isGone) return Promise.reject(this.goneError(address));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.fail(id, `${addressText(address)}: the supervisor does not answer`);
      }, ANSWER_MAX_MS);
      this.waiting.set(id, { worker, address, resolve, reject, timer });
      this.send({ type: 'want-socket', id, address, worker });
    });
  }

  /** Closes a descriptor that nobody has been told about. */
  giveBack(grant: SocketGrant): void {
    this.granted.get(grant.fd)?.handle.close();
    this.granted.delete(grant.fd);
  }

  /**
   * Closes a descriptor that was on its way to a thread which has ended, if it never got there: the
   * socket would go on taking connections that nobody accepts. One that did get there was closed by
   * the thread; its number is something else by now, or nothing.
   */
  reclaim(grant: SocketGrant): void {
    const granted = this.granted.get(grant.fd);
    if (granted?.grant !== grant || granted.identity === '') return;
    if (this.identityOf(grant.fd) === granted.identity) this.giveBack(grant);
  }

  /** Listeners have these addresses now; sockets of others are closed (not the admin ones). */
  retain(addresses: readonly SocketAddress[]): void {
    this.listeners = addresses;
    this.sayAddresses();
  }

  /** An admin address that is no longer used. */
  releaseAdmin(address: SocketAddress): void {
    this.adminAddresses.delete(addressKey(address));
    this.sayAddresses();
  }

  /** Resolves when the workers' descriptors are the last ones, or soon after in any case. */
  closeListeners(): Promise<void> {
    if (this.isGone) return Promise.resolve();
    return new Promise((resolve) => {
      this.onListenersClosed.push(resolve);
      setTimeout(resolve, CLOSE_MAX_MS).unref();
      this.send({ type: 'close-listeners' });
    });
  }

  /** Takes a message of the supervisor; others than answers are not looked at. */
  onMessage(message: ToProxy, handle: SocketHandle | undefined): void {
    if (message.type === 'socket') this.onSocket(message.id, message.port, handle);
    else if (message.type === 'socket-failed') this.fail(message.id, message.message);
    else if (message.type === 'listeners-closed') {
      for (const resolve of this.onListenersClosed.splice(0)) resolve();
    }
  }

  /** The supervisor is gone: whoever waits is told. */
  onGone(): void {
    this.isGone = true;
    for (const resolve of this.onListenersClosed.splice(0)) resolve();
    for (const [id, { address }] of this.waiting) this.fail(id, this.goneError(address).message);
  }

  private sayAddresses(): void {
    if (this.listeners === null) return;
    const addresses = [...this.listeners, ...this.adminAddresses.values()];
    this.send({ type: 'addresses', addresses });
  }

  private onSocket(id: number, port: number, handle: SocketHandle | undefined): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) {
      handle?.close(); // Too late.
      return;
    }
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    if (waiting.worker === ADMIN_WORKER) {
      this.adminAddresses.set(addressKey(waiting.address), waiting.address);
      this.sayAddresses();
    }
    const grant = { fd: handle?.fd ?? -1, port };
    if (handle !== undefined) {
      this.granted.set(handle.fd, { handle, grant, identity: this.identityOf(handle.fd) });
    }
    waiting.resolve(grant);
  }

  private fail(id: number, message: string): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.reject(new Error(message));
  }

  private goneError(address: SocketAddress): Error {
    return new Error(`${addressText(address)}: the supervisor is gone`);
  }
}

/** A socket has one inode, whatever numbers it is open under. @returns empty: none is open */
function socketIdentity(fd: number): string {
  try {
    const { dev, ino } = fstatSync(fd);
    return `${dev} ${ino}`;
  } catch {
    return '';
  }
}
