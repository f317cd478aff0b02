/**
 * Listening sockets of the supervisor: bound once, inherited by every proxy process it starts, so
 * that an address stays open while the process behind it is replaced.
 *
 * One socket per worker and address (SO_REUSEPORT spreads connections in the kernel). Each is
 * passed several times: a worker closes its descriptor when it ends, and its successor takes the
 * next one. Needs `net.BoundSocket` (Node 26); without it workers bind for themselves.
 */

import * as net from 'node:net';

import type { ListenerConfig } from '../control/config/config.ts';
import type { InheritedSocket } from '../contract/message.ts';

/** Workers of one index that may follow each other before the process is restarted. */
export const DESCRIPTORS_PER_SOCKET = 4;

interface BoundSocket {
  fd(): number;
  address(): { readonly port: number } | string;
  close(): void;
}

type BoundSocketClass = new (options: object) => BoundSocket;

const BoundSocketOf = (net as unknown as { BoundSocket?: BoundSocketClass }).BoundSocket;

export interface ListeningSockets {
  /** Descriptors for `spawn`'s stdio, in order; the first becomes descriptor `firstFd`. */
  readonly stdio: readonly number[];
  /** How the proxy process will see them. */
  readonly inherited: readonly InheritedSocket[];
  close(): void;
}

/**
 * Binds every TCP address for every worker.
 * @param firstFd number the first inherited descriptor gets in the child
 * @throws the system's error (EADDRINUSE, EACCES) with the listener's name in its message
 */
export function bindListeners(
  listeners: readonly ListenerConfig[],
  workers: number,
  firstFd: number,
): ListeningSockets {
  const bound: BoundSocket[] = [];
  const stdio: number[] = [];
  const inherited: InheritedSocket[] = [];
  if (BoundSocketOf === undefined) return { stdio, inherited, close: () => {} };
  const closeAll = (): void => bound.forEach((socket) => socket.close());
  for (const listener of listeners) {
    if (listener.kind !== 'tcp') continue; // A unix socket is one file; its first worker binds it.
    let port = listener.port;
    for (let worker = 0; worker < workers; worker++) {
      try {
        if (worker === 0) checkFree(BoundSocketOf, listener.host, port);
        const socket = bind(BoundSocketOf, listener.host, port, true);
        bound.push(socket);
        const address = socket.address();
        if (typeof address !== 'string') port = address.port; // Port 0: all workers share one.
        const fds = Array.from({ length: DESCRIPTORS_PER_SOCKET }, (_, i) => {
          return firstFd + stdio.length + i;
        });
        for (const _ of fds) stdio.push(socket.fd());
        inherited.push({ listener: listener.name, worker, fds });
      } catch (error) {
        closeAll();
        throw new Error(`listener ${listener.name}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
  }
  return { stdio, inherited, close: closeAll };
}

/**
 * Sharing by SO_REUSEPORT would let a second proxy join an address unnoticed, so the first socket
 * of an address is tried without it.
 */
function checkFree(Socket: BoundSocketClass, host: string, port: number): void {
  bind(Socket, host, port, false).close();
}

function bind(Socket: BoundSocketClass, host: string, port: number, reusePort: boolean) {
  try {
    return new Socket({ host, port, reusePort });
  } catch (error) {
    const isNoIpv6 = (error as NodeJS.ErrnoException).code === 'EAFNOSUPPORT' && host === '::';
    if (!isNoIpv6) throw error;
    return new Socket({ host: '0.0.0.0', port, reusePort });
  }
}
