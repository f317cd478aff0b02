/**
 * Socket broker: binds listening sockets when they are asked for and keeps them open, whatever
 * becomes of the processes that accept from them. The supervisor's only state.
 *
 * K1  the same address is the same sockets, whoever asks and however often: one per worker for TCP
 *     (SO_REUSEPORT spreads connections in the kernel), one for all workers for a unix path or a
 *     socket that was passed in at the start (socket activation).
 * K2  an address is opened only when nobody else has it: sharing by SO_REUSEPORT would let a
 *     second proxy join it unnoticed. What keeps it occupied may be our own: the same port of all
 *     addresses, from which or to which a reload moves a listener, and workers that close theirs a
 *     moment after ours.
 * K3  requests are answered in order, one at a time, and no socket is closed while an answer with
 *     its descriptor is on its way: the number could mean something else by then.
 */

import { connect } from 'node:net';
import { lstatSync, unlinkSync } from 'node:fs';

import { addressesCollide } from '../control/config/listener-address.ts';
import { bindTcp, bindUnix, canBindSockets } from './bound-socket.ts';
import type { BoundSocket, SocketHandle } from './bound-socket.ts';
import type { SocketAddress } from './orders.ts';
import { ADMIN_WORKER, addressKey, addressText } from './socket-address.ts';

/** Only the owner may use the admin socket. */
const ADMIN_UMASK = 0o177;
/** Workers have closed a socket so long after it was closed here, and how often that is tried. */
const WORKERS_CLOSE_MAX_MS = 1_000;
const RETRY_MS = 20;

/** A socket somebody else bound: systemd, by socket activation. */
export interface PassedSocket {
  readonly address: SocketAddress;
  readonly handle: SocketHandle;
}

export interface SocketGrant {
  /** As the kernel chose it when the address said 0. */
  readonly port: number;
  /** To be sent on; null when this Node cannot bind for others. */
  readonly handle: SocketHandle | null;
}

interface Held {
  readonly address: SocketAddress;
  /** The administration's alone; it stays open longer than the others. */
  isAdmin: boolean;
  /** By worker; shared ones under 0. */
  readonly sockets: Map<number, BoundSocket>;
  /** 0 until the first socket of a port 0 is bound. */
  port: number;
}

export class SocketBroker {
  private readonly held = new Map<string, Held>();
  private readonly passed: readonly PassedSocket[];
  private readonly used = new Set<PassedSocket>();
  private last: Promise<unknown> = Promise.resolve();
  private isClosed = false;
  /** When a socket was closed last. */
  private closedMs = -Infinity;

  /** @param passed sockets that are used instead of binding their address */
  constructor(passed: readonly PassedSocket[] = []) {
    this.passed = passed;
  }

  /**
   * The socket of `address` for `worker`, bound now if it is not yet.
   * @param deliver sends the answer; the next request waits until it resolves
   * Rejects with an Error whose message has the address and the system's reason, and with what
   * `deliver` rejects.
   */
  want(
    address: SocketAddress,
    worker: number,
    deliver: (grant: SocketGrant) => Promise<void>,
  ): Promise<void> {
    return this.inOrder(async () => deliver(await this.answer(address, worker)));
  }

  /**
   * Closes the sockets of all addresses but these, after the requests before it. Those that were
   * passed in are not closed: who passed them has them open as well.
   */
  retain(addresses: readonly SocketAddress[]): Promise<void> {
    const keys = new Set(addresses.map(addressKey));
    return this.inOrder(() => {
      for (const one of this.used) {
        if (!addresses.some((address) => isSame(one.address, address))) this.used.delete(one);
      }
      for (const key of this.held.keys()) if (!keys.has(key)) this.drop(key);
    });
  }

  /** Closes sockets of workers that no longer exist: nobody would accept from them. */
  limitWorkers(count: number): Promise<void> {
    return this.inOrder(() => {
      for (const { sockets } of this.held.values()) {
        for (const [worker, socket] of sockets) {
          if (worker < count) continue;
          socket.close();
          sockets.delete(worker);
        }
      }
    });
  }

  /** Closes what clients connect to, at once; the administration's sockets stay. */
  closeListeners(): void {
    this.isClosed = true;
    for (const [key, held] of this.held) if (!held.isAdmin) this.drop(key);
  }

