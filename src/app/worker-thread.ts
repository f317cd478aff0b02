/**
 * Worker thread: one data-plane thread as the proxy process sees it, from asking for its sockets
 * to its end.
 *
 * W1  a thread gets a descriptor of its own for each address of the snapshot it starts with or is
 *     given; it closes each with its listener.
 * W2  its metric buffer and its access log buffers belong to nobody else while it lives.
 * W3  it ends once: `onExit` is the last event.
 */

import { Worker } from 'node:worker_threads';

import type { EndpointHealth, OutlierReport } from '../contract/health.ts';
import type { FromWorker, ListenerFds, ToWorker, WorkerStart } from '../contract/message.ts';
import type { LogLevel, Snapshot } from '../contract/snapshot.ts';
import type { TlsState } from '../contract/tls.ts';
import { ACCESS_LOG_BUFFER_COUNT, ACCESS_LOG_BUFFER_SIZE } from '../data/record/access-log.ts';
import type { SocketGrant, SocketSource } from './broker-client.ts';
import { addressKey, listenerAddress } from './socket-address.ts';
import type { NamedAddress } from './socket-address.ts';

/**
 * An exchange leaves almost nothing alive, so a small nursery is enough: with Node's default a
 * worker under new connections held 50 MB more for the same CPU per request.
 */
const YOUNG_GENERATION_MB = 16;
/** A drained thread ends by itself; one that does not is ended. */
const EXIT_MAX_MS = 2_000;

/**
 * `binding`: asks for its sockets; `starting`: runs but does not listen yet; `broken`: serves, but
 * something threw in it; `drained`: its last connection is gone; `dead`: the thread is.
 */
export type ThreadState =
  | 'binding'
  | 'starting'
  | 'listening'
  | 'broken'
  | 'draining'
  | 'drained'
  | 'dead';

export interface ThreadEvents {
  /** Serves. Ports by listener name. */
  onListening(thread: WorkerThread, ports: { readonly [listener: string]: number }): void;
  /** Its `generation` is another one now. */
  onLinked(thread: WorkerThread): void;
  onListenFailed(thread: WorkerThread, listener: string, message: string): void;
  onOutlier(report: OutlierReport): void;
  /** Its `challengeRevision` is another one now. */
  onChallenged(): void;
  onCertificateWanted(name: string, peerAddress: string): void;
  /** Lines for the access log; `bytes` may be used until `done` is called. */
  onLogFilled(bytes: Uint8Array, done: () => void): void;
  onLog(level: LogLevel, message: string): void;
  onBroken(thread: WorkerThread): void;
  onDrained(thread: WorkerThread): void;
  /** @param error what it died of; null when it ended by itself */
  onExit(thread: WorkerThread, error: unknown): void;
}

/** The part of a `Worker` that is used here. */
export interface ThreadPort {
  postMessage(message: ToWorker): void;
  terminate(): void;
  on(event: 'message', listener: (message: FromWorker) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
}

export interface WorkerThreadOptions {
  readonly index: number;
  readonly workerCount: number;
  readonly sockets: SocketSource;
  readonly metricBuffer: SharedArrayBuffer;
  /** What is served now. */
  readonly snapshot: () => Snapshot;
  /** Endpoints that are not simply up. */
  readonly health: () => readonly EndpointHealth[];
  /** What a thread that starts now has to know about TLS. */
  readonly tls: () => { readonly state: TlsState; readonly challengeRevision: number };
  /** For tests; a thread of this process by default. */
  readonly spawn?: (start: WorkerStart) => ThreadPort;
  readonly events: ThreadEvents;
}

export class WorkerThread {
  state: ThreadState = 'binding';
  /** What it routes by; 0 before it listens. */
  generation = 0;
  /** Of the challenges it answers. */
  challengeRevision = 0;
  readonly index: number;
  readonly metricBuffer: SharedArrayBuffer;
  private readonly options: WorkerThreadOptions;
  private readonly logBuffers: readonly SharedArrayBuffer[];
  private port: ThreadPort | null = null;
  /** Addresses it has a descriptor of. */
  private readonly addresses = new Set<string>();
  private startGeneration = 0;
  /** Descriptors it was sent and has not said that it has, by the generation they came with. */
  private unclaimed: { readonly generation: number; readonly bound: readonly Bound[] }[] = [];
  private error: unknown = null;
  /** Resolves when it has the sockets it starts with, or ended without. */
  private bound: Promise<void> = Promise.resolve();

