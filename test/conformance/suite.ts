/**
 * All families over one subject: lanes, scheduling and teardown.
 */

import { freePorts } from '../support/free-port.ts';
import { HostileOrigin } from '../support/hostile-origin.ts';
import { createPrng } from '../support/prng.ts';
import type { ClientPlan } from '../support/raw-client.ts';
import type { Link, Subject } from '../support/subject.ts';
import { runHostile, type HostileLane, type HostileResult } from './run-hostile.ts';
import { runVector, startRecorders, type Lane, type Result } from './run-vector.ts';
import type { HostileVector } from './hostile-vector.ts';
import type { Vector } from './vector.ts';
import { headFraming } from './vectors/head-framing.ts';
import { headSyntax } from './vectors/head-syntax.ts';
import { chunkedBody } from './vectors/chunked-body.ts';
import { targetHost } from './vectors/target-host.ts';
import { hopByHop } from './vectors/hop-by-hop.ts';
import { hostileOrigin } from './vectors/hostile-origin.ts';
import { hostileExchange } from './vectors/hostile-exchange.ts';

/** Families A, C, T and U: a client speaks, a recorder listens. */
export const REQUEST_VECTORS: readonly Vector[] = [
  ...headFraming,
  ...headSyntax,
  ...chunkedBody,
  ...targetHost,
  ...hopByHop,
];

/** Family B: the origin misbehaves. */
export const HOSTILE_VECTORS: readonly HostileVector[] = [...hostileOrigin, ...hostileExchange];

const BYTEWISE_MAX = 700;
const random = createPrng(9_112);

/** Cuts for a split run: every byte on its own, or some random cuts for long input. */
export function cutsOf(vector: Vector): ClientPlan['cuts'] {
  const sent = vector.steps.map((step) => ('send' in step ? step.send.length : 0));
  const size = sent.reduce((sum, one) => sum + one, 0);
  if (size <= BYTEWISE_MAX) return 'bytes';
  return Array.from({ length: 12 }, () => 1 + random.below(size - 1)).toSorted((a, b) => a - b);
}

/** Splitting changes nothing about silence and ends, and those wait for a timeout. */
export function isWorthSplitting(vector: Vector): boolean {
  return vector.steps.length === 1 && !vector.right.some((r) => r.statuses[0]?.includes(408));
}

export interface SuiteOptions {
  readonly requestLanes: number;
  readonly hostileLanes: number;
  readonly start: (links: readonly Link[]) => Promise<Subject | null>;
}

export interface Suite {
  readonly subject: Subject;
  readonly lanes: readonly Lane[];
  readonly hostileLanes: readonly HostileLane[];
  close(): Promise<void>;
}

/** Origins, then the subject in front of them. @returns null when the subject is not there */
export async function openSuite(options: SuiteOptions): Promise<Suite | null> {
  const recorders = await startRecorders(options.requestLanes);
  const hostile = await Promise.all(
    Array.from({ length: options.hostileLanes }, () => HostileOrigin.start()),
  );
  const origins = [...recorders, ...hostile];
  const closeOrigins = async (): Promise<void> => {
    await Promise.all(origins.map((origin) => origin.close()));
  };
  const ports = await freePorts(origins.length);
  const links = origins.map((origin, i) => ({ listenPort: ports[i]!, originPort: origin.port }));
  let subject: Subject | null = null;
  try {
    subject = await options.start(links);
  } finally {
    if (subject === null) await closeOrigins();
  }
  if (subject === null) return null;
  const started = subject;
  return {
    subject: started,
    lanes: recorders.map((origin, i) => ({ port: ports[i]!, origin })),
    hostileLanes: hostile.map((origin, i) => ({ port: ports[recorders.length + i]!, origin })),
    async close() {
      await started.stop();
      await closeOrigins();
    },
  };
}

/** Spreads work over lanes, one job per lane at a time; results in the order of `jobs`. */
export function spread<Job, LaneKind, Outcome>(
  jobs: readonly Job[],
  lanes: readonly LaneKind[],
  run: (lane: LaneKind, job: Job) => Promise<Outcome>,
): Promise<Outcome>[] {
  const settled = jobs.map(() => Promise.withResolvers<Outcome>());
  let next = 0;
  const work = async (lane: LaneKind): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      try {
        settled[index]!.resolve(await run(lane, jobs[index]!));
      } catch (error) {
        settled[index]!.reject(error);
      }
    }
  };
  for (const lane of lanes) void work(lane);
  // Whoever awaits the results sees a failure; until then it must not count as unhandled.
  for (const { promise } of settled) promise.catch(() => undefined);
  return settled.map(({ promise }) => promise);
}

export interface SuiteRun {
  readonly timeoutMs: number;
  /** How the client's bytes are cut, per vector; absent: not at all. */
  readonly cuts?: (vector: Vector) => ClientPlan['cuts'];
}

/** Starts all request vectors. */
export function runRequests(
  suite: Suite,
  vectors: readonly Vector[],
  options: SuiteRun,
): Promise<Result>[] {
  return spread(vectors, suite.lanes, (lane, vector) => {
    const cuts = options.cuts?.(vector);
    return runVector(lane, vector, {
      timeoutMs: options.timeoutMs,
      ...(cuts === undefined ? {} : { cuts }),
    });
  });
}

/** Starts all hostile vectors. */
export function runHostiles(
  suite: Suite,
  vectors: readonly HostileVector[],
  timeoutMs: number,
): Promise<HostileResult>[] {
  return spread(vectors, suite.hostileLanes, (lane, vector) => runHostile(lane, vector, timeoutMs));
}
