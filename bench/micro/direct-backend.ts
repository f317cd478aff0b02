/**
 * A backend without a kernel and without a simulation: bytes are handed over by calls, so that
 * what is measured on it is the cost of the data plane alone.
 *
 * Timers never fire, the clock stands still until it is moved, writes are taken at once.
 */

import type {
  Chunk,
  Connection,
  ConnectionEvents,
  ConnectTarget,
  IoBackend,
  ListenEvents,
  Listening,
  ListenTarget,
  Timer,
} from '../../src/data/io/backend.ts';
import { CHUNK_HEADROOM } from '../../src/data/io/backend.ts';
import { Slab } from '../../src/data/io/slab.ts';
import type { SlabChunk } from '../../src/data/io/slab.ts';

export class DirectConnection implements Connection {
  events: ConnectionEvents;
  readonly peerAddress = '192.0.2.1';
  readonly peerPort = 50_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 8_080;
  readonly isDrained = true;
  readonly tls = null;
  isClosed = false;
  /** Bytes written so far. */
  writtenSize = 0;
  /** The last byte written; 0 before. */
  lastByte = 0;

  constructor(events: ConnectionEvents) {
    this.events = events;
  }

  get takenSize(): number {
    return this.writtenSize;
  }

  write(chunk: Chunk, start: number, end: number): boolean {
    this.writtenSize += end - start;
    this.lastByte = chunk.bytes[end - 1]!;
    return true;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}

  close(): void {
    this.isClosed = true;
  }

  abort(): void {
    this.isClosed = true;
  }

  reset(): void {
    this.isClosed = true;
  }
}

class DirectTimer implements Timer {
  isSet = false;
  readonly remainingMs = 0;

  set(_delayMs: number): void {
    this.isSet = true;
  }

  clear(): void {
    this.isSet = false;
  }
}

export class DirectBackend implements IoBackend {
  readonly name = 'sim';
  readonly canConnect = true;
  readonly chunks = new Slab({
    allocate: (size) => Buffer.allocUnsafeSlow(size),
    memoryMax: 67_108_864,
  });
  keptStart = 0;
  /** Outgoing connections, in order. */
  readonly connections: DirectConnection[] = [];
  #listener: ListenEvents | null = null;
  #clockMs = 0;
  readonly #deferred: (() => void)[] = [];
  readonly #shared: SlabChunk = this.chunks.sharedChunk();

  nowMs(): number {
    return this.#clockMs;
  }

  wallMs(): number {
    return 1_800_000_000_000 + this.#clockMs;
  }

  random(): number {
    return 0.5;
  }

  timer(_onTimer: () => void): Timer {
    return new DirectTimer();
  }

  defer(task: () => void): void {
    this.#deferred.push(task);
  }

  listen(target: ListenTarget, events: ListenEvents): Listening {
    this.#listener = events;
    this.defer(() => events.onListening());
    return { port: target.port, pause() {}, resume() {}, close() {} };
  }

  connect(_target: ConnectTarget, events: ConnectionEvents): Connection {
    const connection = new DirectConnection(events);
    this.connections.push(connection);
    this.defer(() => connection.events.onOpen());
    return connection;
  }

  serverTls(): string {
    return 'there is no TLS here';
  }

  clientTls(): string {
    return 'there is no TLS here';
  }

  ticketName(): Uint8Array {
    return new Uint8Array(16);
  }

  secure(): void {}

  resolve(host: string, done: (addresses: readonly string[]) => void): void {
    this.defer(() => done([host]));
  }

  keep(chunk: Chunk, start: number, end: number): Chunk | null {
    const copy = this.chunks.acquire(end - start);
    if (copy === null) return null;
    copy.bytes.set(chunk.bytes.subarray(start, end), CHUNK_HEADROOM);
    this.keptStart = CHUNK_HEADROOM;
    return copy;
  }

  // The world's side.

  /** A client connects. */
  accept(): DirectConnection {
    const connection = new DirectConnection(IGNORED);
    this.#listener!.onAccept(connection);
    return connection;
  }

  /** `bytes` arrive, as with the `node` backend: in a read buffer that all connections share. */
  deliver(connection: DirectConnection, bytes: Uint8Array): void {
    this.#shared.bytes.set(bytes, CHUNK_HEADROOM);
    connection.events.onReadable(this.#shared, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.length);
    if (this.#deferred.length > 0) this.runDeferred();
  }

  runDeferred(): void {
    for (let task = this.#deferred.shift(); task !== undefined; task = this.#deferred.shift()) {
      task();
    }
  }
}

const IGNORED: ConnectionEvents = {
  onOpen() {},
  onReadable() {},
  onWritable() {},
  onEnd() {},
  onClose() {},
};
