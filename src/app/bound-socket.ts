/**
 * Bound sockets: what the supervisor holds of an address, and the part of Node's undocumented
 * stream handles that handing one to another process relies on, in one place.
 *
 * A `net.BoundSocket` can be sent to another process only once. A stream handle made for the same
 * descriptor can be sent as often as wanted, and sending it closes nothing.
 * B1  such a handle is never closed as long as somebody else owns the descriptor, and is kept
 *     referenced, so that nothing closes it by itself either.
 */

import * as net from 'node:net';

/** A TCP or pipe handle on a descriptor it does not own (B1). Can be sent over IPC. */
export interface SocketHandle {
  readonly fd: number;
  /** Absent on pipes. Fills `out`; returns 0 or a negative errno. */
  getsockname?(out: { address?: string; port?: number }): number;
  close(): void;
}

/** A socket that is bound but does not accept here. */
export interface BoundSocket {
  /** 0 for unix. */
  readonly port: number;
  readonly handle: SocketHandle;
  /** A unix socket's file goes away with it. */
  close(): void;
}

interface NodeBoundSocket {
  fd(): number;
  address(): { readonly port: number } | string;
  close(): void;
}

type NodeBoundSocketClass = new (options: object) => NodeBoundSocket;

const NodeClass = (net as unknown as { BoundSocket?: NodeBoundSocketClass }).BoundSocket;

/** False on a Node without `net.BoundSocket` (24): workers bind for themselves there. */
export const canBindSockets = NodeClass !== undefined;

/** @throws when `fd` is no stream socket */
export function handleOfDescriptor(fd: number): SocketHandle {
  const socket = new net.Socket({ fd, readable: false, writable: false });
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  return (socket as unknown as { _handle: SocketHandle })._handle;
}

/**
 * @param isShared with SO_REUSEPORT: several sockets of one address
 * @throws the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL)
 */
export function bindTcp(host: string, port: number, isShared: boolean): BoundSocket {
  try {
    return hold(new NodeClass!({ host, port, reusePort: isShared }));
  } catch (error) {
    const isNoIpv6 = (error as NodeJS.ErrnoException).code === 'EAFNOSUPPORT' && host === '::';
    if (!isNoIpv6) throw error;
    return hold(new NodeClass!({ host: '0.0.0.0', port, reusePort: isShared }));
  }
}

/**
 * @param umask what others may not do with the socket file; null: as the process is set. It is set
 *   around the bind, so that there is no moment at which the file is open to more.
 * @throws the system's error (EADDRINUSE, EACCES, ENOENT)
 */
export function bindUnix(path: string, umask: number | null): BoundSocket {
  const before = umask === null ? null : process.umask(umask);
  try {
    return hold(new NodeClass!({ path }));
  } finally {
    if (before !== null) process.umask(before);
  }
}

function hold(socket: NodeBoundSocket): BoundSocket {
  const address = socket.address();
  return {
    port: typeof address === 'string' ? 0 : address.port,
    handle: handleOfDescriptor(socket.fd()),
    close: () => socket.close(),
  };
}
