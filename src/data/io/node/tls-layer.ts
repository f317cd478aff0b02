/**
 * What a connection with TLS has that one without has not: one write at a time, bytes that came
 * although it is paused, and the state of its handshake.
 *
 * Y1  Node encrypts a write at once and says only later that it is through. So nothing of ours is
 *     needed after `write` unless one is on its way: what comes meanwhile is held, in order, and
 *     goes out together.
 * Y2  `write` says true as long as the kernel took what was encrypted and less than
 *     `HELD_SIZE_MAX` bytes are held.
 * Y3  one read from the kernel may hold several records; those left over when the owner pauses wait
 *     here, at most one read of the kernel and one record.
 * Y4  FIN follows close_notify, which follows the last write: Node would send it first.
 * Y5  what OpenSSL answers by itself (to key updates, to renegotiation) is queued without limit in
 *     Node when the peer does not read; who makes more than `ENCRYPTED_SIZE_MAX` wait is closed.
 */

import { isIP } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';

import { Ring } from '../../../base/ring.ts';
import { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type { Chunk, ClientTls, ConnectionEvents, TlsInfo } from '../backend.ts';
import type { Slab, SlabChunk } from '../slab.ts';
import { parentOf } from './socket-handle.ts';
import type { SocketHandle } from './socket-handle.ts';
import { NodeClientContext, NodeServerContext } from './tls-context.ts';
import { judgeClient, judgeServer, tlsInfo } from './tls-peer.ts';
import { ProxyTlsSocket } from './tls-socket.ts';
import type { TlsListener } from './tls-socket.ts';

/** Bytes that may wait for the write on its way without `write` saying false. */
const HELD_SIZE_MAX = 65_536;
/** A write that takes this much takes no more: Node copies all of it, and sends 160 KiB at once. */
const BATCH_SIZE_MIN = 65_536;
/** Far more than one write of ours (Y1) can be. */
const ENCRYPTED_SIZE_MAX = 1_048_576;

/** Node's code of OpenSSL's `peer did not return a certificate`. */
const NO_CERTIFICATE = 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';

interface Piece {
  readonly chunk: SlabChunk;
  readonly start: number;
  readonly end: number;
}

export interface TlsLayerOptions {
  readonly socket: ProxyTlsSocket;
  readonly context: NodeServerContext | NodeClientContext;
  /** Of a client. */
  readonly serverName: string;
  /** Of a client: under which its session is kept. */
  readonly sessionKey: string;
  readonly slab: Slab;
  readonly owner: TlsOwner;
  /** It is one of them from its begin to its end. */
  readonly layers: Set<TlsLayer>;
}

/** The connection, as far as TLS needs it. */
export interface TlsOwner {
  readonly isPaused: boolean;
  readonly isClosed: boolean;
  readonly events: ConnectionEvents;
  /** The handshake is over, and its peer is welcome. */
  open(): void;
  /** It is over, with `fault`. */
  fail(fault: Fault): void;
  /** A write is through, and nothing is held. */
  onDrained(): void;
  onEnd(): void;
}

export class TlsLayer implements TlsListener {
  readonly socket: ProxyTlsSocket;
  readonly context: NodeServerContext | NodeClientContext;
  /** False before and in the handshake: then nothing can be written. */
  isOpen = false;
  /** `write` has said false. */
  owesWritable = false;
  readonly #owner: TlsOwner;
  readonly #layers: Set<TlsLayer>;
  readonly #slab: Slab;
  readonly #serverName: string;
  readonly #sessionKey: string;
  readonly #onWritten: (error?: Error | null) => void;
  /** The handle below that of TLS; null once the socket is gone. */
  #parent: SocketHandle | null;
  /** Bytes were held: `isDrained` was false, and who has seen that waits for `onWritable`. */
  #hasHeld = false;
  #isWriting = false;
  #held: Ring<Piece> | null = null;
  #heldSize = 0;
  /** Bytes read while paused. */
  #unread: Ring<Piece> | null = null;
  #info: TlsInfo | null = null;
  /** Came before the judgement. */
  #session: Uint8Array | null = null;
  #isJudged = false;
  /** The handshake has begun. */
  #isStarted: boolean;
  /** The end of the stream waits for `resume`. */
  #owesEnd = false;

  constructor(options: TlsLayerOptions) {
    this.socket = options.socket;
    this.context = options.context;
    this.#slab = options.slab;
    this.#serverName = options.serverName;
    this.#sessionKey = options.sessionKey;
    this.#owner = options.owner;
    this.#isStarted = this.context.isServer;
    this.socket.layer = this;
    this.context.hold.retain();
    this.#layers = options.layers;
    this.#layers.add(this);
    const handle = this.socket.tlsHandle;
    this.#parent = handle === null ? null : parentOf(handle);
    this.#onWritten = (error) => this.#written(error);
  }

  get info(): TlsInfo | null {
    if (this.#info === null && this.isOpen) this.#info = tlsInfo(this.socket, this.context);
    return this.#info;
  }

  /** Nothing is held, and the kernel has everything that was encrypted. */
  get isDrained(): boolean {
    return this.#heldSize === 0 && this.#isTaken;
  }

  /** Nothing is held or on its way, so that FIN may be asked for. */
  get isIdle(): boolean {
    return this.isOpen && this.#heldSize === 0 && !this.#isWriting;
  }

  /** In the handshake: an error is of it. */
  get isShaking(): boolean {
    return this.#isStarted && !this.isOpen;
  }

  /** Bytes or the end of the stream wait for `resume`. */
  get isOwing(): boolean {
    return this.#owesEnd || this.#hasUnread;
  }

  /** What arrives now has to wait. */
  get keepsBack(): boolean {
    return this.#owner.isPaused || this.#hasUnread;
  }

  /** Plain bytes that the kernel has taken, up to the overhead of records not taken yet. */
  get takenSize(): number {
    const handle = this.socket.tlsHandle;
    if (handle === null || this.#parent === null) return 0;
    return Math.max(0, handle.bytesWritten - this.#parent.writeQueueSize);
  }

  /**
   * Sends or holds the bytes of a chunk that is not shared.
   * @returns as `Connection.write`
   */
  write(chunk: Chunk, start: number, end: number): boolean {
    if (!this.writesAtOnce) {
      this.#slab.retain(chunk);
      return this.hold(chunk as SlabChunk, start, end);
    }
    this.#isWriting = true;
    this.socket.encrypt(chunk.bytes.subarray(start, end), this.#onWritten);
    return this.#say(this.#isTaken);
  }

  /** True when the bytes of a shared chunk can be written without a copy of them. */
  get writesAtOnce(): boolean {
    return this.isOpen && !this.#isWriting && this.#heldSize === 0;
  }

  /** Holds bytes until the write on its way is through; takes over a reference to `chunk`. */
  hold(chunk: SlabChunk, start: number, end: number): boolean {
    this.#held ??= new Ring<Piece>(Number.MAX_SAFE_INTEGER, 4);
    this.#held.push({ chunk, start, end });
    this.#heldSize += end - start;
    this.#hasHeld = true;
    return this.#say(this.isOpen && this.#heldSize < HELD_SIZE_MAX && this.#isTaken);
  }

  /** Nothing is held any more. @returns whether the owner waits for `onWritable` */
  settleWritable(): boolean {
    const owes = this.owesWritable || this.#hasHeld;
    this.owesWritable = false;
    this.#hasHeld = false;
    return owes;
  }

  /** The handshake is over and the owner knows: what was written before goes out. */
  flush(): void {
    if (this.#heldSize > 0 && !this.#isWriting) this.#writeHeld();
  }

  onSecure(): void {
    const owner = this.#owner;
    if (owner.isClosed || this.isOpen) return; // OpenSSL says so of what it refused, too.
    const fault = this.#judge();
    this.isOpen = fault === Fault.none;
    if (this.isOpen) owner.open();
    else owner.fail(fault);
  }

  /** @param code of a TLS or socket error; absent: the peer just ended */
  handshakeFault(code?: string): Fault {
    if (this.context instanceof NodeClientContext) {
      this.context.dropSession(this.#sessionKey); // Another try shall not fail for it.
      return Fault.upstreamTlsFailed;
    }
    return code === NO_CERTIFICATE ? Fault.tlsClientRefused : Fault.tlsHandshakeFailed;
  }

  withholdEnd(): boolean {
    const owner = this.#owner;
    if (owner.isClosed) return false;
    if (!this.isOpen) {
      owner.fail(this.handshakeFault());
      return true;
    }
    if (this.keepsBack) {
      this.#owesEnd = true; // A paused socket sees no FIN, so this is close_notify.
      return true;
    }
    if (this.context.isServer || !isCutShort(this.socket)) return false;
    owner.fail(Fault.upstreamReset);
    return true;
  }

  /** The socket of a client is connected. */
  start(): void {
    if (this.#owner.isClosed) return;
    this.#isStarted = true;
    this.socket.tlsHandle?.start();
  }

  /** Before a client connects: says the name, offers the last session, waits for the next one. */
  prepareClient(): void {
    const { context } = this;
    const handle = this.socket.tlsHandle;
    if (handle === null || !(context instanceof NodeClientContext)) return;
    if (this.#serverName !== '' && isIP(this.#serverName) === 0) {
      handle.setServername(this.#serverName);
    }
    const session = context.session(this.#sessionKey);
    if (session !== null) handle.setSession(session);
    handle.enableSessionCallbacks();
    handle.onnewsession = (_id, fresh) => {
      if (this.#isJudged) context.keepSession(this.#sessionKey, fresh);
      else this.#session = fresh;
    };
  }

  /** Keeps bytes that were read while paused. @returns false without memory */
  keepUnread(chunk: SlabChunk, start: number, end: number): boolean {
    const copy = this.#slab.acquire(end - start) ?? this.#slab.acquireSlot(end - start);
    if (copy === null) return false;
    const at = copy.bytes.byteLength - (end - start) >= 2 * CHUNK_HEADROOM ? CHUNK_HEADROOM : 0;
    (chunk.bytes as Buffer).copy(copy.bytes, at, start, end);
    this.#unread ??= new Ring<Piece>(Number.MAX_SAFE_INTEGER, 4);
    this.#unread.push({ chunk: copy, start: at, end: at + end - start });
    return true;
  }

  /** Delivers what was read while paused, then the end or what comes next, until paused again. */
  deliverUnread(): void {
    const owner = this.#owner;
    while (this.#hasUnread && !owner.isPaused && !owner.isClosed) {
      const { chunk, start, end } = this.#unread!.shift()!;
      owner.events.onReadable(chunk, start, end);
      this.#slab.release(chunk);
    }
    if (owner.isPaused || owner.isClosed) return;
    if (this.#owesEnd) this.pushOwedEnd();
    else this.socket.read(0);
  }

  /** Lets the end of the stream through that was put off, if any. */
  pushOwedEnd(): void {
    if (!this.#owesEnd) return;
    this.#owesEnd = false;
    this.socket.pushEnd();
  }

  /** Called now and then: a flood does not show otherwise (Y5). */
  closeIfFlooded(): void {
    const queuedSize = this.socket.tlsHandle?.writeQueueSize ?? 0;
    if (queuedSize > ENCRYPTED_SIZE_MAX) this.#owner.fail(Fault.memoryLimit);
  }

  /** The socket is gone. */
  drop(): void {
    this.context.hold.release();
    this.#layers.delete(this);
    this.#heldSize = 0;
    this.#parent = null;
    this.#releaseAll(this.#held);
    this.#releaseAll(this.#unread);
  }

  #releaseAll(ring: Ring<Piece> | null): void {
    for (let piece = ring?.shift(); piece !== undefined; piece = ring?.shift()) {
      this.#slab.release(piece.chunk);
    }
  }

  get #hasUnread(): boolean {
    return this.#unread !== null && this.#unread.count > 0;
  }

  get #isTaken(): boolean {
    return this.#parent?.writeQueueSize === 0;
  }

  #say(isWritable: boolean): boolean {
    if (!isWritable) this.owesWritable = true;
    return !this.owesWritable;
  }

  #written(error?: Error | null): void {
    this.#isWriting = false;
    if (error) this.socket.destroy(error);
    else if (this.socket.destroyed) return;
    else if (this.#heldSize > 0) this.#writeHeld();
    else this.#owner.onDrained();
  }

  #judge(): Fault {
    const { socket, context } = this;
    if (context instanceof NodeServerContext) return judgeClient(socket, context);
    const fault = judgeServer(socket, context, this.#serverName);
    this.#isJudged = fault === Fault.none;
    if (this.#isJudged && this.#session !== null) {
      context.keepSession(this.#sessionKey, this.#session);
    }
    this.#session = null;
    return fault;
  }

  /** Encrypts what is held, in one go up to a limit. Nothing may be on its way. */
  #writeHeld(): void {
    const held = this.#held!;
    const views: Uint8Array[] = [];
    const chunks: SlabChunk[] = [];
    let size = 0;
    for (let piece = held.peek(); piece !== undefined && size < BATCH_SIZE_MIN;) {
      held.shift();
      chunks.push(piece.chunk);
      size += piece.end - piece.start;
      views.push(piece.chunk.bytes.subarray(piece.start, piece.end));
      piece = held.peek();
    }
    this.#heldSize -= size;
    this.#isWriting = true;
    if (views.length === 1) this.socket.encrypt(views[0]!, this.#onWritten);
    else this.socket.encryptAll(views, this.#onWritten);
    for (const chunk of chunks) this.#slab.release(chunk);
  }
}

/**
 * An origin that ends without close_notify may have been cut off by anybody (RFC 8446 §6.1). Node
 * tells of FIN and of close_notify in the same way; but libuv has stopped reading at FIN, and can
 * be started again, while it refuses to be started twice.
 */
function isCutShort(socket: ProxyTlsSocket): boolean {
  const handle = socket.tlsHandle;
  return handle !== null && parentOf(handle).readStart() === 0;
}

/** The socket of an accepted connection, around the handle of the one without TLS. */
export function serverSocket(
  context: NodeServerContext,
  alpn: Buffer | null,
  handle: SocketHandle,
  onread: NonNullable<SocketConstructorOpts['onread']>,
): ProxyTlsSocket {
  return new ProxyTlsSocket({
    isServer: true,
    secureContext: context.secureContext,
    alpn,
    handle,
    isUnix: false,
    requestCert: context.asksForCertificate,
    rejectUnauthorized: context.needsCertificate,
    server: context.ocspServer,
    onread,
  });
}

/** The socket of an outgoing connection, about to connect. */
export function clientSocket(
  tls: ClientTls,
  isUnix: boolean,
  onread: NonNullable<SocketConstructorOpts['onread']>,
): ProxyTlsSocket {
  const { secureContext } = tls.context as NodeClientContext;
  return new ProxyTlsSocket({
    isServer: false,
    secureContext,
    alpn: alpnOf(tls.alpn),
    handle: null,
    isUnix,
    requestCert: true,
    rejectUnauthorized: false, // Judged here.
    server: null,
    onread,
  });
}

let lastProtocols: readonly string[] = [];
let lastAlpn: Buffer | null = null;

/**
 * Protocols in the wire format of RFC 7301; null: none. Of the same array, which policies and
 * services give again and again, the same buffer.
 */
export function alpnOf(protocols: readonly string[]): Buffer | null {
  if (protocols === lastProtocols) return lastAlpn;
  lastProtocols = protocols;
  lastAlpn = null;
  if (protocols.length > 0) {
    lastAlpn = Buffer.concat(
      protocols.map((name) => Buffer.concat([Buffer.of(name.length), Buffer.from(name)])),
    );
  }
  return lastAlpn;
}