  constructor(options: WorkerThreadOptions) {
    this.options = options;
    this.index = options.index;
    this.metricBuffer = options.metricBuffer;
    this.logBuffers = Array.from(
      { length: ACCESS_LOG_BUFFER_COUNT },
      () => new SharedArrayBuffer(ACCESS_LOG_BUFFER_SIZE),
    );
  }

  /** True while new connections may reach it, or will. */
  get isServing(): boolean {
    return this.state === 'listening' || this.state === 'broken';
  }

  /** True while it takes messages and may have connections. */
  get isReading(): boolean {
    return this.port !== null && !this.hasEnded;
  }

  get hasEnded(): boolean {
    return this.state === 'drained' || this.state === 'dead';
  }

  /** True when it accepts nothing any more, or is about to stop that. */
  get isEnding(): boolean {
    return this.hasEnded || this.state === 'draining';
  }

  /** Asks for sockets, then starts the thread. What goes wrong is an event. */
  start(): void {
    this.bound = this.bindAndRun(this.options.snapshot());
  }

  /**
   * Descriptors for those of `listeners` whose address it does not have. Rejects with the listener
   * and the system's reason, and then has none of them.
   */
  async bind(listeners: readonly NamedAddress[]): Promise<readonly Bound[]> {
    await this.bound;
    const bound: Bound[] = [];
    if (this.hasEnded) return bound;
    for (const listener of listeners) {
      if (this.has(listener)) continue;
      try {
        bound.push({ listener, grant: await this.want(listener) });
      } catch (error) {
        this.unbind(bound);
        throw new Error(`listener ${listener.name}: ${(error as Error).message}`, { cause: error });
      }
    }
    return bound;
  }

  /** Takes back what `bind` gave, because it is not needed after all. */
  unbind(bound: readonly Bound[]): void {
    for (const { listener, grant } of bound) {
      this.addresses.delete(keyOf(listener));
      this.options.sockets.giveBack(grant);
    }
  }

  /** Hands it the next snapshot. @param bound descriptors for what is new in it, from `bind` */
  publish(
    message: Omit<Extract<ToWorker, { type: 'publish' }>, 'listenerFds'>,
    snapshot: Snapshot,
    bound: readonly Bound[],
  ): void {
    const kept = new Set(snapshot.listeners.map(keyOf));
    for (const key of this.addresses) if (!kept.has(key)) this.addresses.delete(key);
    this.unclaimed.push({ generation: snapshot.generation, bound });
    this.port?.postMessage({ ...message, listenerFds: fdsOf(bound) });
  }

  post(message: ToWorker): void {
    this.port?.postMessage(message);
  }

  /**
   * No new connections; `onDrained` follows, then `onExit`. One that does not run yet just ends.
   * @param hasSuccessor another thread or process accepts from the same sockets
   */
  drain(hasSuccessor: boolean): void {
    if (this.port === null) return this.end();
    if (this.hasEnded) return;
    this.state = 'draining';
    this.post({ type: 'drain', hasSuccessor });
  }

  abort(): void {
    if (this.port === null) return this.end();
    if (this.hasEnded) return;
    this.state = 'draining';
    this.post({ type: 'abort' });
  }

  /** Ends the thread whatever it does. */
  terminate(): void {
    this.port?.terminate();
  }

