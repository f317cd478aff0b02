/**
 * Runs vectors of families A, C, T and U through a subject and collects the evidence.
 *
 * A lane is one listener of the subject with one recorder behind it. Vectors of a lane run one
 * after the other, so everything its recorder sees belongs to the vector that is running.
 */

import { converse, type ClientPlan } from '../support/raw-client.ts';
import { RecorderOrigin } from '../support/recorder-origin.ts';
import { readResponses, responseField } from '../support/response-reader.ts';
import { holdsWithin } from '../support/wait.ts';
import { judge, outcome, type Observation } from './judge.ts';
import type { Vector } from './vector.ts';

export interface Lane {
  readonly port: number;
  readonly origin: RecorderOrigin;
}

export interface RunOptions {
  readonly cuts?: ClientPlan['cuts'];
  /** Longest wait for an answer or a close that does not come. */
  readonly timeoutMs: number;
}

export interface Result {
  readonly vector: Vector;
  readonly observation: Observation;
  /** Empty when the vector passed. */
  readonly failures: readonly string[];
  readonly outcome: string;
}

/** How long to look for bytes that should not come, once all that should have come are there. */
const QUIET_MS = 15;
const PROBE_TARGET = /^\/probe-/;
let probes = 0;

async function probe(lane: Lane): Promise<string> {
  const target = `/probe-${++probes}`;
  const { received } = await converse(lane.port, {
    steps: [{ send: Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`) }],
    isEnough: (bytes) => readResponses(bytes, false).responses[0]?.isComplete === true,
    quietMs: 0,
    timeoutMs: 3_000,
  });
  const response = readResponses(received, true).responses[0];
  if (response === undefined) return 'the probe got no answer';
  const answeredTarget = responseField(response, 'x-origin-target') ?? '';
  const isOwn = response.status === 200 && decodeURIComponent(answeredTarget) === target;
  return isOwn ? '' : `the probe got ${response.status} for ${answeredTarget}`;
}

/**
 * Enough has come when as many responses are there as any right answer has, unless every right
 * answer that fits them also closes: then the close is still to be seen.
 */
function enough(vector: Vector): (received: Buffer) => boolean {
  const count = Math.max(...vector.right.map((right) => right.statuses.length));
  const isReset = vector.steps.some((step) => 'end' in step && step.end === 'reset');
  return (received) => {
    if (isReset) return true;
    const { responses } = readResponses(received, false, vector.methods);
    if (responses.length === 0 || !responses.every((r) => r.isComplete)) return false;
    const fitting = vector.right.filter(
      (right) =>
        right.statuses.length === responses.length &&
        right.statuses.every((allowed, i) => allowed.includes(responses[i]!.status)),
    );
    if (fitting.length === 0) return responses.length >= count;
    return fitting.some((right) => right.closes !== true);
  };
}

/** Runs one vector. Never throws for what the subject does. */
export async function runVector(lane: Lane, vector: Vector, options: RunOptions): Promise<Result> {
  const { origin } = lane;
  origin.forget();
  if (vector.answer !== undefined) {
    const scripted = vector.answer;
    const plain = origin.answer;
    origin.answer = (request) =>
      PROBE_TARGET.test(request.target) ? plain(request) : scripted(request);
  }
  const conversation = await converse(lane.port, {
    steps: vector.steps,
    ...(options.cuts === undefined ? {} : { cuts: options.cuts }),
    isEnough: enough(vector),
    quietMs: QUIET_MS,
    timeoutMs: options.timeoutMs,
  });
  const problem = await probe(lane);
  // An aborted exchange ends at the origin a moment after it ended at the client.
  await holdsWithin(
    () => origin.requests.every((request) => request.isComplete || request.aborted !== null),
    1_000,
  );
  const stream = readResponses(
    conversation.received,
    conversation.closed === 'fin',
    vector.methods,
  );
  const observation: Observation = {
    conversation,
    stream,
    seen: origin.requests.filter((request) => !PROBE_TARGET.test(request.target)),
    closed: conversation.closed,
    elapsedMs: conversation.elapsedMs,
    connectionErrors: origin.connectionErrors(),
    probe: problem,
  };
  const failures = judge(vector, observation);
  if (failures.length > 0) origin.dropConnections();
  return { vector, observation, failures, outcome: outcome(vector, observation) };
}

function clip(text: string): string {
  const size = 1_200;
  return JSON.stringify(text.length > size ? `${text.slice(0, size)}… (${text.length})` : text);
}

/** Everything a person needs to see why a vector failed. */
export function describeResult(result: Result): string {
  const { vector, observation, failures } = result;
  const seen = observation.seen.map(
    (request) =>
      `  origin saw    ${clip(request.rawHead)} body ${clip(request.body.toString('latin1'))}` +
      ` ${request.isComplete ? 'complete' : `cut off (${request.aborted ?? 'still open'})`}\n`,
  );
  return (
    `${vector.id} ${vector.name} (${vector.rule})\n${failures.join('\n')}\n` +
    `  client sent   ${clip(observation.conversation.sent.toString('latin1'))}\n` +
    (seen.length === 0 ? '  origin saw    nothing\n' : seen.join('')) +
    `  client got    ${clip(observation.conversation.received.toString('latin1'))}` +
    ` then ${observation.closed ?? 'open'} after ${Math.round(observation.elapsedMs)} ms\n` +
    `  outcome       ${result.outcome}`
  );
}

/** Opens `count` recorders. */
export async function startRecorders(count: number): Promise<RecorderOrigin[]> {
  return Promise.all(Array.from({ length: count }, () => RecorderOrigin.start()));
}
