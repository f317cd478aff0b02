/**
 * Service state: what one worker remembers of a service across generations: requests in progress
 * and waiting, retry budget, circuit, adaptive limit.
 *
 * V1  `enter` that gives a place, or `onPlace`, is followed by exactly one `leave`; `onPlaceFault`
 *     and `cancel` are followed by none.
 * V2  places taken <= the limit, unless it was lowered meanwhile; waiting <= `queueMax`. An
 *     adaptive limit, made of times to the response head, is one of requests without it: streams
 *     and tunnels would use it up for good.
 * V3  a waiter is served before anybody who asks later.
 * A service without limits and circuit costs a request two additions.
 */

import { Fault } from '../../contract/fault.ts';
import { ServiceCell } from '../../contract/metric-layout.ts';
import type { ConcurrencySpec } from '../../contract/resilience.ts';
import type { ServiceSpec } from '../../contract/snapshot.ts';
import type { IoBackend } from '../io/backend.ts';
import { WaitQueue } from '../pool/wait-queue.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { CircuitBreaker, Outcome } from './circuit-breaker.ts';
import { RetryBudget } from './retry-budget.ts';

/** What `enter` returns beside faults: the answer comes later. */
export const WAITING = -1;

/** What asks for a place: an exchange. */
export interface PlaceWaiter {
  /** True while its request is one of the circuit's trials; set before `onPlace`. */
  isTrial: boolean;
  /** A place is there; `leave` must follow. */
  onPlace(): void;
  /** There is no place: `queueTimeout` or `circuitOpen`. */
  onPlaceFault(fault: Fault): void;
}

/** Those who may be chosen now, as far as their limit goes; `Candidates` is one. */
export interface Load {
  readonly schedule: readonly { readonly inFlight: number }[];
}

export interface ServiceStateOptions {
  readonly backend: IoBackend;
  /** The worker's cells, and where the service's block begins. */
  readonly cells: Float64Array;
  readonly metricBase: number;
  readonly workerCount: number;
}

export class ServiceState {
  /** Requests that have a place. */
  inProgress = 0;
  /** Of those, the ones that have their response head. */
  answered = 0;
  readonly budget = new RetryBudget();
  /** False when `enter` would always give a place at once. */
  isGuarded = false;
  /** Attempts that one endpoint may have in progress in this worker; 0 for no limit. */
  perEndpointMax = 0;
  adaptive: AdaptiveLimit | null = null;
  private readonly options: ServiceStateOptions;
  private readonly queue: WaitQueue<PlaceWaiter>;
  private breaker: CircuitBreaker | null = null;
  private fixedMax = 0;
  private queueMax = 0;
  private queueTimeoutMs = 0;
  private load: Load = { schedule: [] };
  private isWaking = false;

  constructor(options: ServiceStateOptions) {
    this.options = options;
    this.queue = new WaitQueue(
      options.backend,
      (waiter: PlaceWaiter) => waiter.onPlaceFault(Fault.queueTimeout),
      () => this.countQueued(),
    );
  }

  /** Applies the settings of a generation: limits change at once, counts and states stay. */
  configure(spec: ServiceSpec, load: Load): void {
    const { retry, breaker, concurrency } = spec;
    this.budget.configure(retry, this.options.workerCount);
    if (breaker === null) this.breaker = null;
    else if (this.breaker === null) this.breaker = new CircuitBreaker(breaker);
    else this.breaker.configure(breaker);
    this.configureLimits(concurrency);
    this.load = load;
    const hasLimit = this.fixedMax > 0 || this.perEndpointMax > 0 || this.adaptive !== null;
    this.isGuarded = hasLimit || this.breaker !== null;
    this.countState();
    this.wake();
  }

  /** The service is gone: its gauges say nothing any more. Exchanges may still leave. */
  retire(): void {
    this.breaker = null;
    this.adaptive = null;
    this.fixedMax = 0;
    this.perEndpointMax = 0;
    this.countState();
    this.wake();
  }

  /**
   * Asks for a place.
   * @returns `Fault.none`: there is one; `WAITING`: `onPlace` or `onPlaceFault` follows, never
   *          inside the call, unless `cancel` comes first; else the fault that refuses it
   */
  enter(waiter: PlaceWaiter): Fault | typeof WAITING {
    if (!this.isGuarded) {
      this.inProgress++;
      return Fault.none;
    }
    this.wake(); // Room may have come about by itself.
    const nowMs = this.options.backend.nowMs();
    if (this.breaker !== null && this.breaker.refuses(nowMs)) return Fault.circuitOpen;
    if (this.queue.count === 0 && this.hasPlace(nowMs)) {
      this.take(waiter);
      return Fault.none;
    }
    if (this.queue.count >= this.queueMax) return Fault.queueFull;
    this.queue.add(waiter, this.queueTimeoutMs);
    this.countQueued();
    return WAITING;
  }