  close(): void {
    this.isClosed = true;
    for (const key of this.held.keys()) this.drop(key);
  }

  /** Passed sockets that no configured address uses: who connects there waits for nobody. */
  get unused(): readonly SocketAddress[] {
    return this.passed.filter((one) => !this.used.has(one)).map(({ address }) => address);
  }

  private inOrder(task: () => void | Promise<void>): Promise<void> {
    const done = this.last.then(task);
    this.last = done.catch(() => {});
    return done;
  }

  private async answer(address: SocketAddress, worker: number): Promise<SocketGrant> {
    const isAdmin = worker === ADMIN_WORKER;
    if (this.isClosed && !isAdmin) throw new Error(`${addressText(address)}: stopping`);
    const passed = this.passed.find((one) => isSame(one.address, address));
    if (passed !== undefined) {
      this.used.add(passed);
      return { port: passed.address.port, handle: passed.handle };
    }
    if (!canBindSockets) return { port: address.port, handle: null };
    const key = addressKey(address);
    if (isAdmin && this.held.get(key)?.isAdmin === false) {
      throw new Error(`${addressText(address)}: a listener has this address`);
    }
    const held = this.held.get(key) ?? { address, isAdmin, sockets: new Map(), port: address.port };
    held.isAdmin &&= isAdmin;
    const slot = address.kind === 'unix' ? 0 : Math.max(worker, 0);
    let socket = held.sockets.get(slot);
    if (socket === undefined) {
      try {
        socket = await this.bindPatiently(held, isAdmin);
      } catch (error) {
        throw new Error(`${addressText(address)}: ${reason(error)}`, { cause: error });
      }
      held.sockets.set(slot, socket);
      held.port = socket.port;
      this.held.set(key, held);
    }
    return { port: held.port, handle: socket.handle };
  }

  /** K2. */
  private async bindPatiently(held: Held, isAdmin: boolean): Promise<BoundSocket> {
    for (;;) {
      try {
        return await bind(held, isAdmin, this.isShared(held));
      } catch (error) {
        const isInUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        const isOurs = performance.now() - this.closedMs < WORKERS_CLOSE_MAX_MS;
        if (!isInUse || !isOurs || this.isClosed) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** True when a socket of ours takes connections to that address, too. */
  private isShared(held: Held): boolean {
    const own = { ...held.address, port: held.port };
    return [...this.held.values()].some(({ address, port }) =>
      addressesCollide({ ...address, port }, own),
    );
  }

  private drop(key: string): void {
    this.closedMs = performance.now();
    for (const socket of this.held.get(key)!.sockets.values()) socket.close();
    this.held.delete(key);
  }
}

async function bind(held: Held, isAdmin: boolean, isShared: boolean): Promise<BoundSocket> {
  const { kind, host } = held.address;
  if (kind === 'tcp') {
    if (!isShared) bindTcp(host, held.port, false).close(); // K2.
    return bindTcp(host, held.port, true);
  }
  const umask = isAdmin ? ADMIN_UMASK : null;
  try {
    return bindUnix(host, umask);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    await removeStale(host);
    return bindUnix(host, umask);
  }
}

/** A socket file that nobody answers on is left over from a process that died. */
function removeStale(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = connect({ path });
    probe.on('connect', () => {
      probe.destroy();
      reject(new Error('another process listens on it'));
    });
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && unlinkSocket(path)) resolve();
      else reject(new Error('it exists and cannot be taken over'));
    });
  });
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

/** A passed socket of all IPv4 addresses will do where all of both families are wanted. */
function isSame(passed: SocketAddress, wanted: SocketAddress): boolean {
  if (passed.kind !== wanted.kind || passed.port !== wanted.port) return false;
  if (passed.host === wanted.host) return true;
  return passed.kind === 'tcp' && wanted.host === '::' && passed.host === '0.0.0.0';
}

function reason(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return 'address already in use (EADDRINUSE)';
    case 'EACCES':
      return 'permission denied (EACCES)';
    case 'EADDRNOTAVAIL':
      return 'no interface of this machine has the address (EADDRNOTAVAIL)';
    default:
      return (error as Error).message;
  }
}
