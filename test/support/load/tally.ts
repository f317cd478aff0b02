/**
 * What a load client saw, counted by kind of request and outcome, in named phases.
 *
 * Y1  a histogram has buckets of two per cent, so a quantile is at most two per cent off.
 * Y2  every request that was begun ends in exactly one outcome; `ok` is one of them.
 */

export type Kind = 'new' | 'kept' | 'slow' | 'post' | 'socket';

/**
 * How a request ended, as its client sees it.
 * `idle-lost`: written on a connection that had served before, which then closed or reset without
 * one byte of an answer. `socket-closed`: a WebSocket that the other side ended.
 */
export type Outcome =
  | 'ok'
  | 'refused'
  | 'connect-failed'
  | 'idle-lost'
  | 'reset-before-answer'
  | 'closed-before-answer'
  | 'reset-mid-answer'
  | 'truncated'
  | 'corrupted'
  | 'foreign'
  | 'mixed'
  | 'timeout'
  | 'socket-closed'
  | 'not-begun'
  | `status-${number}`;

const GROWTH = Math.log(1.02);

/** Latencies in milliseconds. */
export class Histogram {
  readonly #buckets = new Map<number, number>();
  count = 0;
  max = 0;

  add(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, 0.001)) / GROWTH);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.count++;
    if (ms > this.max) this.max = ms;
  }

  /** The latency that share `q` of all did not exceed; 0 when there are none. */
  quantile(q: number): number {
    let left = Math.ceil(this.count * q);
    if (left <= 0) return 0;
    for (const [bucket, count] of [...this.#buckets].toSorted(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return Math.min(this.max, Math.exp(bucket * GROWTH));
    }
    return this.max;
  }
}

export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface PhaseSummary {
  readonly name: string;
  readonly seconds: number;
  /** Requests that ended well. */
  readonly ok: number;
  readonly failed: number;
  /** Counts by `kind outcome`, such as `kept idle-lost`; without the `ok` ones. */
  readonly failures: Readonly<Record<string, number>>;
  /** Well-ended requests by kind. */
  readonly done: Readonly<Record<string, number>>;
  /** Well-ended requests by the endpoint that answered. */
  readonly endpoints: Readonly<Record<string, number>>;
  /** Kept-alive connections that the other side ended in order between two requests. */
  readonly idleClosed: number;
  /** Kept-alive connections that were reset between two requests: no request was lost. */
  readonly idleReset: number;
  /** Without slow downloads, whose time is theirs. */
  readonly latency: LatencySummary;
  readonly byKind: Readonly<Record<string, LatencySummary>>;
  /** The first few failures, in words. */
  readonly samples: readonly string[];
}

const SAMPLES_MAX = 20;

/** To hundredths. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function summary(histogram: Histogram): LatencySummary {
  return {
    count: histogram.count,
    p50: round(histogram.quantile(0.5)),
    p99: round(histogram.quantile(0.99)),
    max: round(histogram.max),
  };
}

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** One phase. */
export class Tally {
  readonly name: string;
  readonly #startedMs: number;
  readonly #failures: Record<string, number> = Object.create(null) as Record<string, number>;
  readonly #done: Record<string, number> = Object.create(null) as Record<string, number>;
  readonly #endpoints: Record<string, number> = Object.create(null) as Record<string, number>;
  readonly #all = new Histogram();
  readonly #byKind = new Map<Kind, Histogram>();
  readonly #samples: string[] = [];
  ok = 0;
  failed = 0;
  idleClosed = 0;
  idleReset = 0;

  constructor(name: string, nowMs: number) {
    this.name = name;
    this.#startedMs = nowMs;
  }

  done(kind: Kind, ms: number, endpoint: string): void {
    this.ok++;
    add(this.#done, kind);
    add(this.#endpoints, endpoint);
    if (kind !== 'slow') this.#all.add(ms);
    const histogram = this.#byKind.get(kind) ?? new Histogram();
    histogram.add(ms);
    this.#byKind.set(kind, histogram);
  }

  fail(kind: Kind, outcome: Outcome, detail: string): void {
    this.failed++;
    add(this.#failures, `${kind} ${outcome}`);
    if (this.#samples.length < SAMPLES_MAX) this.#samples.push(`${kind} ${outcome}: ${detail}`);
  }

  summary(nowMs: number): PhaseSummary {
    return {
      name: this.name,
      seconds: Math.round(nowMs - this.#startedMs) / 1_000,
      ok: this.ok,
      failed: this.failed,
      failures: { ...this.#failures },
      done: { ...this.#done },
      endpoints: { ...this.#endpoints },
      idleClosed: this.idleClosed,
      idleReset: this.idleReset,
      latency: summary(this.#all),
      byKind: Object.fromEntries(
        [...this.#byKind].map(([kind, histogram]) => [kind, summary(histogram)]),
      ),
      samples: [...this.#samples],
    };
  }
}
