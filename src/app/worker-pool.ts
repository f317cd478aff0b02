/**
 * Worker pool: the data-plane threads of a proxy process. Publishes snapshots to them, replaces
 * one that dies or throws alone, and carries messages.
 *
 * Q1  every worker index has one thread that new connections reach, or one that is on its way to
 *     that; a thread that threw serves on until its successor listens.
 * Q2  two threads never write to one metric buffer: a successor of a thread that still runs gets
 *     another one, and counters of both go on.
 * Q3  a snapshot is posted to all threads or to none: descriptors for its new addresses are there
 *     before the first one hears of it.
 */

import type { EndpointHealth, OutlierReport } from '../contract/health.ts';
import type { ToWorker, WorkerStart } from '../contract/message.ts';
import { createMetricBuffer, resetGauges } from '../contract/metric-layout.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { SnapshotUpdate } from '../contract/snapshot-update.ts';
import type { Logger } from '../control/admin/logger.ts';
import type { SocketSource } from './broker-client.ts';
import { addressKey, listenerAddress } from './socket-address.ts';
import { WorkerThread } from './worker-thread.ts';
import type {
  Bound,
  ThreadEvents,
  ThreadPort,
  ThreadState,
  WorkerThreadOptions,
} from './worker-thread.ts';
import { LOOK_INTERVAL_MS, WorkerWatch } from './worker-watch.ts';

/** Failures of one worker within `CRASH_WINDOW_MS` after which it is not replaced any more. */
const CRASHES_MAX = 3;
const CRASH_WINDOW_MS = 60_000;
/** A worker that has not linked a snapshot by then is not waited for any longer. */
const LINK_MAX_MS = 30_000;
/** What an aborted thread gets to end by itself. */
const ABORT_MAX_MS = 1_000;

export interface WorkerPoolOptions {
  readonly count: number;
  readonly sockets: SocketSource;
  readonly logger: Logger;
  /** Endpoints that are not simply up, for a thread that starts now. */
  readonly health: () => readonly EndpointHealth[];
  /** What a thread that starts now has to know about TLS. */
  readonly tls: WorkerThreadOptions['tls'];
  /** How long a replaced thread may take to finish what it serves. */
  readonly drainTimeoutMs: () => number;
  /** Every worker listens, for the first time; ports by listener name. */
  readonly onListening: (ports: { readonly [listener: string]: number }) => void;
  readonly onListenFailed: (listener: string, message: string) => void;
  readonly onOutlier: (report: OutlierReport) => void;
  /** A thread has acknowledged challenges, or ended. */
  readonly onChallenged: () => void;
  readonly onCertificateWanted: (name: string, peerAddress: string) => void;
  /** Lines for the access log; `done` gives `bytes` back. */
  readonly onLogFilled: (bytes: Uint8Array, done: () => void) => void;
  /** After `drain` or `abort`: no thread serves any more. */
  readonly onDrained: () => void;
  /** Workers die too often; the process must be replaced as a whole. */
  readonly onHopeless: () => void;
  /** For tests. */
  readonly spawn?: (start: WorkerStart) => ThreadPort;
}

export interface WorkerState {
  readonly id: string;
  readonly state: ThreadState;
  /** Generation that it routes by. */
  readonly generation: number;
}

/** A metric buffer with the worker it belongs to. */
export interface WorkerMetrics {
  readonly id: string;
  readonly cells: Float64Array;
  /** Counters of threads that have ended: they count on in sums, its gauges are 0. */
  readonly isRetired: boolean;
}

interface Slot {
  readonly index: number;
  /** The one that new connections reach. */
  thread: WorkerThread;
  /** Takes over from `thread` when it listens. */
  successor: WorkerThread | null;
  /** Threads that finish what they have. */
  readonly retiring: Set<WorkerThread>;
  readonly buffers: SharedArrayBuffer[];
  crashes: number[];
  hasGivenUp: boolean;
}

interface Publication {
  readonly generation: number;
  readonly done: () => void;
}