  private async bindAndRun(snapshot: Snapshot): Promise<void> {
    const bound: Bound[] = [];
    for (const listener of snapshot.listeners) {
      try {
        if (!this.has(listener)) bound.push({ listener, grant: await this.want(listener) });
      } catch (error) {
        this.unbind(bound);
        if (this.state !== 'binding') return;
        this.options.events.onListenFailed(this, listener.name, (error as Error).message);
        return this.end();
      }
    }
    if (this.state === 'binding') this.run(snapshot, bound);
    else this.unbind(bound); // Nobody would accept, and nobody would be refused either.
  }

  private has(listener: NamedAddress): boolean {
    return this.addresses.has(keyOf(listener));
  }

  private async want(listener: NamedAddress): Promise<SocketGrant> {
    const grant = await this.options.sockets.want(listenerAddress(listener), this.index);
    this.addresses.add(keyOf(listener));
    return grant;
  }

  private run(snapshot: Snapshot, bound: readonly Bound[]): void {
    this.unclaimed.push({ generation: snapshot.generation, bound });
    this.state = 'starting';
    this.startGeneration = snapshot.generation;
    const tls = this.options.tls();
    this.challengeRevision = tls.challengeRevision;
    this.port = (this.options.spawn ?? spawnThread)({
      index: this.index,
      workerCount: this.options.workerCount,
      snapshot,
      health: this.options.health(),
      metricBuffer: this.metricBuffer,
      accessLogBuffers: this.logBuffers,
      listenerFds: fdsOf(bound),
      tls: tls.state,
    });
    this.port.on('message', (message) => this.onMessage(message));
    this.port.on('error', (error) => (this.error = error));
    this.port.on('exit', () => this.end());
  }

  private onMessage(message: FromWorker): void {
    const { events } = this.options;
    switch (message.type) {
      case 'listening':
        if (this.state === 'starting') this.state = 'listening';
        // A later one may have been linked before all listeners of the first were open.
        this.generation = Math.max(this.generation, this.startGeneration);
        this.claim(this.startGeneration);
        return events.onListening(this, message.ports);
      case 'linked':
        this.generation = message.generation;
        this.claim(message.generation);
        return events.onLinked(this);
      case 'listen-failed':
        return events.onListenFailed(this, message.listener, message.message);
      case 'outlier':
        return events.onOutlier(message.report);
      case 'challenged':
        this.challengeRevision = message.revision;
        return events.onChallenged();
      case 'certificate-wanted':
        return events.onCertificateWanted(message.name, message.peerAddress);
      case 'log-filled': {
        const { buffer, size } = message;
        const bytes = new Uint8Array(this.logBuffers[buffer]!, 0, size);
        return events.onLogFilled(bytes, () => this.post({ type: 'log-written', buffer }));
      }
      case 'log':
        return events.onLog(message.level, message.message);
      case 'broken':
        if (this.state === 'listening') this.state = 'broken';
        return events.onBroken(this);
      case 'drained':
        this.state = 'drained';
        setTimeout(() => this.terminate(), EXIT_MAX_MS).unref();
        return events.onDrained(this);
    }
  }

  private claim(generation: number): void {
    this.unclaimed = this.unclaimed.filter((one) => one.generation > generation);
  }

  private end(): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    const unclaimed = this.unclaimed.splice(0).flatMap(({ bound }) => bound);
    for (const { grant } of unclaimed) this.options.sockets.reclaim(grant);
    this.options.events.onExit(this, this.error);
  }
}

/** A descriptor for a listener, not handed over yet. */
export interface Bound {
  readonly listener: NamedAddress;
  readonly grant: SocketGrant;
}

/** As the contract has it. */
function fdsOf(bound: readonly Bound[]): ListenerFds {
  return Object.fromEntries(
    bound.filter(({ grant }) => grant.fd >= 0).map((one) => [one.listener.name, one.grant.fd]),
  );
}

function keyOf(listener: NamedAddress): string {
  return addressKey(listenerAddress(listener));
}

function spawnThread(start: WorkerStart): ThreadPort {
  const entry = new URL(
    import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
    import.meta.url,
  );
  return new Worker(entry, {
    workerData: start,
    name: `worker-${start.index}`,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  }) as ThreadPort & Worker;
}
