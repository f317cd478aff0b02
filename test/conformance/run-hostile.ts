/**
 * Runs vectors of family B: a scripted origin behind the subject, a raw client in front.
 *
 * Danger, whatever the vector says: a truncated response that looks complete, a request sent
 * again that may have had an effect, and a probe that gets somebody else's answer.
 */

import { converse, type ClientStep } from '../support/raw-client.ts';
import { HostileOrigin } from '../support/hostile-origin.ts';
import { readResponses, responseField } from '../support/response-reader.ts';
import { holdsWithin } from '../support/wait.ts';
import type { HostileEvidence, HostileVector } from './hostile-vector.ts';

export interface HostileLane {
  readonly port: number;
  readonly origin: HostileOrigin;
}

export interface HostileResult {
  readonly vector: HostileVector;
  readonly evidence: HostileEvidence;
  readonly failures: readonly string[];
  readonly outcome: string;
}

let targets = 0;

async function get(port: number, target: string): Promise<string> {
  const { received } = await converse(port, {
    steps: [{ send: Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`) }],
    isEnough: (bytes) => readResponses(bytes, false).responses[0]?.isComplete === true,
    quietMs: 0,
    timeoutMs: 3_000,
  });
  const response = readResponses(received, true).responses[0];
  if (response === undefined) return 'no answer';
  const isOwn = responseField(response, 'x-origin-target') === encodeURIComponent(target);
  return isOwn ? '' : `${response.status} ${response.body.toString('latin1').slice(0, 100)}`;
}

function stepsOf(vector: HostileVector, target: string): readonly ClientStep[] {
  if (vector.client === undefined) {
    const body = vector.method === 'POST' ? 'Content-Length: 4\r\n\r\nbody' : '\r\n';
    const text = `${vector.method} ${target} HTTP/1.1\r\nHost: a.test\r\n${body}`;
    return [{ send: Buffer.from(text) }];
  }
  return vector.client.map((step) =>
    'send' in step
      ? { send: Buffer.from(step.send.toString('latin1').replace('TARGET', target), 'latin1') }
      : step,
  );
}

function judge(vector: HostileVector, evidence: HostileEvidence, probe: string): string[] {
  const list: string[] = [];
  const { stream, visits } = evidence;
  if (visits.length > vector.visitsMax) list.push(`sent to the origin ${visits.length} times`);
  const lie = stream.responses.find((response) => response.isComplete && response.status < 300);
  if (vector.isTruncated === true && lie !== undefined) list.push('truncated, but looks complete');
  if (stream.error !== '') list.push(`the client got ${stream.error}`);
  for (const response of [...stream.responses, ...stream.interim]) {
    if (vector.isTruncated !== true) list.push(...response.violations);
  }
  if (probe !== '') list.push(`I7 the probe got ${probe}`);
  const wrongs = vector.right.map((check) => check(evidence));
  if (!wrongs.includes('')) list.push(wrongs.join(' or '));
  return list;
}

function outcome(evidence: HostileEvidence, failures: readonly string[]): string {
  const { stream, closed } = evidence;
  const last = stream.responses.at(-1);
  const mark = failures.length > 0 ? '!' : '';
  if (stream.error !== '') return 'garbage!';
  if (last === undefined) return (closed === null ? 'hang' : 'closed') + mark;
  if (last.status === 101) return `101${mark}`;
  if (last.isComplete) return `${last.status}${mark}`;
  return (closed === null ? `${last.status} hang` : 'cut') + mark;
}

/** Runs one vector. Never throws for what the subject does. */
export async function runHostile(
  lane: HostileLane,
  vector: HostileVector,
  timeoutMs: number,
): Promise<HostileResult> {
  const target = `/b/${++targets}`;
  lane.origin.script(target, vector.script);
  const primed = vector.isReused === true ? await get(lane.port, `/prime-${targets}`) : '';
  const methods = [vector.method];
  const conversation = await converse(lane.port, {
    steps: stepsOf(vector, target),
    isEnough: (bytes) =>
      vector.isClientDriven === true ||
      (vector.awaitsClose !== true &&
        readResponses(bytes, false, methods).responses[0]?.isComplete === true),
    quietMs: 15,
    timeoutMs,
  });
  const endedAt = performance.now();
  if (vector.isClientDriven === true) {
    await holdsWithin(() => {
      const seen = lane.origin.visitsOf(target);
      return seen.length > 0 && seen.every((visit) => visit.ended !== null);
    }, 1_200);
  }
  const visits = lane.origin.visitsOf(target);
  const ended = visits[0]?.ended === null ? -1 : (visits[0]?.endedAt ?? -1);
  const evidence: HostileEvidence = {
    stream: readResponses(conversation.received, conversation.closed === 'fin', methods),
    received: conversation.received,
    closed: conversation.closed,
    visits,
    originEndMs: ended < 0 ? -1 : Math.max(0, ended - endedAt),
  };
  const probe = primed || (await get(lane.port, `/probe-${targets}`));
  const failures = judge(vector, evidence, probe);
  return { vector, evidence, failures, outcome: outcome(evidence, failures) };
}

function clip(text: string): string {
  return JSON.stringify(text.length > 800 ? `${text.slice(0, 800)}… (${text.length})` : text);
}

/** Everything a person needs to see why a vector failed. */
export function describeHostile(result: HostileResult): string {
  const { vector, evidence, failures } = result;
  const sent = vector
    .script(1)
    .map((step) => ('send' in step ? clip(step.send.toString('latin1')) : JSON.stringify(step)));
  const saw = evidence.visits.map((visit) => `  origin saw    ${clip(visit.head)}\n`).join('');
  return (
    `${vector.id} ${vector.name} (${vector.rule})\n${failures.join('\n')}\n` +
    `  origin sent   ${sent.join(', ') || 'nothing'}\n${saw}` +
    `  client got    ${clip(evidence.received.toString('latin1'))}` +
    ` then ${evidence.closed ?? 'open'}\n  outcome       ${result.outcome}`
  );
}