export class WorkerPool {
  /** Workers replaced so far. */
  restarts = 0;
  private readonly options: WorkerPoolOptions;
  private readonly slots: Slot[] = [];
  private readonly events: ThreadEvents;
  private readonly watch = new WorkerWatch<WorkerThread>();
  private publications: Publication[] = [];
  private snapshot: Snapshot;
  /** What is being published. */
  private upcoming: Snapshot | null = null;
  private hasListened = false;
  private isStopping = false;
  private isDrained = false;

  /** @param snapshot what the workers start with */
  constructor(options: WorkerPoolOptions, snapshot: Snapshot) {
    this.options = options;
    this.snapshot = snapshot;
    this.events = this.threadEvents();
  }

  /** Starts the workers; `onListening` or `onListenFailed` follows. */
  start(): void {
    for (let index = 0; index < this.options.count; index++) {
      const buffer = createMetricBuffer();
      const slot: Slot = {
        index,
        thread: this.createThread(index, buffer),
        successor: null,
        retiring: new Set(),
        buffers: [buffer],
        crashes: [],
        hasGivenUp: false,
      };
      this.slots.push(slot);
    }
    for (const { thread } of this.slots) thread.start();
    setInterval(() => this.look(), LOOK_INTERVAL_MS).unref();
  }

  /** False while a worker stands still and cannot be replaced. */
  get isAlive(): boolean {
    return this.watch.isAlive;
  }

  /** Of the thread that serves, by worker. */
  get states(): readonly WorkerState[] {
    return this.slots.map(({ index, thread }) => {
      return { id: String(index), state: thread.state, generation: thread.generation };
    });
  }

  /** Metric buffers of all workers, retired ones first. */
  get metrics(): readonly WorkerMetrics[] {
    const all = this.slots.flatMap(({ index, thread, buffers }) =>
      buffers.map((buffer): WorkerMetrics => {
        const isRetired = buffer !== thread.metricBuffer;
        return { id: String(index), cells: new Float64Array(buffer), isRetired };
      }),
    );
    return all.toSorted((a, b) => Number(b.isRetired) - Number(a.isRetired));
  }

  /**
   * Makes `snapshot` what all workers serve: gets descriptors for addresses that are new, posts,
   * and waits until every live worker routes by it. A worker that is replaced meanwhile starts
   * with it and counts when it listens. One call at a time.
   * @param update       how it differs from what was published before
   * @param changedRoutes names of routes that are gone or differ
   * Rejects when an address cannot be opened, with the listener and the system's reason; nothing
   * was published then.
   */
  async publish(
    snapshot: Snapshot,
    update: SnapshotUpdate,
    changedRoutes: readonly string[],
  ): Promise<void> {
    // Said before the first one is asked for: nothing else that is said meanwhile closes them.
    this.upcoming = snapshot;
    this.retainSockets();
    let bound: ReadonlyMap<WorkerThread, readonly Bound[]>;
    try {
      bound = await this.bind(snapshot);
    } catch (error) {
      this.upcoming = null;
      this.retainSockets(); // What was bound before the failure belongs to others again.
      throw error;
    }
    this.snapshot = snapshot;
    for (const [thread, sockets] of bound) {
      const message = { type: 'publish', update, changedRoutes } as const;
      // One that accepts no more would keep a descriptor that nobody accepts from.
      if (this.isStopping || thread.isEnding) thread.unbind(sockets);
      else thread.publish(message, snapshot, sockets);
    }
    if (!this.isStopping) await this.linked(snapshot.generation);
    this.upcoming = null;
    this.retainSockets();
  }

  /** Tells every worker the same. */
  send(message: ToWorker): void {
    for (const thread of this.threads()) thread.post(message);
  }

  /**
   * Stops accepting and lets workers finish; `onDrained` follows.
   * @param hasSuccessor another process accepts from the same sockets
   */
  drain(hasSuccessor: boolean): void {
    this.stop();
    for (const thread of this.threads()) thread.drain(hasSuccessor);
    this.checkDrained();
  }

