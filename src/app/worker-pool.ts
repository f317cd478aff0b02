/**
 * Worker pool: starts the data-plane threads, replaces one that dies alone, and carries messages.
 */

import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import type { FromWorker, InheritedSocket, ToWorker, WorkerStart } from '../contract/message.ts';
import { createMetricBuffer } from '../contract/metric-layout.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { Logger } from '../control/admin/logger.ts';
import type { LogFile } from '../control/admin/log-file.ts';
import { ACCESS_LOG_BUFFER_COUNT, ACCESS_LOG_BUFFER_SIZE } from '../data/record/access-log.ts';

/** Deaths of one worker within `CRASH_WINDOW_MS` after which the process gives up on itself. */
const CRASHES_MAX = 3;
const CRASH_WINDOW_MS = 60_000;
/**
 * An exchange leaves almost nothing alive, so a small nursery is enough: with Node's default a
 * worker under new connections held 50 MB more for the same CPU per request.
 */
const YOUNG_GENERATION_MB = 16;

export interface WorkerPoolOptions {
  readonly count: number;
  readonly sockets: readonly InheritedSocket[];
  readonly logger: Logger;
  readonly accessLog: LogFile | null;
  /** Every worker listens; ports by listener index. */
  readonly onListening: (ports: readonly number[]) => void;
  readonly onListenFailed: (listener: string, message: string) => void;
  readonly onDrained: () => void;
  /** Workers die too often; the process must be replaced as a whole. */
  readonly onHopeless: () => void;
}

interface Slot {
  worker: Worker;
  readonly buffer: SharedArrayBuffer;
  readonly logBuffers: readonly SharedArrayBuffer[];
  state: 'starting' | 'listening' | 'drained' | 'dead';
  /** Starts so far; picks the next descriptor of each inherited socket. */
  starts: number;
  crashes: number[];
}

export class WorkerPool {
  /** Workers replaced so far. */
  restarts = 0;
  private readonly options: WorkerPoolOptions;
  private readonly slots: Slot[] = [];
  private snapshot: Snapshot;
  private isStopping = false;

  constructor(options: WorkerPoolOptions, snapshot: Snapshot) {
    this.options = options;
    this.snapshot = snapshot;
  }

  start(): void {
    for (let index = 0; index < this.options.count; index++) {
      const logBuffers = Array.from(
        { length: this.options.accessLog === null ? 0 : ACCESS_LOG_BUFFER_COUNT },
        () => new SharedArrayBuffer(ACCESS_LOG_BUFFER_SIZE),
      );
      const buffer = createMetricBuffer();
      const slot: Slot = {
        worker: this.spawn(index, buffer, logBuffers, 0),
        buffer,
        logBuffers,
        state: 'starting',
        starts: 1,
        crashes: [],
      };
      this.slots.push(slot);
      this.listenTo(index, slot);
    }
  }

  get states(): { readonly id: string; readonly state: string }[] {
    return this.slots.map((slot, index) => ({ id: String(index), state: slot.state }));
  }

  /** Metric buffers by worker, in order. */
  get buffers(): readonly SharedArrayBuffer[] {
    return this.slots.map((slot) => slot.buffer);
  }

  publish(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.broadcast({ type: 'publish', snapshot });
  }

  /** Stops accepting and lets workers finish; `onDrained` follows. */
  drain(): void {
    this.isStopping = true;
    this.closeSpareSockets();
    this.broadcast({ type: 'drain' });
  }

  abort(): void {
    this.isStopping = true;
    this.broadcast({ type: 'abort' });
  }

  /** A listening socket is closed only when its last descriptor is. */
  private closeSpareSockets(): void {
    for (const socket of this.options.sockets) {
      for (const fd of socket.fds.slice(this.slots[socket.worker]!.starts)) closeSync(fd);
    }
  }

  private broadcast(message: ToWorker): void {
    for (const slot of this.slots) if (slot.state !== 'dead') slot.worker.postMessage(message);
  }

  private hasNoDescriptorLeft(index: number, slot: Slot): boolean {
    const sockets = this.options.sockets;
    return sockets.some((socket) => socket.worker === index && slot.starts >= socket.fds.length);
  }

  private spawn(
    index: number,
    metricBuffer: SharedArrayBuffer,
    accessLogBuffers: readonly SharedArrayBuffer[],
    starts: number,
  ): Worker {
    const listenerFds: { [name: string]: number } = {};
    for (const socket of this.options.sockets) {
      const fd = socket.worker === index ? socket.fds[starts] : undefined;
      if (fd !== undefined) listenerFds[socket.listener] = fd;
    }
    const start: WorkerStart = {
      index,
      workerCount: this.options.count,
      snapshot: this.snapshot,
      metricBuffer,
      accessLogBuffers,
      listenerFds,
    };
    const entry = new URL(
      import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
      import.meta.url,
    );
    return new Worker(entry, {
      workerData: start,
      name: `worker-${index}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
  }

  private listenTo(index: number, slot: Slot): void {
    const worker = slot.worker;
    worker.on('message', (message: FromWorker) => this.onMessage(slot, message));
    worker.on('error', (error: unknown) => {
      this.options.logger.error('a worker died', { worker: index, error: errorText(error) });
    });
    worker.on('exit', () => this.onExit(index, slot));
  }

  private onMessage(slot: Slot, message: FromWorker): void {
    const { logger } = this.options;
    switch (message.type) {
      case 'listening':
        slot.state = 'listening';
        if (this.slots.every((other) => other.state === 'listening')) {
          this.options.onListening(message.ports);
        }
        return;
      case 'listen-failed':
        this.options.onListenFailed(message.listener, message.message);
        return;
      case 'linked':
        logger.debug('a worker linked a snapshot', { generation: message.generation });
        return;
      case 'log-filled': {
        const { buffer, size } = message;
        const bytes = new Uint8Array(slot.logBuffers[buffer]!, 0, size);
        this.options.accessLog!.write(bytes, () => {
          slot.worker.postMessage({ type: 'log-written', buffer } satisfies ToWorker);
        });
        return;
      }
      case 'log':
        logger.log(message.level, message.message);
        return;
      case 'drained':
        slot.state = 'drained';
        if (this.slots.every((other) => other.state === 'drained' || other.state === 'dead')) {
          this.options.onDrained();
        }
    }
  }

  /** Replaces a dead worker alone, unless it dies again and again. */
  private onExit(index: number, slot: Slot): void {
    slot.state = 'dead';
    if (this.isStopping) {
      if (this.slots.every((other) => other.state === 'drained' || other.state === 'dead')) {
        this.options.onDrained();
      }
      return;
    }
    const nowMs = performance.now();
    slot.crashes = slot.crashes.filter((atMs) => nowMs - atMs < CRASH_WINDOW_MS);
    slot.crashes.push(nowMs);
    // A worker that bound for itself would share the address with an inherited socket that nobody
    // accepts from any more, and the kernel would go on sending connections there.
    if (slot.crashes.length > CRASHES_MAX || this.hasNoDescriptorLeft(index, slot)) {
      this.options.onHopeless();
      return;
    }
    this.restarts++;
    this.options.logger.warn('replacing a worker', { worker: index });
    slot.worker = this.spawn(index, slot.buffer, slot.logBuffers, slot.starts);
    slot.starts++;
    slot.state = 'starting';
    this.listenTo(index, slot);
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
