/**
 * A connection on a `net.Socket` whose reads go to memory of ours (`onread`) and whose writes ask
 * for no callback.
 *
 * N1  a write that the kernel took at once leaves nothing behind: no reference, no callback.
 * N2  else the chunk is held until an empty write behind it, the only one with a callback, is
 *     through; libuv points at the memory until then. Bytes of a shared chunk are copied to the
 *     slab before they are written, because it cannot be known beforehand.
 * N3  FIN is asked for when nothing is queued, so that `reset` is never refused by a shutdown
 *     waiting behind bytes.
 * N4  a failed write does not end reading: an origin that answers early and closes has often sent
 *     its answer before the reset that our write met. What is there is read first.
 * N5  callbacks of the socket never come from inside a call of ours; `isPaused` is checked where
 *     one of them may have been on its way.
 */

import { Ring } from '../../../base/ring.ts';
import type { TimerWheel, WheelTimer } from '../../../base/timer-wheel.ts';
import { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type { Chunk, Connection, ConnectionEvents, TlsInfo } from '../backend.ts';
import type { Slab, SlabChunk } from '../slab.ts';
import { SOCKET_LISTENERS } from './proxy-socket.ts';
import type { ProxySocket } from './proxy-socket.ts';
import type { BulkReader, ReadBuffers } from './read-buffers.ts';
import { faultOfCode } from './socket-fault.ts';
import { dropReads, handleOf, keepAlive, peerOf, takeHandle, unmapped } from './socket-handle.ts';
import type { SocketHandle } from './socket-handle.ts';
import type { TlsLayer, TlsOwner } from './tls-layer.ts';
import type { ProxyTlsSocket } from './tls-socket.ts';

/** Longest wait of `close` for queued bytes and the peer. */
export const CLOSE_TIMEOUT_MS = 5_000;
/**
 * Longest wait of `close` for the peer's FIN after ours. Closing with unread bytes would make the
 * kernel send RST, which destroys an answer the peer has not read yet (RFC 9112 §9.6).
 */
export const LINGER_TIMEOUT_MS = 1_000;

const EMPTY = new Uint8Array(0);

/** What connections of one backend share. */
export interface ConnectionShared {
  readonly slab: Slab;
  readonly reads: ReadBuffers;
  readonly wheel: TimerWheel;
  /** Accepted and outgoing connections whose sockets are not gone yet. */
  acceptedCount: number;
  connectedCount: number;
}

export class NodeConnection implements Connection, BulkReader, TlsOwner {
  events: ConnectionEvents;
  isClosed = false;
  isPaused: boolean;
  isConnecting: boolean;
  /** A write failed; the connection closes when what can be read has been. */
  isWriteBroken = false;
  socket: ProxySocket | ProxyTlsSocket;
  readonly isUnix: boolean;

  readChunk: SlabChunk | null = null;
  bulkIndex = -1;
  bulkReadAtMs = 0;

  readonly #shared: ConnectionShared;
  readonly #isAccepted: boolean;
  #fault: Fault = Fault.none;
  /** Chunks the kernel has not taken; null until the first one. */
  #queue: Ring<SlabChunk> | null = null;
  /** Chunks of the queue that are through when the empty write on its way is. */
  #flushingCount = 0;
  #onFlushed: (() => void) | null = null;
  #owesWritable = false;
  #isEnding = false;
  #isFinAsked = false;
  /** FIN has arrived while paused. */
  #owesEnd = false;
  #hasPeerEnded = false;
  #isDestroyed = false;
  #isFinal = false;
  #isResetDeferred = false;
  #closeTimer: WheelTimer | null = null;
  #peerAddress = '';
  #peerPort = -1;
  #redirectCount = 0;
  /** Null: without TLS. */
  #layer: TlsLayer | null = null;

  /** @param isAccepted it is established already, and paused until `resume` */
  constructor(
    shared: ConnectionShared,
    socket: ProxySocket | ProxyTlsSocket,
    events: ConnectionEvents,
    kind: { readonly isAccepted: boolean; readonly isUnix: boolean },
  ) {
    this.#shared = shared;
    this.socket = socket;
    this.events = events;
    this.isUnix = kind.isUnix;
    this.#isAccepted = kind.isAccepted;
    this.isPaused = kind.isAccepted;
    this.isConnecting = !kind.isAccepted;
    socket.connection = this;
    if (kind.isAccepted) shared.acceptedCount++;
    else shared.connectedCount++;
  }

  /** Numeric, IPv4-mapped addresses as IPv4. Read from the kernel once, on first use. */
  get peerAddress(): string {
    if (this.#peerPort < 0) this.#readPeer();
    return this.#peerAddress;
  }

  get peerPort(): number {
    if (this.#peerPort < 0) this.#readPeer();
    return this.#peerPort < 0 ? 0 : this.#peerPort;
  }

  get localAddress(): string {
    return this.isUnix ? '' : unmapped(this.socket.localAddress ?? '');
  }

  get localPort(): number {
    return this.isUnix ? 0 : (this.socket.localPort ?? 0);
  }

  get tls(): TlsInfo | null {
    return this.#layer === null ? null : this.#layer.info;
  }

  get isDrained(): boolean {
    if (this.#layer !== null) return this.#layer.isDrained;
    return this.#queue === null || this.#queue.count === 0;
  }

  get takenSize(): number {
    if (this.#layer !== null) return this.#layer.takenSize;
    const handle = handleOf(this.socket);
    return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize;
  }

  write(chunk: Chunk, start: number, end: number): boolean {
    if (this.isClosed || this.#isEnding || this.isWriteBroken) return false;
    const layer = this.#layer;
    if (start >= end) return !(layer === null ? this.#owesWritable : layer.owesWritable);
    const { slab } = this.#shared;
    const socket = this.socket;
    if (layer !== null && (layer.writesAtOnce || !chunk.isShared)) {
      return layer.write(chunk, start, end);
    }
    if (!chunk.isShared) {
      socket.write(chunk.bytes.subarray(start, end));
      if (socket.writableLength === 0) return true;
      slab.retain(chunk);
      this.#enqueue(chunk as SlabChunk);
      return false;
    }
    const size = end - start;
    const copy = this.#isAccepted ? slab.acquireSlotReserved(size) : slab.acquireSlot(size);
    if (copy === null) {
      this.#resetWithoutMemory();
      return false;
    }
    (chunk.bytes as Buffer).copy(copy.bytes, 0, start, end); // Copies without a view.
    if (layer !== null) return layer.hold(copy, 0, size);
    socket.write(copy.bytes.subarray(0, size));
    if (socket.writableLength === 0) {
      slab.release(copy);
      return true;
    }
    this.#enqueue(copy);
    return false;
  }

  pause(): void {
    if (this.isPaused || this.isClosed) return;
    this.isPaused = true;
    if (this.#layer === null || this.#layer.isOpen) this.socket.pause();
  }

  resume(): void {
    if (!this.isPaused || this.isClosed) return;
    this.isPaused = false;
    if (this.#layer?.isOwing === true) process.nextTick(deliverUnread, this.#layer);
    else if (this.#owesEnd) process.nextTick(deliverEnd, this);
    else if (!this.isConnecting) this.socket.read(0);
  }

  end(): void {
    if (this.#isEnding || this.isClosed) return;
    this.#isEnding = true;
    this.#finishWhenDrained();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.isConnecting || this.isWriteBroken) {
      this.#isDestroyed = true;
      this.socket.destroy();
      return;
    }
    this.#layer?.pushOwedEnd();
    const handle = handleOf(this.socket);
    if (handle !== null) dropReads(handle, () => this.#onLingerEnd());
    this.#closeTimer = this.#shared.wheel.timer(() => this.#onCloseTimeout());
    this.#closeTimer.set(CLOSE_TIMEOUT_MS);
    this.socket.on('finish', SOCKET_LISTENERS.finish);
    if (this.isPaused) this.socket.read(0); // To be thrown away, and to see FIN.
    if (this.socket.writableFinished) this.onFinish();
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#finishWhenDrained();
  }

  abort(): void {
    this.#destroy(Fault.aborted);
  }

  reset(): void {
    if (this.#isDestroyed) return;
    const socket = this.socket;
    if (this.isUnix || (this.isConnecting && !this.#isAccepted)) {
      this.#destroy(Fault.aborted);
    } else if (this.#isFinAsked && !socket.writableFinished) {
      // Everything is with the kernel, FIN follows in this turn; RST is refused until then.
      this.isClosed = true;
      if (this.#fault === Fault.none) this.#fault = Fault.aborted;
      if (!this.#isResetDeferred) socket.on('finish', SOCKET_LISTENERS.finish);
      this.#isResetDeferred = true;
    } else {
      this.isClosed = true;
      this.#isDestroyed = true;
      if (this.#fault === Fault.none) this.#fault = Fault.aborted;
      this.#resetSocket();
    }
  }

  /** The backend cannot connect: `onClose(fault)` follows. */
  fail(fault: Fault): void {
    this.#destroy(fault);
  }

  redirect(view: Uint8Array): boolean {
    // Each call adds a small listener to the handle until it closes: not more than a few.
    const handle = handleOf(this.socket);
    if (handle === null || this.#redirectCount >= 8) return false;
    this.#redirectCount++;
    handle.useUserBuffer(view);
    return true;
  }

  /** Bytes arrived in the buffer last given to the socket. Bytes after `close` are dropped. */
  receive(size: number): void {
    const { reads } = this.#shared;
    const layer = this.#layer;
    if (!this.isClosed) {
      const chunk = this.readChunk ?? reads.shared;
      const end = CHUNK_HEADROOM + size;
      if (layer === null || !layer.keepsBack) this.events.onReadable(chunk, CHUNK_HEADROOM, end);
      else if (!layer.keepUnread(chunk, CHUNK_HEADROOM, end)) this.#resetWithoutMemory();
    }
    if (layer === this.#layer) reads.afterRead(this, size);
  }

  /** The socket is established. */
  onConnect(): void {
    if (!this.isUnix) keepAlive(handleOf(this.socket));
    if (this.#layer === null) this.open();
    else this.#layer.start();
  }

  /** What can be written and read from now on are plain bytes. */
  open(): void {
    this.isConnecting = false;
    if (this.isClosed) return;
    this.events.onOpen();
    const layer = this.#layer;
    layer?.flush();
    if (layer !== null && this.#isEnding) this.#finishWhenDrained();
    if (this.isClosed) return;
    if (!this.isPaused) this.socket.read(0);
    else if (layer !== null) this.socket.pause();
  }

  /** TLS begins; on an accepted connection it has taken the place of the raw socket. */
  startTls(layer: TlsLayer): void {
    this.#layer = layer;
    this.socket = layer.socket;
    layer.socket.connection = this;
    this.isConnecting = true;
    this.isPaused = false;
  }

  /** Takes the handle away from the raw socket, which is nobody's then. Null: there is none. */
  takeHandle(): SocketHandle | null {
    if (this.isClosed || this.#isEnding || this.#layer !== null || this.isConnecting) return null;
    this.#shared.reads.drop(this);
    const raw = this.socket;
    raw.connection = null;
    return takeHandle(raw);
  }

  onEnd(): void {
    if (this.#hasPeerEnded || this.isClosed) return;
    this.#owesEnd = this.isPaused;
    if (this.isPaused) return;
    this.#hasPeerEnded = true;
    this.events.onEnd();
  }

  onError(error: NodeJS.ErrnoException): void {
    if (this.#fault !== Fault.none) return;
    const layer = this.#layer;
    if (layer !== null && layer.isShaking) this.#fault = layer.handshakeFault(error.code);
    else this.#fault = faultOfCode(error.code, this.isConnecting);
  }

  /**
   * A socket error; `destroy` asks before it acts.
   * @returns true when the socket is to stay for what may still be read, for a second at most
   */
  holdForReading(error: NodeJS.ErrnoException): boolean {
    if (this.isWriteBroken) return error.syscall === 'write' && !this.#isDestroyed;
    if (error.syscall !== 'write' || this.isClosed || this.#hasPeerEnded) return false;
    this.isWriteBroken = true;
    this.onError(error);
    this.#closeTimer = this.#shared.wheel.timer(() => this.#destroy(Fault.upstreamReset));
    this.#closeTimer.set(LINGER_TIMEOUT_MS);
    return true;
  }

  /** Our FIN is out, after `close` or a `reset` that had to wait for it. */
  onFinish(): void {
    if (this.#isDestroyed) return;
    if (this.#isResetDeferred) {
      this.#isDestroyed = true;
      this.#resetSocket();
    } else if (this.#hasPeerEnded) {
      this.#onLingerEnd();
    } else {
      this.#closeTimer?.set(LINGER_TIMEOUT_MS);
    }
  }

  /** The socket is gone: gives everything back and tells the owner, once. */
  finalize(): void {
    if (this.#isFinal) return;
    this.#isFinal = true;
    this.#isDestroyed = true;
    this.isClosed = true;
    this.#closeTimer?.clear();
    this.#shared.reads.drop(this);
    this.#layer?.drop();
    while (this.#queue !== null && this.#queue.count > 0) {
      this.#shared.slab.release(this.#queue.shift()!);
    }
    if (this.#isAccepted) this.#shared.acceptedCount--;
    else this.#shared.connectedCount--;
    this.events.onClose(this.#fault);
  }

  #destroy(fault: Fault): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.isClosed = true;
    if (this.#fault === Fault.none) this.#fault = fault;
    this.socket.destroy();
  }

  /** Holds `chunk`, one reference of which is taken over, until the kernel has its bytes. */
  #enqueue(chunk: SlabChunk): void {
    this.#queue ??= new Ring<SlabChunk>(Number.MAX_SAFE_INTEGER, 4);
    this.#queue.push(chunk);
    this.#owesWritable = true;
    if (this.#flushingCount === 0) this.#watchFlush();
  }

  #watchFlush(): void {
    this.#onFlushed ??= () => this.#flushed();
    this.#flushingCount = this.#queue!.count;
    this.socket.write(EMPTY, this.#onFlushed);
  }

  #flushed(): void {
    if (this.#isDestroyed || this.isWriteBroken) return; // `finalize` releases.
    const queue = this.#queue!;
    while (this.#flushingCount > 0) {
      this.#flushingCount--;
      this.#shared.slab.release(queue.shift()!);
    }
    if (queue.count > 0) {
      this.#watchFlush();
      return;
    }
    this.onDrained();
  }

  /** Nothing is queued any more. */
  onDrained(): void {
    if (this.#isEnding) this.#finishWhenDrained();
    const owes = this.#layer === null ? this.#owesWritable : this.#layer.settleWritable();
    this.#owesWritable = false;
    if (owes && !this.isClosed) this.events.onWritable();
  }

  #resetWithoutMemory(): void {
    this.#fault = Fault.memoryLimit;
    this.reset();
  }

  #resetSocket(): void {
    if (this.#layer === null) this.socket.resetAndDestroy();
    else this.#layer.socket.resetAndClose();
  }

  #finishWhenDrained(): void {
    const isIdle = this.#layer === null ? this.isDrained : this.#layer.isIdle;
    if (!isIdle || this.#isFinAsked || this.isWriteBroken) return;
    this.#isFinAsked = true;
    this.socket.end();
  }

  /** The peer has ended, or reset, while we close. */
  #onLingerEnd(): void {
    this.#hasPeerEnded = true;
    if (this.socket.writableFinished) this.#destroy(Fault.none);
  }

  #onCloseTimeout(): void {
    this.#destroy(this.socket.writableFinished ? Fault.none : Fault.aborted);
  }

  #readPeer(): void {
    if (this.isUnix) this.#peerPort = 0;
    const peer = this.isUnix ? null : peerOf(handleOf(this.socket));
    if (peer === null) return;
    this.#peerAddress = unmapped(peer.address);
    this.#peerPort = peer.port;
  }
}

function deliverEnd(connection: NodeConnection): void {
  connection.onEnd();
}

function deliverUnread(layer: TlsLayer): void {
  layer.deliverUnread();
}
