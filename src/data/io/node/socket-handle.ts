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
  /** Spans in seconds. Node 24 takes the first two and asks ten times, a second apart. */
  setKeepAlive?(isOn: boolean, idle: number, interval: number, count: number): number;
  /** Bytes given to libuv so far, and those of them that the kernel has not taken. */
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
  /** Points the next reads at `view`; the caller keeps the memory alive. */
  useUserBuffer(view: Uint8Array): void;
  readStop(): number;
  /** Returns 0, or a negative errno: also when it is being read already. */
  readStart(): number;
  /** Of reads so far. */
  readonly bytesRead: number;
  /** Called by Node for each read, for FIN and for errors; which of them, it is not told. */
  onread: () => Uint8Array | undefined;
  /** What Node believes about `readStart`. */
  reading: boolean;
  close(done?: () => void): void;
  /** Closes with RST. Absent on pipes. Returns 0, or a negative errno and has done nothing. */
  reset?(done?: () => void): number;
}

/**
 * The handle of TLS around that of a connection. Its `bytesWritten` counts plain bytes, and its
 * `writeQueueSize` encrypted ones that the kernel has not taken.
 */
export interface TlsHandle extends SocketHandle {
  readonly _parent: SocketHandle;
  /** Processes received bytes as if they came from the socket; copies them. */
  receive(bytes: Uint8Array): void;
  /** Begins the handshake of a client. */
  start(): void;
  setServername(name: string): void;
  setSession(session: Uint8Array): void;
  /** Makes `onnewsession` be called. */
  enableSessionCallbacks(): void;
  onnewsession: (id: Uint8Array, session: Uint8Array) => void;
  isSessionReused(): boolean;
  /** Null or undefined: the certificate of the peer is trusted. */
  verifyError(): Error | null | undefined;
}

export interface ServerHandle {
  readonly fd: number;
  setNoDelay?(isOn: boolean): number;
  setKeepAlive?(isOn: boolean, idle: number, interval: number, count: number): number;
  /** Called by Node for each accepted connection; `status` is 0 or a negative errno. */
  onconnection: (status: number, handle: SocketHandle | undefined) => void;
}

/** The handle of an open socket; null once it is destroyed. */
export function handleOf(socket: Socket): SocketHandle | null {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  return (socket as unknown as { _handle: SocketHandle | null })._handle;
}

/** Takes the handle of an open socket away: the socket will never touch it again. */
export function takeHandle(socket: Socket): SocketHandle | null {
  const handle = handleOf(socket);
  if (handle === null) return null;
  handle.readStop();
  handle.reading = false;
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  (socket as unknown as { _handle: SocketHandle | null })._handle = null;
  return handle;
}

/**
 * Reads on without the socket, for one that is closed: what comes is dropped, and `onEnd` is called
 * at FIN or an error, of which Node would make an `Error` with its stack.
 */
export function dropReads(handle: SocketHandle, onEnd: () => void): void {
  let size = handle.bytesRead;
  handle.onread = () => {
    const hasBytes = handle.bytesRead !== size;
    size = handle.bytesRead;
    if (!hasBytes) onEnd();
    return undefined;
  };
}

/** The handle of a listening server. */
export function serverHandleOf(server: Server): ServerHandle | null {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  return (server as unknown as { _handle: ServerHandle | null })._handle;
}

/** Silence after which the kernel asks the peer whether it is still there. */
const KEEP_ALIVE_IDLE_S = 45;
const KEEP_ALIVE_INTERVAL_S = 10;
const KEEP_ALIVE_COUNT = 5;

/**
 * Lets the kernel find out, in 95 s, that a silent peer is gone without a word (power, cable,
 * NAT); the connection then fails like one that was reset. On a listening socket it holds for
 * every connection accepted from it, which costs nothing per connection (Linux copies the options).
 */
export function keepAlive(handle: Pick<SocketHandle, 'setKeepAlive'> | null): void {
  handle?.setKeepAlive?.(true, KEEP_ALIVE_IDLE_S, KEEP_ALIVE_INTERVAL_S, KEEP_ALIVE_COUNT);
}

const PEER: AddressOut = { address: '', port: 0 };

/** Who is at the other end, asked of the kernel; borrowed until the next call. Null: nobody. */
export function peerOf(handle: SocketHandle | null): AddressOut | null {
  if (handle?.getpeername === undefined || handle.getpeername(PEER) !== 0) return null;
  return PEER;
}

/** The handle below that of TLS. */
export function parentOf(handle: TlsHandle): SocketHandle {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name for it.
  return handle._parent;
}

/** `::ffff:192.0.2.1` as `192.0.2.1`; anything else unchanged. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
