/**
 * Reloads under load: the same traffic and the same number of reloads for every contender.
 */

import { phaseOf } from '../support/load/processes.ts';
import type { PhaseSummary } from '../support/load/tally.ts';
import { delay } from '../support/wait.ts';
import type { Contender } from './contender/contender.ts';
import { judgePosts, Stage } from './stage.ts';

export interface ReloadOptions {
  readonly reloads: number;
  readonly seconds: number;
  readonly baselineSeconds: number;
  readonly rate: number;
  readonly sockets: number;
}

export interface ReloadResult {
  readonly name: string;
  readonly version: string;
  readonly reloads: number;
  /** Reloads that were not seen by a new connection in time. */
  readonly missed: number;
  readonly seconds: number;
  /** From the order to the first new connection that gets it. */
  readonly reloadMsMedian: number;
  readonly reloadMsMax: number;
  readonly requests: number;
  readonly failedNew: number;
  readonly abortedInFlight: number;
  /** Requests lost on a kept-alive connection, and connections reset between requests. */
  readonly resetIdle: number;
  /** Closed in order between requests: allowed, and a cost. */
  readonly closedIdle: number;
  readonly closedSockets: number;
  readonly mixed: number;
  readonly otherFailures: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly samples: readonly string[];
  readonly p50Baseline: number;
  readonly p99Baseline: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuBaseline: number;
  /** Share of one core, baseline and during. */
  readonly cpu: number;
  readonly rssBefore: number;
  readonly rssPeak: number;
  readonly rssAfter: number;
  readonly duplicatedPosts: number;
}

const SETTLE_MS = 2_000;
const SAMPLE_MS = 500;

/** Failures by what a user would call them. */
export function classify(phase: PhaseSummary): {
  readonly failedNew: number;
  readonly abortedInFlight: number;
  readonly resetIdle: number;
  readonly closedSockets: number;
  readonly mixed: number;
  readonly other: number;
} {
  const counts = { failedNew: 0, abortedInFlight: 0, resetIdle: 0, closedSockets: 0, mixed: 0 };
  let other = 0;
  for (const [key, count] of Object.entries(phase.failures)) {
    const [kind = '', outcome = ''] = key.split(' ');
    if (outcome === 'mixed') counts.mixed += count;
    else if (kind === 'socket') counts.closedSockets += count;
    else if (outcome === 'idle-lost') counts.resetIdle += count;
    else if (outcome === 'reset-mid-answer' || outcome === 'truncated' || kind === 'slow') {
      counts.abortedInFlight += count;
    } else if (kind === 'new' || outcome === 'refused' || outcome === 'connect-failed') {
      counts.failedNew += count;
    } else other += count;
  }
  return { ...counts, resetIdle: counts.resetIdle + phase.idleReset, other };
}

/** Share of one core between two readings of clock ticks (1/100 s). */
function share(ticks: number, ms: number): number {
  return (ticks * 10) / ms;
}

interface Reloaded {
  readonly times: readonly number[];
  readonly rssPeak: number;
}

async function reloadMany(stage: Stage, options: ReloadOptions): Promise<Reloaded> {
  const everyMs = (options.seconds * 1_000) / options.reloads;
  const startedMs = performance.now();
  const times: number[] = [];
  let rssPeak = 0;
  const timer = setInterval(() => {
    rssPeak = Math.max(rssPeak, stage.usage().rssSize);
  }, SAMPLE_MS);
  for (let i = 0; i < options.reloads; i++) {
    times.push(await stage.reload());
    const waitMs = startedMs + (i + 1) * everyMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
  }
  clearInterval(timer);
  return { times, rssPeak };
}

/** Runs one contender. @throws when it cannot be started */
export async function compareReload(
  contender: Contender,
  options: ReloadOptions,
): Promise<ReloadResult> {
  const stage = await Stage.open(contender, {
    rate: options.rate,
    sockets: options.sockets,
    prefixes: ['/stable', '/gen'],
  });
  try {
    await delay(SETTLE_MS);
    await stage.client.mark('baseline');
    const before = stage.usage();
    const baselineMs = performance.now();
    await delay(options.baselineSeconds * 1_000);
    const between = stage.usage();
    const duringMs = performance.now();
    await stage.client.mark('reloads');
    const { times, rssPeak } = await reloadMany(stage, options);
    const after = stage.usage();
    const afterMs = performance.now();
    await stage.client.mark('after');
    await delay(SETTLE_MS);
    const settled = stage.usage();
    const report = await stage.client.stop();
    const baseline = phaseOf(report, 'baseline');
    const during = phaseOf(report, 'reloads');
    const { failedNew, abortedInFlight, resetIdle, closedSockets, mixed, other } = classify(during);
    const seen = times.filter((ms) => ms >= 0).toSorted((a, b) => a - b);
    return {
      name: contender.name,
      version: contender.version(),
      reloads: times.length,
      missed: times.length - seen.length,
      seconds: during.seconds,
      reloadMsMedian: seen[Math.floor(seen.length / 2)] ?? -1,
      reloadMsMax: seen.at(-1) ?? -1,
      requests: during.ok + during.failed,
      failedNew,
      abortedInFlight,
      resetIdle,
      closedSockets,
      mixed,
      otherFailures: other,
      closedIdle: during.idleClosed,
      failures: during.failures,
      samples: during.samples,
      p50Baseline: baseline.latency.p50,
      p99Baseline: baseline.latency.p99,
      p50: during.latency.p50,
      p99: during.latency.p99,
      cpuBaseline: share(between.cpuTicks - before.cpuTicks, duringMs - baselineMs),
      cpu: share(after.cpuTicks - between.cpuTicks, afterMs - duringMs),
      rssBefore: between.rssSize,
      rssPeak,
      rssAfter: settled.rssSize,
      duplicatedPosts: judgePosts(stage.executed(), report).duplicated,
    };
  } finally {
    await stage.close();
  }
}
