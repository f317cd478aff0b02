/**
 * Overload watch: what a worker's tick looks at to find out that it is short of something, and
 * what it does about it. Figures are sampled here, four times a second; requests only read the
 * level.
 *
 * A shortage is one line in the log when it begins, and one when it has been over for a while,
 * with what it cost: never a line per connection.
 */

import { WorkerCell } from '../contract/metric-layout.ts';
import { OverloadLevel, OverloadMeter } from '../data/overload/overload-level.ts';

/** Without a further loss for this long, a shortage is over. */
const QUIET_MS = 10_000;
/** Shortest time between two looks at memory. */
const CHECK_INTERVAL_MS = 2;
/**
 * Time between two collections, and before the first: each stops the worker for some 10 ms, and
 * needs memory itself, of which there is none while a burst takes it.
 */
const COLLECT_INTERVAL_MS = 2_000;
/** A loop this late in every sample for `LAG_SAMPLES` is worth a line. It sheds nothing. */
const LAG_MS = 500;
const LAG_SAMPLES = 20;

const LEVEL_TEXTS: { readonly [L in OverloadLevel]: string } = {
  0: 'memory is fine again: nothing is shed',
  1: 'short of memory: connections are closed after their answer, idle ones at once',
  2: 'very short of memory: new requests are refused (503)',
};

export interface OverloadWatchOptions {
  readonly plane: {
    setOverload(level: OverloadLevel): void;
    setLevel(level: OverloadLevel): void;
    relieve(): void;
    readonly refusedCount: number;
  };
  readonly backend: {
    readonly turnedAwayCount: number;
    setMemoryShort(isShort: boolean): void;
    readonly chunks: { readonly usedSize: number; readonly usedMax: number };
  };
  readonly cells: Float64Array;
  /** Used part of what the machine or container allows; 0 without a limit. */
  readonly memory: { share(): number };
  /** Collects the garbage of this thread. */
  readonly collect: () => void;
  readonly nowMs: () => number;
  readonly warn: (message: string) => void;
}

export class OverloadWatch {
  readonly meter = new OverloadMeter();
  private readonly options: OverloadWatchOptions;
  private readonly turnedAway: Episode;
  private readonly refused: Episode;
  private lateCount = 0;
  private checkedAtMs = 0;
  private collectedAtMs = 0;

  constructor(options: OverloadWatchOptions) {
    const { cells, warn, nowMs } = options;
    this.options = options;
    this.turnedAway = new Episode({
      nowMs,
      onBegin: () => {
        cells[WorkerCell.acceptPauses]!++;
        warn('no file descriptor is left: new connections are closed at once');
      },
      onEnd: (count) => warn(`file descriptors are free again; ${count} connections were closed`),
    });
    this.refused = new Episode({
      nowMs,
      onBegin: () => warn('a connection limit is reached: further connections are refused'),
      onEnd: (count) => warn(`no connection limit is reached any more; ${count} were refused`),
    });
  }

  /** @param heapShare used part of the largest JavaScript heap this thread may have */
  sample(heapShare: number): void {
    const { plane, backend, cells, memory } = this.options;
    const { usedSize, usedMax } = backend.chunks;
    const pressure = Math.max(memory.share(), heapShare, usedSize / usedMax);
    const { meter } = this;
    if (meter.update(pressure)) this.tellLevel();
    plane.setOverload(meter.level);
    backend.setMemoryShort(meter.level > OverloadLevel.calm);
    if (meter.level === OverloadLevel.calm) this.collectedAtMs = this.options.nowMs();
    else this.collect();
    plane.relieve();
    this.turnedAway.update(backend.turnedAwayCount);
    this.refused.update(plane.refusedCount);
    this.watchLag(cells[WorkerCell.eventLoopLagMs]!);
  }

  /**
   * Between samples, when memory is being taken: a burst of clients can take more in a quarter of
   * a second than there is left. Cheap, and at most every few milliseconds.
   */
  check(): void {
    const { plane, memory, nowMs } = this.options;
    if (nowMs() - this.checkedAtMs < CHECK_INTERVAL_MS) return;
    const share = memory.share();
    this.checkedAtMs = nowMs();
    if (!this.meter.raise(share)) return;
    plane.setLevel(this.meter.level);
    this.tellLevel();
  }

  private collect(): void {
    const { collect, nowMs } = this.options;
    if (nowMs() - this.collectedAtMs < COLLECT_INTERVAL_MS) return;
    this.collectedAtMs = nowMs();
    collect();
  }

  private tellLevel(): void {
    const { level, pressure } = this.meter;
    this.options.warn(`${LEVEL_TEXTS[level]} (${Math.round(pressure * 100)} % in use)`);
  }

  private watchLag(lagMs: number): void {
    this.lateCount = lagMs >= LAG_MS ? this.lateCount + 1 : 0;
    if (this.lateCount !== LAG_SAMPLES) return;
    const text = `${Math.round(lagMs)} ms at a time`;
    this.options.warn(`the event loop of this worker is late all the time, ${text}`);
  }
}

/** Losses that belong together, by a counter that only grows. */
class Episode {
  private readonly nowMs: () => number;
  private readonly onBegin: () => void;
  private readonly onEnd: (count: number) => void;
  private isOn = false;
  private countBefore = 0;
  private last = 0;
  private lastAtMs = 0;

  constructor(options: {
    readonly nowMs: () => number;
    readonly onBegin: () => void;
    readonly onEnd: (count: number) => void;
  }) {
    this.nowMs = options.nowMs;
    this.onBegin = options.onBegin;
    this.onEnd = options.onEnd;
  }

  update(count: number): void {
    const isMore = count > this.last;
    if (isMore && !this.isOn) {
      this.isOn = true;
      this.countBefore = this.last;
      this.onBegin();
    }
    if (isMore) this.lastAtMs = this.nowMs();
    this.last = count;
    if (!this.isOn || this.nowMs() - this.lastAtMs < QUIET_MS) return;
    this.isOn = false;
    this.onEnd(count - this.countBefore);
  }
}
