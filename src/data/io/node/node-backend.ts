/**
 * The `node` backend: the IO contract on `node:net`.
 *
 * One per worker. It owns the slab, the shared read buffer and the timer wheel. What it takes from
 * Node's inside, and the measurements behind it: docs/decisions/0004-node-backend.md.
 */

import { isIP } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';
import { performance } from 'node:perf_hooks';

import { TimerWheel } from '../../../base/timer-wheel.ts';
import { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type {
  Chunk,
  ClientTls,
  ClientTlsOptions,
  Connection,
  ConnectTarget,
  ConnectionEvents,
  IoBackend,
  ListenEvents,
  Listening,
  ListenTarget,
  ServerTlsOptions,
  Timer,
  TlsContext,
} from '../backend.ts';
import { REGION_SIZE, Slab } from '../slab.ts';
import { NameResolver } from './name-resolver.ts';
import { NodeConnection } from './node-connection.ts';
import type { ConnectionShared } from './node-connection.ts';
import { NodeListening } from './node-listening.ts';
import { ProxySocket, SOCKET_LISTENERS } from './proxy-socket.ts';
import { ReadBuffers } from './read-buffers.ts';
import type { SocketHandle } from './socket-handle.ts';
import {
  NodeClientContext,
  NodeServerContext,
  clientContext,
  serverContext,
  ticketName,
} from './tls-context.ts';
import { TlsLayer, alpnOf, clientSocket, serverSocket } from './tls-layer.ts';
import type { ProxyTlsSocket } from './tls-socket.ts';

const SWEEP_INTERVAL_MS = 10_000;
/**
 * Part of the slab that only answers may use, in whole regions: with all the rest taken by
 * requests, some thousand answers of a few KB can be on their way. A tiny slab has none.
 */
const RESERVE_SHARE = 1 / 8;
/**
 * Most time that one turn of the event loop counts for in timers. A stopped process, or a paused
 * machine, has read nothing meanwhile; without this, everything would be overdue when it goes on.
 */
const TURN_MAX_MS = 500;
/** Node would announce `drain` for every write above its mark; the contract needs none of them. */
const WRITE_HIGH_WATER = 0x4000_0000;

export interface NodeBackendOptions {
  /** Most bytes of slab memory. */
  readonly memoryMax: number;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Most accepted connections at a time, those on their way out included; unlimited by default. */
  readonly acceptedMax?: number;
  /** Most outgoing connections at a time: what is left of the descriptors; unlimited by default. */
  readonly connectedMax?: number;
  /** Let several workers bind the same address. */
  readonly reusePort?: boolean;
  /** Most private read chunks, 64 KiB each, reserved for bulk transfers. */
  readonly bulkMax?: number;
  /** See `Slab`: finds leaks and use after release, for tests. */
  readonly isDebug?: boolean;
  readonly hostsPath?: string;
}

type SocketOptions = Omit<SocketConstructorOpts, 'handle'> & {
  handle?: SocketHandle;
  manualStart?: boolean;
  noDelay?: boolean;
  writableHighWaterMark?: number;
};

export class NodeBackend implements IoBackend {
  readonly name = 'node';
  readonly chunks: Slab;
  readonly reads: ReadBuffers;
  /** Connections from clients that were lost for want of descriptors. */
  turnedAwayCount = 0;
  /** Offset of the bytes in the chunk last returned by `keep`. */
  keptStart = 0;

  readonly #wheel: TimerWheel;
  readonly #shared: ConnectionShared;
  readonly #options: NodeBackendOptions;
  readonly #resolver: NameResolver;
  readonly #onread: NonNullable<SocketConstructorOpts['onread']>;
  readonly #sweepInterval: NodeJS.Timeout;
  readonly #tlsLayers = new Set<TlsLayer>();
  readonly #acceptedMax: number;
  readonly #connectedMax: number;
  #wheelInterval: NodeJS.Timeout | null = null;

  constructor(options: NodeBackendOptions) {
    this.#options = options;
    this.chunks = new Slab({
      allocate: (size) => Buffer.allocUnsafeSlow(size),
      free: (memory) => void (memory.buffer as ArrayBuffer).transfer(0),
      memoryMax: options.memoryMax,
      reserveSize: reserveSize(options.memoryMax),
      isDebug: options.isDebug ?? false,
    });
    this.reads = new ReadBuffers({ slab: this.chunks, nowMs, bulkMax: options.bulkMax ?? 64 });
    this.#acceptedMax = options.acceptedMax ?? Infinity;
    this.#connectedMax = options.connectedMax ?? Infinity;
    const onWake = (): void => this.#wakeWheel();
    this.#wheel = new TimerWheel({ nowMs, onWake, turnMaxMs: TURN_MAX_MS });
    const wheel = this.#wheel;
    this.#shared = {
      slab: this.chunks,
      reads: this.reads,
      wheel,
      acceptedCount: 0,
      connectedCount: 0,
    };
    const { hostsPath } = options;
    this.#resolver = new NameResolver(hostsPath === undefined ? { nowMs } : { nowMs, hostsPath });
    this.#onread = { buffer: this.#bufferSource(), callback: SOCKET_LISTENERS.read };
    this.#sweepInterval = setInterval(() => this.sweep(), SWEEP_INTERVAL_MS).unref();
  }

  /** Accepted connections that are open in the kernel, those that linger included. */
  get acceptedCount(): number {
    return this.#shared.acceptedCount;
  }

  /** Changes `memoryMax`, for a reload; see `Slab.setMemoryMax`. */
  setMemoryMax(memoryMax: number): void {
    this.chunks.setMemoryMax(memoryMax, reserveSize(memoryMax));
  }

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return this.#options.wallMs();
  }

  random(): number {
    return this.#options.random();
  }

  timer(onTimer: () => void): Timer {
    return this.#wheel.timer(onTimer);
  }

  defer(task: () => void): void {
    process.nextTick(task);
  }

  listen(target: ListenTarget, events: ListenEvents): Listening {
    return new NodeListening({
      target,
      events,
      reusePort: this.#options.reusePort ?? false,
      accept: (handle, isUnix) => this.#accept(handle, isUnix),
      hasRoom: () => this.#shared.acceptedCount < this.#acceptedMax,
      onTurnedAway: () => void this.turnedAwayCount++,
    });
  }

  get canConnect(): boolean {
    return this.#shared.connectedCount < this.#connectedMax;
  }

  connect(target: ConnectTarget, events: ConnectionEvents): Connection {
    const hasRoom = this.canConnect;
    this.reads.prepareFirst();
    const isUnix = target.kind === 'unix';
    const isGone = (target.tls?.context as NodeClientContext | undefined)?.hold.isGone === true;
    const tls = isGone ? null : (target.tls ?? null);
    const socket: ProxySocket | ProxyTlsSocket =
      tls === null
        ? new ProxySocket(this.#socketOptions({ noDelay: true }))
        : clientSocket(tls, isUnix, this.#onread);
    const connection = new NodeConnection(this.#shared, socket, events, {
      isAccepted: false,
      isUnix,
    });
    if (tls !== null) this.#startClient(connection, socket as ProxyTlsSocket, tls, target);
    socket.on('connect', SOCKET_LISTENERS.connect);
    try {
      if (!hasRoom) {
        connection.fail(Fault.socketLimit);
      } else if (isGone) {
        connection.fail(Fault.upstreamTlsFailed);
      } else if (isUnix) {
        socket.connect({ path: target.host });
      } else if (isIP(target.host) !== 0) {
        socket.connect({ host: target.host, port: target.port });
      } else {
        connection.fail(Fault.nameNotResolved); // Names are for `resolve`.
      }
    } catch {
      connection.fail(Fault.connectFailed); // A path or port no socket can have.
    }
    return connection;
  }

  resolve(host: string, done: (addresses: readonly string[]) => void): void {
    this.#resolver.resolve(host, done);
  }

  serverTls(options: ServerTlsOptions): TlsContext | string {
    return serverContext(options);
  }

  clientTls(options: ClientTlsOptions): TlsContext | string {
    return clientContext(options);
  }

  ticketName(secret: Uint8Array, scope: string): Uint8Array {
    return ticketName(secret, scope);
  }

  secure(
    connection: Connection,
    context: TlsContext,
    alpn: readonly string[],
    hello: { readonly chunk: Chunk; readonly start: number; readonly end: number },
  ): void {
    const own = connection as NodeConnection;
    const server = context as NodeServerContext;
    if (server.hold.isGone) {
      own.fail(Fault.tlsHandshakeFailed);
      return;
    }
    const handle = own.takeHandle();
    if (handle === null) return;
    this.reads.prepareFirst();
    const socket = serverSocket(server, alpnOf(alpn), handle, this.#onread);
    own.startTls(
      new TlsLayer({
        socket,
        context: server,
        serverName: '',
        sessionKey: '',
        slab: this.chunks,
        owner: own,
        layers: this.#tlsLayers,
      }),
    );
    socket.tlsHandle?.receive(hello.chunk.bytes.subarray(hello.start, hello.end));
  }

  keep(chunk: Chunk, start: number, end: number): Chunk | null {
    if (!chunk.isShared) {
      this.chunks.retain(chunk);
      this.keptStart = start;
      return chunk;
    }
    const size = end - start;
    const copy = this.chunks.acquire(size) ?? this.chunks.acquireSlot(size);
    if (copy === null) return null;
    this.keptStart = copy.bytes.byteLength - size >= CHUNK_HEADROOM ? CHUNK_HEADROOM : 0;
    (chunk.bytes as Buffer).copy(copy.bytes, this.keptStart, start, end);
    return copy;
  }

  /** Memory is short (or not any more): keeps none that is not in use. */
  setMemoryShort(isShort: boolean): void {
    this.reads.isShared = isShort;
    if (isShort) this.chunks.trimAll();
  }

  /** Gives memory back that is not needed, and ends those who make too much of it be held. */
  sweep(): void {
    this.chunks.trim();
    for (const layer of this.#tlsLayers) layer.closeIfFlooded();
  }

  /** Timers that are armed now. */
  get timerCount(): number {
    return this.#wheel.linkedCount;
  }

  /** Stops the backend's own timers. Connections and listening sockets are their owners'. */
  close(): void {
    this.#resolver.close();
    clearInterval(this.#sweepInterval);
    if (this.#wheelInterval !== null) clearInterval(this.#wheelInterval);
    this.#wheelInterval = null;
  }

  #accept(handle: SocketHandle, isUnix: boolean): NodeConnection {
    this.reads.prepareFirst();
    const socket = new ProxySocket(this.#socketOptions({ handle, manualStart: true }));
    return new NodeConnection(this.#shared, socket, NO_EVENTS, { isAccepted: true, isUnix });
  }

  #startClient(
    connection: NodeConnection,
    socket: ProxyTlsSocket,
    tls: ClientTls,
    target: ConnectTarget,
  ): void {
    const layer = new TlsLayer({
      socket,
      context: tls.context as NodeClientContext,
      serverName: tls.serverName,
      sessionKey: [target.kind, target.host, target.port, tls.serverName, ...tls.alpn].join(' '),
      slab: this.chunks,
      owner: connection,
      layers: this.#tlsLayers,
    });
    connection.startTls(layer);
    layer.prepareClient();
  }

  #socketOptions(own: SocketOptions): SocketConstructorOpts {
    own.allowHalfOpen = true;
    own.onread = this.#onread;
    own.writableHighWaterMark = WRITE_HIGH_WATER;
    return own as unknown as SocketConstructorOpts;
  }

  /** Node's question for the next read buffer; undefined keeps the last one. */
  #bufferSource(): () => Uint8Array {
    const reads = this.reads;
    return () => {
      const next = reads.next;
      reads.next = undefined;
      return next as Uint8Array;
    };
  }

  #wakeWheel(): void {
    if (this.#wheelInterval !== null) return;
    const wheel = this.#wheel;
    const turn = (): void => {
      if (this.#wheelInterval !== interval) return;
      wheel.advance(performance.now());
      if (wheel.linkedCount > 0 || this.#wheelInterval !== interval) return;
      clearInterval(interval);
      this.#wheelInterval = null;
    };
    // What has arrived is read before the wheel turns: an immediate runs after the poll phase. So
    // nothing is overdue only because this thread did not come to read it.
    const interval = setInterval(() => setImmediate(turn).unref(), wheel.resolutionMs);
    this.#wheelInterval = interval.unref();
  }
}

function reserveSize(memoryMax: number): number {
  return Math.floor((memoryMax * RESERVE_SHARE) / REGION_SIZE) * REGION_SIZE;
}

/** Milliseconds on the monotonic clock. */
function nowMs(): number {
  return performance.now();
}

const NO_EVENTS: ConnectionEvents = {
  onOpen() {},
  onReadable() {},
  onWritable() {},
  onEnd() {},
  onClose() {},
};
