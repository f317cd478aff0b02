/**
 * The socket with TLS: a `tls.TLSSocket` on a bare handle, without a second `net.Socket` below it.
 *
 * What it takes from Node's inside, and why: docs/decisions/0017-tls-in-node.md.
 * T1  no error of TLS is lost and none reaches the process: whatever OpenSSL complains of, at any
 *     moment, destroys the socket with that error.
 * T2  the end of the stream is withheld while its connection is paused or holds bytes.
 */

// oxlint-disable no-underscore-dangle -- Node's names for what its types do not tell of.

import { TLSSocket } from 'node:tls';
import type { SecureContext, TLSSocketOptions } from 'node:tls';
import type { Socket, SocketConstructorOpts } from 'node:net';

import { SOCKET_LISTENERS } from './proxy-socket.ts';
import type { SocketOwner } from './proxy-socket.ts';
import { handleOf } from './socket-handle.ts';
import type { SocketHandle, TlsHandle } from './socket-handle.ts';

/** Whom a TLS socket tells about TLS. */
export interface TlsListener {
  /** The handshake has ended; called on OpenSSL's stack. */
  onSecure(): void;
  /** @returns true when the end of the stream has to wait, until `pushEnd` is called */
  withholdEnd(): boolean;
}

export interface TlsSocketOptions {
  readonly isServer: boolean;
  readonly secureContext: SecureContext;
  /** In the wire format of RFC 7301; null: no ALPN. */
  readonly alpn: Buffer | null;
  /** The handle of an accepted connection; null: made here, for connecting. */
  readonly handle: SocketHandle | null;
  /** The handle to make is a unix socket's. */
  readonly isUnix: boolean;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  /** Answers `OCSPRequest`; null: nothing to staple. */
  readonly server: object | null;
  readonly onread: NonNullable<SocketConstructorOpts['onread']>;
}

interface InnerOptions {
  readonly proxyHandle: SocketHandle | null;
}

/** The members of Node's class that its types do not tell of. */
interface TlsSocketInside {
  readonly _tlsOptions: InnerOptions;
  _wrapHandle(wrap: null, handle: SocketHandle | null, hasWrites: boolean): unknown;
  _releaseControl(): boolean;
  /** What a stream calls when no write of it is on its way; it is called so here, without one. */
  _write(view: Uint8Array, encoding: string, done: WriteDone): void;
  _writev(views: readonly BufferedWrite[], done: WriteDone): void;
}

/** Called when the kernel has everything, or with the error that says why not. */
export type WriteDone = (error?: Error | null) => void;

interface BufferedWrite {
  readonly chunk: Uint8Array;
  readonly encoding: string;
}

const INSIDE = TLSSocket.prototype as unknown as TlsSocketInside;

export class ProxyTlsSocket extends TLSSocket {
  connection: SocketOwner | null = null;
  layer: TlsListener | null = null;

  constructor(options: TlsSocketOptions) {
    super(undefined as unknown as Socket, innerOptions(options));
    // With control released Node passes errors on to listeners; see `_emitTLSError`.
    INSIDE._releaseControl.call(this);
    if (options.handle !== null) {
      (this as { connecting: boolean }).connecting = false;
    }
    this.on('secure', onSecure);
    this.on('end', SOCKET_LISTENERS.end);
    this.on('error', SOCKET_LISTENERS.error);
    this.on('close', SOCKET_LISTENERS.close);
  }

  /** The handle of TLS; null once the socket is destroyed. */
  get tlsHandle(): TlsHandle | null {
    return handleOf(this) as TlsHandle | null;
  }

  override destroy(error?: Error): this {
    const isHeld = error !== undefined && this.connection?.holdForReading(error) === true;
    return isHeld ? this : super.destroy(error);
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) {
      if (this.connection?.isWriteBroken === true) super.destroy();
      if (this.layer?.withholdEnd() === true) return false;
    }
    return super.push(chunk, encoding);
  }

  /**
   * Encrypts `view` at once, and sends it or waits for the kernel: nothing else may be on its way.
   * @param done called later; at once only for an error
   */
  encrypt(view: Uint8Array, done: WriteDone): void {
    INSIDE._write.call(this, view, 'buffer', done);
  }

  /** The same for several, which Node copies together. */
  encryptAll(views: readonly Uint8Array[], done: WriteDone): void {
    const writes = views.map((chunk) => ({ chunk, encoding: 'buffer' }));
    INSIDE._writev.call(this, Object.assign(writes, { allBuffers: true }), done);
  }

  /** Delivers the end that `withholdEnd` has put off. */
  pushEnd(): void {
    super.push(null);
    this.read(0);
  }

  /** Closes with RST. libuv refuses that while FIN waits behind bytes: then it just closes. */
  resetAndClose(): void {
    const parent = this.tlsHandle?._parent;
    if (parent?.reset !== undefined) {
      const { close, reset } = parent;
      parent.close = (done?: () => void): void => {
        if (reset.call(parent, done) !== 0) close.call(parent, done);
      };
    }
    super.destroy();
  }

  /** Called in Node's constructor, before any field of this class exists. */
  _wrapHandle(wrap: null, handle: SocketHandle | null, hasWrites: boolean): unknown {
    const own = (this as unknown as TlsSocketInside)._tlsOptions.proxyHandle;
    return INSIDE._wrapHandle.call(this, wrap, own ?? handle, hasWrites);
  }

  /** Node would emit the error and leave the socket as it is. */
  _emitTLSError(error: Error): void {
    this.destroy(error);
  }
}

function innerOptions(options: TlsSocketOptions): TLSSocketOptions {
  return {
    proxyHandle: options.handle,
    isServer: options.isServer,
    secureContext: options.secureContext,
    pipe: options.isUnix,
    requestCert: options.requestCert,
    rejectUnauthorized: options.rejectUnauthorized,
    allowHalfOpen: true,
    noDelay: true,
    onread: options.onread,
    ...(options.alpn === null ? {} : { ALPNProtocols: options.alpn }),
    ...(options.server === null ? {} : { server: options.server }),
  } as TLSSocketOptions & InnerOptions;
}

function onSecure(this: TLSSocket): void {
  (this as ProxyTlsSocket).layer?.onSecure();
}
