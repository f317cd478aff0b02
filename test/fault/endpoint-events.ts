/**
 * What happens to endpoints, and what clients notice: killed, stopped, slow, flapping.
 *
 * One of three endpoints is hit under load; the others serve on. Each event is a phase of the load
 * client, so that its failures are its own.
 */

import { phaseOf } from '../support/load/processes.ts';
import type { PhaseSummary } from '../support/load/tally.ts';
import { delay, holdsWithin } from '../support/wait.ts';
import type { ProxyStage } from './proxy-stage.ts';

/** Health checks and retries as somebody sets them who wants ejection below a second. */
export const QUICK_HEALTH = `slow-start = "2s"
[services.all.health-check]
path = "/check?size=1"
interval = "200ms"
timeout = "300ms"
up = 2
down = 2
[services.all.retry]
try-timeout = "500ms"
`;

export type EventKind = 'killed' | 'stopped' | 'slow' | 'flapping';
export const EVENT_KINDS: readonly EventKind[] = ['killed', 'stopped', 'slow', 'flapping'];

export interface EventResult {
  readonly kind: EventKind;
  readonly requests: number;
  /** Failures clients saw, of requests that could have been repeated, and of POSTs. */
  readonly failedGets: number;
  readonly failedPosts: number;
  /** Answers that had begun: nobody can repeat those, only end them where they broke off. */
  readonly cutAnswers: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly samples: readonly string[];
  readonly p99: number;
  /** From the event to the endpoint being out, -1: never. */
  readonly ejectedMs: number;
  /** From the end of the event to the first answer from the endpoint, -1: never. */
  readonly backMs: number;
}

const HIT = 1;
const NAME = `e${HIT}`;
/** How long an event lasts, for everybody alike. */
const HOLD_MS = 3_000;
const BACK_MAX_MS = 15_000;
const SLOW_MS = 10_000;
const FLAPS = 5;
const FLAP_MS = 400;

async function begin(stage: ProxyStage, kind: EventKind): Promise<void> {
  const origin = stage.origins[HIT]!;
  if (kind === 'killed') await origin.kill();
  else if (kind === 'stopped') origin.freeze();
  else if (kind === 'slow') origin.set(NAME, { delayMs: SLOW_MS });
  else {
    for (let i = 0; i < FLAPS; i++) {
      stage.proxies[HIT]!.faults = { refuse: true };
      stage.proxies[HIT]!.resetAll();
      await delay(FLAP_MS);
      stage.proxies[HIT]!.faults = {};
      await delay(FLAP_MS);
    }
  }
}

async function end(stage: ProxyStage, kind: EventKind): Promise<void> {
  const origin = stage.origins[HIT]!;
  if (kind === 'killed') await origin.restart();
  else if (kind === 'stopped') origin.thaw();
  else if (kind === 'slow') origin.set(NAME, { delayMs: 0 });
}

function failed(phase: PhaseSummary, isIt: (key: string) => boolean): number {
  return Object.entries(phase.failures)
    .filter(([key]) => isIt(key))
    .reduce((sum, [, count]) => sum + count, 0);
}

const isCut = (key: string): boolean => /truncated$|mid-answer$/.test(key);
const isPost = (key: string): boolean => key.startsWith('post ');

async function timed(condition: () => Promise<boolean>, limitMs: number): Promise<number> {
  const startedMs = performance.now();
  const isTrue = await holdsWithin(async () => {
    if (await condition()) return true;
    await delay(20);
    return false;
  }, limitMs);
  return isTrue ? Math.round(performance.now() - startedMs) : -1;
}

/** Lets one event happen and pass. The load client must run. */
export async function endpointEvent(
  stage: ProxyStage,
  kind: EventKind,
): Promise<Omit<EventResult, keyof PhaseFigures>> {
  await stage.client.mark(kind);
  const isOut = async (): Promise<boolean> => (await stage.isUp(HIT)) === false;
  const lasts = delay(kind === 'flapping' ? 0 : HOLD_MS);
  const out = timed(isOut, HOLD_MS);
  await begin(stage, kind);
  await lasts;
  const ejectedMs = await out;
  await end(stage, kind);
  const attemptsBefore = await attemptsOf(stage);
  const answersBefore = answersOf(stage);
  const isBack = async (): Promise<boolean> => {
    const isUp = await stage.isUp(HIT);
    // A peer does not say: its answers do, each second.
    if (isUp === null) return answersOf(stage) > answersBefore;
    return isUp && (await attemptsOf(stage)) > attemptsBefore;
  };
  const backMs = await timed(isBack, BACK_MAX_MS);
  return { kind, ejectedMs, backMs };
}

function answersOf(stage: ProxyStage): number {
  return stage.client.current?.endpoints[NAME] ?? 0;
}

async function attemptsOf(stage: ProxyStage): Promise<number> {
  return (await stage.metricOf('upstream_attempts_total', stage.proxies[HIT]!.port)) ?? 0;
}

interface PhaseFigures {
  readonly requests: number;
  readonly failedGets: number;
  readonly failedPosts: number;
  readonly cutAnswers: number;
  readonly failures: EventResult['failures'];
  readonly samples: EventResult['samples'];
  readonly p99: number;
}

function figures(phase: PhaseSummary): PhaseFigures {
  return {
    requests: phase.ok + phase.failed,
    failedGets: failed(phase, (key) => !isCut(key) && !isPost(key)),
    failedPosts: failed(phase, (key) => !isCut(key) && isPost(key)),
    cutAnswers: failed(phase, isCut),
    failures: phase.failures,
    samples: phase.samples,
    p99: phase.latency.p99,
  };
}

export interface EndpointResult {
  readonly events: readonly EventResult[];
  readonly duplicatedPosts: number;
  readonly duplicated: readonly string[];
}

/** Every kind of event in turn, then the judgement of the load client. */
export async function endpointEvents(
  stage: ProxyStage,
  kinds: readonly EventKind[] = EVENT_KINDS,
): Promise<EndpointResult> {
  await stage.client.answers(100);
  const events: Omit<EventResult, keyof PhaseFigures>[] = [];
  for (const kind of kinds) {
    events.push(await endpointEvent(stage, kind));
    await stage.client.mark(`after ${kind}`);
    await delay(1_000);
  }
  const report = await stage.client.stop();
  const { duplicated } = stage.executed();
  return {
    events: events.map((event) => ({ ...event, ...figures(phaseOf(report, event.kind)) })),
    duplicatedPosts: duplicated.length,
    duplicated,
  };
}

/** What is not as it should be. */
export function missesOfEndpoints(result: EndpointResult): string[] {
  const misses: string[] = [];
  for (const event of result.events) {
    const { kind, failedGets, ejectedMs, backMs } = event;
    if (failedGets > 1) misses.push(`${kind}: ${failedGets} failed GETs, over 1`);
    if (kind !== 'flapping' && (ejectedMs < 0 || ejectedMs > 1_000)) {
      misses.push(`${kind}: ejected after ${ejectedMs} ms, over 1000 ms`);
    }
    if (backMs < 0 || backMs > 5_000) misses.push(`${kind}: back after ${backMs} ms, over 5000 ms`);
  }
  if (result.duplicatedPosts > 0) misses.push(`${result.duplicatedPosts} POSTs executed twice`);
  return misses;
}
