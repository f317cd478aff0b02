/**
 * One end of a simulated connection. The other end is another `SimConnection`; each owns what it
 * sends until the other has taken it.
 *
 * M1  bytes arrive in order, cut and delayed by the seed; at most `windowSize` of them are under
 *     way or unread, the rest queues at the sender.
 * M2  every callback is an event of its own, so none comes from inside a method (B2).
 * M3  the shared read chunk is overwritten after each callback, so that use past it shows.
 */

import { Ring } from '../../../base/ring.ts';
import { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type { Chunk, Connection, ConnectionEvents, TlsInfo } from '../backend.ts';
import { READ_SIZE_MAX } from '../slab.ts';
import type { Slab, SlabChunk } from '../slab.ts';
import { takeArrived } from './sim-inbox.ts';
import { SimAlert, SimTls, answerTo, readAnswer, readHello } from './sim-tls.ts';
import type { SimServerContext } from './sim-tls.ts';
import type { SimWorld } from './sim-world.ts';

const CLOSE_TIMEOUT_MS = 5_000;
const LINGER_TIMEOUT_MS = 1_000;

/** Where one end's memory comes from: the product's ends and the scripted ones keep apart. */
export interface SimMemory {
  readonly slab: Slab;
  readonly shared: SlabChunk;
}

export interface SimAddress {
  readonly address: string;
  readonly port: number;
}

interface Queued {
  readonly chunk: SlabChunk;
  start: number;
  readonly end: number;
}

export class SimConnection implements Connection {
  events: ConnectionEvents;
  isClosed = false;
  isOpen = false;
  /** Segments to and from here vanish without a trace. */
  isCut = false;
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  peer: SimConnection | null = null;

  readonly #world: SimWorld;
  readonly #memory: SimMemory;
  // Sending.
  readonly #queue = new Ring<Queued>(Number.MAX_SAFE_INTEGER);
  #takenSize = 0;
  #underWaySize = 0;
  #lastArrivalMs = 0;
  #owesWritable = false;
  #isEnding = false;
  #isFinSent = false;
  // Receiving.
  #inbox: Uint8Array[] = [];
  #isPaused: boolean;
  #isPumping = false;
  #hasFinArrived = false;
  #hasEnded = false;
  #isGone = false;
  #isLost = false;
  /** Null: without TLS. */
  #tls: SimTls | null = null;

  constructor(
    world: SimWorld,
    memory: SimMemory,
    ends: { readonly local: SimAddress; readonly peer: SimAddress; readonly isAccepted: boolean },
    events: ConnectionEvents,
  ) {
    this.#world = world;
    this.#memory = memory;
    this.localAddress = ends.local.address;
    this.localPort = ends.local.port;
    this.peerAddress = ends.peer.address;
    this.peerPort = ends.peer.port;
    this.#isPaused = ends.isAccepted;
    this.events = events;
  }

  get tls(): TlsInfo | null {
    return this.#tls === null ? null : this.#tls.info;
  }

  /** TLS has begun and not ended in an agreement. */
  get #isShaking(): boolean {
    return this.#tls !== null && this.#tls.info === null;
  }

  get isDrained(): boolean {
    return this.#queue.count === 0;
  }

  get takenSize(): number {
    return this.#takenSize;
  }

  write(chunk: Chunk, start: number, end: number): boolean {
    if (this.isClosed || this.#isEnding) return false;
    if (start >= end) return !this.#owesWritable;
    const { slab } = this.#memory;
    const own = chunk as SlabChunk;
    const taken = this.#queue.count > 0 ? 0 : this.#transmit(own, start, end);
    if (start + taken === end) return true;
    this.#owesWritable = true;
    const rest = end - start - taken;
    if (own.isShared) {
      const copy = slab.acquireSlot(rest);
      if (copy === null) {
        this.#sendReset();
        this.lose(Fault.memoryLimit);
        return false;
      }
      copy.bytes.set(own.bytes.subarray(start + taken, end));
      this.#queue.push({ chunk: copy, start: 0, end: rest });
    } else {
      slab.retain(own);
      this.#queue.push({ chunk: own, start: start + taken, end });
    }
    this.#world.at(this.#world.nowMs + this.#world.latencyMs(), () => this.#flush());
    return false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#pump();
  }

  end(): void {
    if (this.#isEnding || this.isClosed) return;
    this.#isEnding = true;
    this.#sendFinWhenDrained();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#isPaused = false;
    if (!this.isOpen || this.#isShaking) {
      if (this.isOpen) this.#sendFin();
      this.#world.soon(() => this.#finish(Fault.none));
      return;
    }
    this.#isEnding = true;
    this.#sendFinWhenDrained();
    this.#pump();
    this.#world.at(this.#world.nowMs + CLOSE_TIMEOUT_MS, () => {
      if (!this.#isGone) this.#vanish(this.#isFinSent ? Fault.none : Fault.aborted);
    });
  }

  abort(): void {
    if (this.#isGone || this.#isLost) return;
    this.#dropQueue();
    if (this.#inbox.length > 0 || !this.isOpen) this.#sendReset();
    else this.#sendFin();
    this.lose(Fault.aborted);
  }

  reset(): void {
    if (this.#isGone || this.#isLost) return;
    this.#sendReset();
    this.lose(Fault.aborted);
  }

  /** This end is gone at once, without a word to the other; `onClose(fault)` follows. */
  lose(fault: Fault): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.isClosed = true;
    this.#dropQueue();
    this.#world.soon(() => this.#finish(fault));
  }

  /** Pairs an accepted end with its connecting one. */
  pair(peer: SimConnection): void {
    this.peer = peer;
    peer.peer = this;
    this.isOpen = true;
  }

  /** The handshake is complete. */
  open(): void {
    if (this.#isGone || this.#isLost) return;
    this.isOpen = true;
    if (this.#tls !== null) this.#sendBytes(this.#tls.hello);
    else this.#begin();
  }

  /** An outgoing connection that is not open yet is going to be one with TLS. */
  startTls(tls: SimTls): void {
    this.#tls = tls;
  }

  /** See `IoBackend.secure`. */
  secure(
    context: SimServerContext,
    alpn: readonly string[],
    hello: Uint8Array,
    handshakeMs: number,
  ): void {
    if (this.isClosed || this.#tls !== null || this.#isEnding) return;
    const tls = new SimTls(true, hello, Fault.none);
    this.#tls = tls;
    this.#isPaused = false;
    const answer = answerTo(readHello(hello), context.clientAuth, alpn);
    this.#world.at(this.#world.nowMs + handshakeMs, () => {
      if (this.#isGone || this.#isLost) return;
      this.#sendBytes(answer.bytes);
      if (answer.info === null) {
        const isRefused = answer.alert === SimAlert.certificateRequired;
        this.#failHandshake(isRefused ? Fault.tlsClientRefused : Fault.tlsHandshakeFailed);
        return;
      }
      tls.info = answer.info;
      this.#begin();
    });
    this.#pump();
  }

  #begin(): void {
    if (!this.isClosed) this.events.onOpen();
    this.#flush();
    this.#pump();
  }

  #failHandshake(fault: Fault): void {
    if (!this.isClosed) this.#sendFin();
    this.lose(fault);
  }

  /** Bytes of a handshake, or its end, have arrived. */
  #shake(tls: SimTls): void {
    const failed = tls.isServer ? Fault.tlsHandshakeFailed : Fault.upstreamTlsFailed;
    if (this.#inbox.length === 0 && this.#hasFinArrived) this.#failHandshake(failed);
    if (tls.isServer || this.#inbox.length === 0) return;
    for (const bytes of this.#inbox.splice(0)) {
      tls.add(bytes);
      this.peer!.#acknowledge(bytes.length);
    }
    const reply = readAnswer(tls.received);
    if (reply.kind === 'failed') this.#failHandshake(failed);
    if (reply.kind !== 'open') return;
    if (tls.verdict !== Fault.none) {
      this.#failHandshake(tls.verdict);
      return;
    }
    tls.info = reply.info;
    const rest = tls.received.subarray(reply.size);
    if (rest.length > 0) {
      this.#inbox.unshift(rest);
      this.peer!.#acknowledge(-rest.length);
    }
    this.#begin();
  }

  // Arrivals, each an event of its own.

  #arrive(bytes: Uint8Array): void {
    if (this.#isGone) {
      this.#sendReset(); // As a kernel does for a socket that is closed.
      return;
    }
    this.#inbox.push(bytes);
    this.#pump();
  }

  #arriveFin(): void {
    this.#hasFinArrived = true;
    this.#pump();
  }

  #arriveReset(): void {
    if (this.#isGone || this.#isLost) return;
    this.#inbox = [];
    this.#isLost = true;
    const fault = this.#tls?.isServer ? Fault.tlsHandshakeFailed : Fault.upstreamTlsFailed;
    this.#finish(this.#isShaking ? fault : Fault.upstreamReset);
  }

  #pump(): void {
    if (this.#isPumping || this.#isGone || !this.isOpen) return;
    if (this.#isPaused && !this.isClosed && !this.#isShaking) return;
    if (this.#inbox.length === 0 && (!this.#hasFinArrived || this.#hasEnded)) return;
    this.#isPumping = true;
    this.#world.soon(() => {
      this.#isPumping = false;
      if (this.#isShaking && !this.#isGone && !this.isClosed) {
        this.#shake(this.#tls!);
        return;
      }
      if (this.#isGone || (this.#isPaused && !this.isClosed)) return;
      if (this.#inbox.length > 0) this.#deliver();
      else this.#deliverEnd();
      this.#pump();
    });
  }

  #deliver(): void {
    const { prng, network } = this.#world;
    const { slab, shared } = this.#memory;
    const arrived = this.#inbox.reduce((sum, bytes) => sum + bytes.byteLength, 0);
    let size = Math.min(arrived, READ_SIZE_MAX);
    if (prng.chance(network.splitChance)) size = prng.integer(1, size);
    const sender = this.peer!;
    this.#world.at(this.#world.nowMs + this.#world.latencyMs(), () => sender.#acknowledge(size));
    const own = this.isClosed || prng.chance(network.sharedChance) ? null : slab.acquire(size);
    const chunk = own ?? shared;
    takeArrived(this.#inbox, chunk.bytes, size);
    if (!this.isClosed) this.events.onReadable(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + size);
    if (own === null) shared.bytes.fill(0xa5);
    else slab.release(own);
  }

  #deliverEnd(): void {
    if (!this.#hasFinArrived || this.#hasEnded) return;
    this.#hasEnded = true;
    if (!this.isClosed) this.events.onEnd();
    this.#finishWhenBothEnded();
  }

  // Sending.

  /** Gives the network what fits. @returns bytes taken */
  #transmit(chunk: SlabChunk, start: number, end: number): number {
    const { prng, network } = this.#world;
    if (!this.isOpen || this.#isShaking) return 0;
    let taken = Math.min(end - start, network.windowSize - this.#underWaySize);
    if (taken > 0 && prng.chance(network.partialWriteChance)) taken = prng.integer(0, taken);
    for (let at = start; at < start + taken;) {
      let size = start + taken - at;
      if (prng.chance(network.splitChance)) size = prng.integer(1, size);
      const bytes = Uint8Array.from(chunk.bytes.subarray(at, at + size));
      this.#send((peer) => peer.#arrive(bytes));
      at += size;
    }
    this.#underWaySize += taken;
    this.#takenSize += taken;
    return taken;
  }

  #acknowledge(size: number): void {
    this.#underWaySize -= size;
    // Not for every few bytes: a window that opens a little makes ever smaller segments.
    if (this.#underWaySize <= this.#world.network.windowSize / 2) this.#flush();
  }

  #flush(): void {
    if (this.#isGone || this.#isLost) return;
    for (let item = this.#queue.peek(); item !== undefined; item = this.#queue.peek()) {
      const taken = this.#transmit(item.chunk, item.start, item.end);
      item.start += taken;
      if (item.start < item.end) {
        const { windowSize } = this.#world.network;
        if (!this.isOpen || this.#isShaking || this.#underWaySize >= windowSize) return;
        this.#world.at(this.#world.nowMs + this.#world.latencyMs(), () => this.#flush());
        return;
      }
      this.#queue.shift();
      this.#memory.slab.release(item.chunk);
    }
    this.#sendFinWhenDrained();
    if (!this.#owesWritable) return;
    this.#owesWritable = false;
    if (!this.isClosed) this.events.onWritable();
  }

  #sendFinWhenDrained(): void {
    if (!this.#isEnding || this.#isFinSent || !this.isOpen || this.#queue.count > 0) return;
    if (this.#isShaking) return;
    this.#sendFin();
    this.#finishWhenBothEnded();
    if (!this.isClosed) return;
    this.#world.at(this.#world.nowMs + LINGER_TIMEOUT_MS, () => {
      if (!this.#isGone) this.#vanish(Fault.none);
    });
  }

  /** Bytes of the handshake, which nobody has written. */
  #sendBytes(bytes: Uint8Array): void {
    this.#underWaySize += bytes.length;
    this.#send((peer) => peer.#arrive(bytes));
  }

  #sendFin(): void {
    if (this.#isFinSent) return;
    this.#isFinSent = true;
    this.#send((peer) => peer.#arriveFin());
  }

  #sendReset(): void {
    this.#send((peer) => peer.#arriveReset());
  }

  /** Schedules an arrival at the other end, behind everything sent before. */
  #send(arrival: (peer: SimConnection) => void): void {
    const world = this.#world;
    const peer = this.peer;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, world.nowMs + world.latencyMs());
    if (peer === null || this.isCut || peer.isCut) return;
    world.at(this.#lastArrivalMs, () => {
      if (!this.isCut && !peer.isCut) arrival(peer);
    });
  }

  // Ending.

  #finishWhenBothEnded(): void {
    if (!this.#isFinSent || !this.#hasEnded || this.#isLost) return;
    this.#isLost = true;
    this.#world.soon(() => this.#finish(Fault.none));
  }

  /** The end of a `close`: with unread bytes the kernel sends RST. */
  #vanish(fault: Fault): void {
    if (this.#inbox.length > 0 || !this.#isFinSent) this.#sendReset();
    this.lose(fault);
  }

  #finish(fault: Fault): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.isClosed = true;
    this.#dropQueue();
    this.#inbox = [];
    this.events.onClose(fault);
  }

  #dropQueue(): void {
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      this.#memory.slab.release(item.chunk);
    }
  }
}
