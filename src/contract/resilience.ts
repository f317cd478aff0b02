/**
 * What a service does when an endpoint is slow, broken or gone: settings as the data plane reads
 * them. Part of the snapshot. Counts and rates are of the whole process unless they say otherwise;
 * a worker takes its share.
 */

/** How workers notice by themselves that an endpoint fails. Zero turns a rule off. */
export interface OutlierSpec {
  /** Faults in a row, of one worker, after which the endpoint is ejected. */
  readonly consecutiveFaultsMax: number;
  /** Share of faulty attempts in a window after which it is ejected, in percent. */
  readonly faultPercentMax: number;
  /** Attempts a window must have for shares and latencies to mean something. */
  readonly attemptsMin: number;
  /** Mean time to the response head, as a multiple of the other endpoints' median. */
  readonly latencyFactorMax: number;
  readonly windowMs: number;
  /** Response statuses that count as faults. */
  readonly statuses: readonly StatusRange[];
  /** First ejection; the n-th in a row lasts n times as long. */
  readonly ejectionMs: number;
  readonly ejectionMaxMs: number;
  /** Share of a service's endpoints that may be ejected at a time, in percent. */
  readonly ejectedPercentMax: number;
}

/** Inclusive. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** What a failed attempt must have met to be repeated. */
export type RetryCause =
  /** No byte of the request reached the endpoint. */
  | 'connect'
  /** The endpoint closed or reset before the first byte of an answer. */
  | 'closed'
  /** No response head in time. */
  | 'timeout';

export interface RetrySpec {
  /** Attempts of one exchange, the first included; 1 for none beyond it. */
  readonly attemptsMax: number;
  readonly on: readonly RetryCause[];
  /** Response statuses that are answered by another attempt when one is allowed. */
  readonly statuses: readonly StatusRange[];
  /** Methods that may be repeated once bytes of the request were sent; never POST or PATCH. */
  readonly methods: readonly string[];
  /** Request bodies up to this size are kept for another attempt; 0: none is. */
  readonly bodySizeMax: number;
  /** Retries allowed, as a share of the service's requests of the last seconds, in percent … */
  readonly budgetPercent: number;
  /** … and this many per second on top. */
  readonly budgetPerSecond: number;
  /** Longest attempt up to its response head; 0: only the transport's timeouts. */
  readonly tryTimeoutMs: number;
  /** A second attempt starts when the first has no answer after this long; 0: never. */
  readonly hedgeDelayMs: number;
}

/** Opens when too many exchanges of the service fail; then fails fast, then lets some through. */
export interface BreakerSpec {
  readonly faultPercentMax: number;
  readonly attemptsMin: number;
  readonly windowMs: number;
  readonly openMs: number;
}

/** Exchanges in progress at a time. Zero for no limit. */
export interface ConcurrencySpec {
  readonly exchangesMax: number;
  readonly exchangesPerEndpointMax: number;
  /** Exchanges that wait for a place; past it they are refused at once. */
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
  /** The limit follows what the endpoints can bear (by latency), below `exchangesMax` if set. */
  readonly isAdaptive: boolean;
}