  /** The waiter no longer waits. */
  cancel(waiter: PlaceWaiter): void {
    if (this.queue.remove(waiter)) this.countQueued();
  }

  /** A request with a place has its response head: an adaptive limit does not count it further. */
  onHead(): void {
    this.answered++;
    if (this.adaptive !== null) this.wake();
  }

  /**
   * Gives the place back.
   * @param outcome    what the circuit is told
   * @param isAnswered it was given to `onHead`
   */
  leave(outcome: Outcome, isTrial: boolean, isAnswered = false): void {
    this.inProgress--;
    if (isAnswered) this.answered--;
    if (!this.isGuarded) return; // Then nobody waits.
    if (this.breaker !== null) {
      this.breaker.end(this.options.backend.nowMs(), outcome, isTrial);
      this.countState();
    }
    this.wake();
  }

  /** A trial was answered: the circuit need not wait for the end of what may be a long stream. */
  endTrial(outcome: Outcome): void {
    this.breaker?.end(this.options.backend.nowMs(), outcome, true);
    this.countState();
    this.wake();
  }

  /** A request was answered; only for adaptive limits. @param latencyMs lease to response head */
  onAnswer(latencyMs: number): void {
    const adaptive = this.adaptive;
    if (adaptive === null) return;
    const { inProgress, answered } = this;
    adaptive.onAnswer(latencyMs, inProgress - answered, this.options.backend.nowMs());
    this.countState();
  }

  /** Gives places to those who wait, as far as there are any. */
  wake(): void {
    if (this.queue.count === 0 || this.isWaking) return;
    // A waiter that fails at once leaves at once; this loop goes on then, and not a deeper one.
    this.isWaking = true;
    try {
      this.serveWaiters();
    } finally {
      this.isWaking = false; // A bug in one of them must not stop all that come after it.
    }
    this.countQueued();
  }

  /** For Retry-After: seconds after which a refused client may ask again. */
  get retryAfterSeconds(): number {
    return this.breaker?.retryAfterSeconds(this.options.backend.nowMs()) ?? 1;
  }

  private serveWaiters(): void {
    const { backend } = this.options;
    while (this.queue.count > 0 && this.hasPlace(backend.nowMs())) {
      const waiter = this.queue.shift()!;
      if (this.breaker !== null && this.breaker.refuses(backend.nowMs())) {
        waiter.onPlaceFault(Fault.circuitOpen);
        continue;
      }
      this.take(waiter);
      waiter.onPlace();
    }
  }

  private take(waiter: PlaceWaiter): void {
    this.inProgress++;
    waiter.isTrial = false;
    if (this.breaker === null) return;
    waiter.isTrial = this.breaker.begin();
    this.countState();
  }

  private hasPlace(nowMs: number): boolean {
    if (this.fixedMax > 0 && this.inProgress >= this.fixedMax) return false;
    if (this.adaptive !== null) {
      this.adaptive.tick(nowMs);
      if (this.inProgress - this.answered >= this.adaptive.limit) return false;
    }
    const max = this.perEndpointMax;
    const { schedule } = this.load;
    if (max === 0 || schedule.length === 0) return true; // Without endpoints it fails at once.
    return schedule.some(({ inFlight }) => inFlight < max);
  }

  private get limit(): number {
    return this.adaptive === null ? this.fixedMax : this.adaptive.limit;
  }

  private configureLimits(spec: ConcurrencySpec): void {
    this.fixedMax = this.share(spec.exchangesMax);
    this.perEndpointMax = this.share(spec.exchangesPerEndpointMax);
    this.queueMax = this.share(spec.queueMax);
    this.queueTimeoutMs = spec.queueTimeoutMs;
    if (!spec.isAdaptive) this.adaptive = null;
    else this.adaptive ??= new AdaptiveLimit();
    this.adaptive?.configure(this.fixedMax);
  }

  /** A limit of the process as this worker's part of it; 0 stays 0. */
  private share(limit: number): number {
    return Math.ceil(limit / this.options.workerCount);
  }

  private countQueued(): void {
    this.options.cells[this.options.metricBase + ServiceCell.queued] = this.queue.count;
  }

  private countState(): void {
    const { cells, metricBase } = this.options;
    cells[metricBase + ServiceCell.circuitOpen] = this.breaker?.gauge ?? 0;
    cells[metricBase + ServiceCell.concurrencyLimit] = this.limit;
  }
}
