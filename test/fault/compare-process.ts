/**
 * The process around the workers is replaced (upgrade) or killed, again and again, under load.
 */

import { phaseOf } from '../support/load/processes.ts';
import type { PhaseSummary } from '../support/load/tally.ts';
import { processTree } from '../support/process-tree.ts';
import { delay, holdsWithin, until } from '../support/wait.ts';
import { classify } from './compare-reload.ts';
import { firstChild, type Contender } from './contender/contender.ts';
import { judgePosts, servesGeneration, Stage } from './stage.ts';

export interface ProcessOptions {
  readonly count: number;
  readonly rate: number;
  readonly sockets: number;
  /** Between a process that serves again and its death. */
  readonly killEveryMs: number;
}

export interface ProcessResult {
  readonly kind: 'upgrade' | 'kill';
  readonly count: number;
  readonly requests: number;
  readonly refused: number;
  readonly failedNew: number;
  readonly abortedInFlight: number;
  readonly resetIdle: number;
  readonly closedIdle: number;
  /** Upgrade: at the end of the drain. Kill: all of them. */
  readonly closedSockets: number;
  readonly duplicatedPosts: number;
  /** Upgrade: from the order to the new process serving. Kill: until a new connection is served. */
  readonly milliseconds: readonly number[];
  /** Upgrade: until the process before it had gone. */
  readonly drainMilliseconds: readonly number[];
  readonly failures: Readonly<Record<string, number>>;
  readonly samples: readonly string[];
}

const EFFECT_MAX_MS = 15_000;
const UPGRADE_DRAIN_SECONDS = 4;
const SLOW_MS = 2_000;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds until `condition` held; -1 when it did not in time. */
async function timed(condition: () => boolean | Promise<boolean>): Promise<number> {
  const startedMs = performance.now();
  const isTrue = await holdsWithin(condition, EFFECT_MAX_MS);
  return isTrue ? Math.round(performance.now() - startedMs) : -1;
}

/** One upgrade. @returns milliseconds until the new process serves and until the old has gone */
export async function upgradeOnce(stage: Stage): Promise<readonly [number, number]> {
  const before = firstChild(stage.child);
  const readyBefore = readyCount(stage);
  await stage.contender.upgrade?.(stage.child, stage.layout);
  const readyMs = await timed(() => readyCount(stage) > readyBefore);
  const goneMs = await timed(() => !isAlive(before));
  return [readyMs, goneMs < 0 ? -1 : readyMs + goneMs];
}

function readyCount(stage: Stage): number {
  return stage.child.output.match(/\bready\b/gi)?.length ?? 0;
}

/** Kills the proxy process once. @returns milliseconds until a new connection is served again */
export async function killOnce(stage: Stage): Promise<number> {
  const before = stage.contender.mainPid(stage.child);
  process.kill(before, 'SIGKILL');
  await until(() => !processTree(stage.child.pid).includes(before), 'the death', 2_000);
  return timed(() => servesGeneration(stage.layout, stage.generation));
}

function resultOf(
  kind: ProcessResult['kind'],
  phase: PhaseSummary,
  times: readonly (readonly [number, number])[],
  duplicatedPosts: number,
): ProcessResult {
  const { failedNew, abortedInFlight, resetIdle, closedSockets } = classify(phase);
  const refused = Object.entries(phase.failures)
    .filter(([key]) => key.endsWith(' refused'))
    .reduce((sum, [, count]) => sum + count, 0);
  return {
    kind,
    count: times.length,
    requests: phase.ok + phase.failed,
    refused,
    failedNew,
    abortedInFlight,
    resetIdle,
    closedSockets,
    duplicatedPosts,
    closedIdle: phase.idleClosed,
    milliseconds: times.map(([ms]) => ms),
    drainMilliseconds: kind === 'upgrade' ? times.map(([, ms]) => ms) : [],
    failures: phase.failures,
    samples: phase.samples,
  };
}

/** Upgrades or kills `contender` so many times under load. */
export async function compareProcess(
  contender: Contender,
  kind: ProcessResult['kind'],
  options: ProcessOptions,
): Promise<ProcessResult> {
  const stage = await Stage.open(contender, {
    rate: options.rate,
    sockets: options.sockets,
    prefixes: ['/stable', '/gen'],
    drainSeconds: UPGRADE_DRAIN_SECONDS,
    traffic: { slowMs: SLOW_MS },
  });
  try {
    await stage.client.answers(options.rate);
    await stage.client.mark(kind);
    const times: (readonly [number, number])[] = [];
    for (let i = 0; i < options.count; i++) {
      if (kind === 'upgrade') times.push(await upgradeOnce(stage));
      else {
        times.push([await killOnce(stage), 0]);
        await delay(options.killEveryMs);
      }
    }
    await stage.client.mark('after');
    await delay(1_000);
    const report = await stage.client.stop();
    const { duplicated } = judgePosts(stage.executed(), report);
    return resultOf(kind, phaseOf(report, kind), times, duplicated);
  } finally {
    await stage.close();
  }
}

/** What is not as it should be. */
export function missesOfProcess(result: ProcessResult): string[] {
  const misses: string[] = [];
  const none = (count: number, what: string): void => {
    if (count > 0) misses.push(`${count} ${what}`);
  };
  none(result.refused, 'refused connections');
  none(result.duplicatedPosts, 'POSTs executed twice');
  none(result.milliseconds.filter((ms) => ms < 0).length, `${result.kind}s that never served`);
  if (result.kind === 'upgrade') {
    none(result.failedNew, 'failed new requests');
    none(result.abortedInFlight, 'aborted in flight');
    none(result.resetIdle, 'idle connections reset');
  } else none(result.milliseconds.filter((ms) => ms > 1_000).length, 'kills over 1 s');
  return misses;
}