  /** Ends everything that is still open; `onDrained` follows. */
  abort(): void {
    this.stop();
    for (const thread of this.threads()) thread.abort();
    this.checkDrained();
  }

  /** A worker that is stuck for good is ended, and replaced like one that died. */
  private look(): void {
    const serving = this.slots.map(({ thread }) => thread).filter((thread) => thread.isServing);
    for (const thread of this.watch.look(serving)) {
      this.options.logger.error('a worker is stuck; ending it', { worker: thread.index });
      thread.terminate();
    }
  }

  private stop(): void {
    this.isStopping = true;
    for (const { done } of this.publications.splice(0)) done();
  }

  /** The process cannot serve, and trying again would not help. */
  private refuse(): void {
    this.stop();
    this.isDrained = true; // Nobody waits for that.
  }

  /** Every thread that has not ended. */
  threads(): WorkerThread[] {
    const all = this.slots.flatMap(({ thread, successor, retiring }) => [
      thread,
      ...(successor === null ? [] : [successor]),
      ...retiring,
    ]);
    return all.filter((thread) => !thread.hasEnded);
  }

  private async bind(snapshot: Snapshot): Promise<ReadonlyMap<WorkerThread, readonly Bound[]>> {
    const bound = new Map<WorkerThread, readonly Bound[]>();
    try {
      // Until none is left: a thread may be replaced while others get theirs.
      for (;;) {
        const thread = this.threads().find((one) => !one.isEnding && !bound.has(one));
        if (thread === undefined) break;
        bound.set(thread, await thread.bind(snapshot.listeners));
      }
    } catch (error) {
      for (const [thread, sockets] of bound) thread.unbind(sockets);
      throw error;
    }
    return bound;
  }

