/**
 * The part of Node's undocumented stream handle that this backend relies on, and why, in one
 * place: docs/decisions/0004-node-backend.md. The contract suite fails when Node changes it.
 */

import type { Server, Socket } from 'node:net';

export interface AddressOut {
  address: string;
  port: number;
}

export interface SocketHandle {
  readonly fd: number;
  /** Absent on pipes (unix sockets). Returns 0 or a negative errno. */
  getpeername?(out: AddressOut): number;
  getsockname?(out: AddressOut): number;
  setNoDelay?(isOn: boolean): number;
  /** Points the next reads at `view`; the caller keeps the memory alive. */
  useUserBuffer(view: Uint8Array): void;
  close(): void;
}

export interface ServerHandle {
  readonly fd: number;
  /** Called by Node for each accepted connection; `status` is 0 or a negative errno. */
  onconnection: (status: number, handle: SocketHandle | undefined) => void;
}

/** The handle of an open socket; null once it is destroyed. */
export function handleOf(socket: Socket): SocketHandle | null {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  return (socket as unknown as { _handle: SocketHandle | null })._handle;
}

/** The handle of a listening server. */
export function serverHandleOf(server: Server): ServerHandle | null {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  return (server as unknown as { _handle: ServerHandle | null })._handle;
}
