/**
 * Worker watch: notices a worker whose event loop stands still.
 *
 * Counts looks, not time: after the whole process was stopped for a while (SIGSTOP, a suspended
 * machine) the next look finds everybody late at once, and nobody is to blame.
 */

import { WorkerCell } from '../contract/metric-layout.ts';

/** Between two looks; a worker beats several times meanwhile. */
export const LOOK_INTERVAL_MS = 1_000;
/** Looks without a beat after which nobody expects one any more: the worker is replaced. */
const STUCK_LOOKS = 15;
/** Looks without a beat after which that has not helped, and the process as a whole is ill. */
const ILL_LOOKS = 20;

export interface Beating {
  readonly metricBuffer: SharedArrayBuffer;
}

interface Seen {
  beats: number;
  /** Looks since `beats` changed. */
  silent: number;
}

export class WorkerWatch<Thread extends Beating> {
  private seen = new Map<Thread, Seen>();

  /** False when a worker is silent although it should have been replaced. */
  get isAlive(): boolean {
    return Array.from(this.seen.values()).every(({ silent }) => silent < ILL_LOOKS);
  }

  /**
   * Looks at `threads`, all that serve; to be called every `LOOK_INTERVAL_MS`.
   * @returns those that are stuck; each is named once
   */
  look(threads: readonly Thread[]): readonly Thread[] {
    const seen = new Map<Thread, Seen>();
    for (const thread of threads) {
      const beats = new Float64Array(thread.metricBuffer)[WorkerCell.beats]!;
      const before = this.seen.get(thread);
      const isSilent = before !== undefined && before.beats === beats;
      seen.set(thread, { beats, silent: isSilent ? before.silent + 1 : 0 });
    }
    this.seen = seen;
    return threads.filter((thread) => seen.get(thread)!.silent === STUCK_LOOKS);
  }
}