  /** Resolves when every worker serves `generation` or a later one. */
  private linked(generation: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const late = this.slots.filter(({ thread }) => thread.generation < generation);
        const workers = late.map(({ index }) => index).join(', ');
        this.options.logger.error('workers do not take over a snapshot', { workers, generation });
        this.publications = this.publications.filter((one) => one.generation !== generation);
        resolve();
      }, LINK_MAX_MS).unref();
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.publications.push({ generation, done });
      this.checkPublications();
    });
  }

  private checkPublications(): void {
    const lowest = Math.min(...this.slots.map(({ thread }) => thread.generation));
    const isDone = (one: Publication): boolean => one.generation <= lowest;
    const done = this.publications.filter(isDone);
    this.publications = this.publications.filter((one) => !isDone(one));
    for (const one of done) one.done();
  }

  private retainSockets(): void {
    if (this.isStopping) return;
    const { listeners } = this.snapshot;
    const all = this.upcoming === null ? listeners : [...listeners, ...this.upcoming.listeners];
    const addresses = new Map(all.map(listenerAddress).map((one) => [addressKey(one), one]));
    this.options.sockets.retain([...addresses.values()]);
  }

  private createThread(index: number, metricBuffer: SharedArrayBuffer): WorkerThread {
    const { count, sockets, health, tls, spawn } = this.options;
    return new WorkerThread({
      index,
      workerCount: count,
      sockets,
      metricBuffer,
      snapshot: () => this.snapshot,
      health,
      tls,
      ...(spawn === undefined ? {} : { spawn }),
      events: this.events,
    });
  }

  private threadEvents(): ThreadEvents {
    const { logger, onOutlier, onChallenged, onCertificateWanted, onLogFilled } = this.options;
    return {
      onListening: (thread, ports) => this.onListening(thread, ports),
      onLinked: () => this.checkPublications(),
      onListenFailed: (_thread, listener, message) => {
        if (!this.hasListened) this.refuse();
        this.options.onListenFailed(listener, message);
      },
      onOutlier,
      onChallenged,
      onCertificateWanted,
      onLogFilled,
      onLog: (level, message) => logger.log(level, message),
      onBroken: (thread) => this.onBroken(thread),
      onDrained: () => this.checkDrained(),
      onExit: (thread, error) => {
        this.onExit(thread, error);
        onChallenged();
      },
    };
  }

  private onListening(thread: WorkerThread, ports: { readonly [listener: string]: number }): void {
    const slot = this.slots[thread.index]!;
    if (slot.successor === thread) {
      const old = slot.thread;
      slot.successor = null;
      slot.thread = thread;
      this.retire(slot, old);
    }
    this.checkPublications();
    if (this.hasListened || !this.slots.every((one) => one.thread.isServing)) return;
    this.hasListened = true;
    this.retainSockets();
    this.options.onListening(ports);
  }

  /** Lets a thread end whose successor accepts, within the drain timeout. */
  private retire(slot: Slot, thread: WorkerThread): void {
    if (thread.hasEnded) return;
    slot.retiring.add(thread);
    thread.drain(true);
    setTimeout(() => {
      if (thread.state === 'dead') return;
      thread.abort();
      setTimeout(() => thread.terminate(), ABORT_MAX_MS).unref();
    }, this.options.drainTimeoutMs()).unref();
  }

  private onBroken(thread: WorkerThread): void {
    const slot = this.slots[thread.index]!;
    if (this.isStopping || thread !== slot.thread || slot.successor !== null) return;
    if (this.isTooMuch(slot)) {
      if (!slot.hasGivenUp) {
        this.options.logger.error('a worker throws again and again; it is not replaced any more', {
          worker: slot.index,
        });
      }
      slot.hasGivenUp = true;
      return;
    }
    this.options.logger.warn('replacing a worker that threw', { worker: slot.index });
    this.restarts++;
    slot.successor = this.createThread(slot.index, this.freeBuffer(slot));
    slot.successor.start();
  }

  /** Replaces a dead thread, unless it dies again and again. */
  private onExit(thread: WorkerThread, error: unknown): void {
    const { logger } = this.options;
    const slot = this.slots[thread.index]!;
    if (error !== null) {
      logger.error('a worker died', { worker: thread.index, error: errorText(error) });
    }
    if (slot.retiring.delete(thread) || this.isStopping) {
      resetGauges(new Float64Array(thread.metricBuffer));
      this.checkDrained();
      return;
    }
    if (thread === slot.thread && slot.successor === null) return this.replaceDead(slot);
    resetGauges(new Float64Array(thread.metricBuffer));
    const wasSuccessor = thread === slot.successor;
    if (!wasSuccessor) slot.thread = slot.successor!;
    slot.successor = null;
    if (wasSuccessor) this.onBroken(slot.thread); // It did not get to listen: try again.
  }

  private replaceDead(slot: Slot): void {
    if (this.isTooMuch(slot)) return this.options.onHopeless();
    this.restarts++;
    this.options.logger.warn('replacing a worker', { worker: slot.index });
    slot.thread = this.createThread(slot.index, slot.thread.metricBuffer);
    slot.thread.start();
  }

  /** Counts a failure. */
  private isTooMuch(slot: Slot): boolean {
    const nowMs = performance.now();
    slot.crashes = slot.crashes.filter((atMs) => nowMs - atMs < CRASH_WINDOW_MS);
    slot.crashes.push(nowMs);
    return slot.crashes.length > CRASHES_MAX;
  }

  /** A metric buffer of the worker that no thread writes to. */
  private freeBuffer(slot: Slot): SharedArrayBuffer {
    const used = new Set(
      [slot.thread, ...slot.retiring]
        .filter(({ state }) => state !== 'dead')
        .map(({ metricBuffer }) => metricBuffer),
    );
    const free = slot.buffers.find((buffer) => !used.has(buffer));
    if (free !== undefined) return free;
    const buffer = createMetricBuffer();
    slot.buffers.push(buffer);
    return buffer;
  }

  private checkDrained(): void {
    if (!this.isStopping || this.isDrained || this.threads().length > 0) return;
    this.isDrained = true;
    this.options.onDrained();
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
