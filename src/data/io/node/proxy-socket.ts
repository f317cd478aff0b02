/**
 * The socket without TLS: a `net.Socket` that knows its owner, so that its listeners are the same
 * functions for every socket.
 */

import { Socket } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';

/** What a socket tells its connection. */
export interface SocketOwner {
  /** A write failed; what can still be read comes first. */
  readonly isWriteBroken: boolean;
  /** Bytes arrived in the buffer last given to the socket. */
  receive(size: number): void;
  /** An outgoing socket is established. */
  onConnect(): void;
  onEnd(): void;
  onError(error: NodeJS.ErrnoException): void;
  /** Everything written and FIN are with the kernel. */
  onFinish(): void;
  finalize(): void;
  /** @returns true when the socket is to stay although of this error */
  holdForReading(error: NodeJS.ErrnoException): boolean;
}

export class ProxySocket extends Socket {
  connection: SocketOwner | null = null;

  constructor(options: SocketConstructorOpts) {
    super(options);
    this.on('end', SOCKET_LISTENERS.end);
    this.on('error', SOCKET_LISTENERS.error);
    this.on('close', SOCKET_LISTENERS.close);
  }

  /** Node ends the socket for every error; one of writing can wait for what is to be read. */
  override destroy(error?: Error): this {
    const isHeld = error !== undefined && this.connection?.holdForReading(error) === true;
    return isHeld ? this : super.destroy(error);
  }

  /** Node pushes nothing but null, at FIN; a socket with a failed write would not tell. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && this.connection?.isWriteBroken === true) super.destroy();
    return super.push(chunk, encoding);
  }
}

/** Any socket of a connection, with TLS or without. */
type OwnedSocket = Socket & { readonly connection: SocketOwner | null };

function onRead(this: OwnedSocket, size: number): boolean {
  this.connection?.receive(size);
  return true;
}

function onConnect(this: Socket): void {
  (this as OwnedSocket).connection?.onConnect();
}

function onEnd(this: Socket): void {
  (this as OwnedSocket).connection?.onEnd();
}

function onError(this: Socket, error: NodeJS.ErrnoException): void {
  (this as OwnedSocket).connection?.onError(error);
}

function onClose(this: Socket): void {
  (this as OwnedSocket).connection?.finalize();
}

function onFinish(this: Socket): void {
  (this as OwnedSocket).connection?.onFinish();
}

/** Functions Node calls with the socket as `this`; the same for every socket. */
export const SOCKET_LISTENERS = {
  /** The callback of `onread`. */
  read: onRead,
  /** For outgoing sockets. */
  connect: onConnect,
  end: onEnd,
  error: onError,
  close: onClose,
  finish: onFinish,
} as const;
