/**
 * The oracle: decides whether what happened to a vector is one of its right answers, and names
 * what happened in the short words of the comparison table.
 *
 * I1  requests the recorder read = requests the client is answered for; no byte left over.
 * I2  every forwarded head has exactly one framing, canonical.
 * I3  a forwarded head has no control byte and exactly one Host.
 * I4  after bad framing the client connection closes.
 * I5  nothing is forwarded for a rejected head.
 * I6  a client's mistake is a 4xx (501, 505), never a 502.
 * I7  a request on a second connection right after gets its own answer.
 */

import type { Conversation } from '../support/raw-client.ts';
import { responseField } from '../support/response-reader.ts';
import type { Evidence, RightAnswer, Vector } from './vector.ts';

export interface Observation extends Evidence {
  readonly conversation: Conversation;
  /** Bytes the recorder could not read, or could not place. */
  readonly connectionErrors: readonly string[];
  /** What went wrong with the probe; empty when it got its own answer. */
  readonly probe: string;
}

/** Invariant violations that no right answer can excuse. */
export function dangers(vector: Vector, seen: Observation): string[] {
  const list = [...seen.connectionErrors];
  for (const request of seen.seen) {
    for (const violation of request.violations) list.push(`${request.target}: ${violation}`);
    if (request.target.includes('smug') && !vector.name.includes('pipelined')) {
      list.push(`I1 the origin served ${request.target}`);
    }
  }
  if (vector.answer === undefined) {
    const answered = seen.stream.responses
      .map((response) => responseField(response, 'x-origin-id'))
      .filter((id) => id !== undefined)
      .join(',');
    const complete = seen.seen
      .filter((request) => request.isComplete)
      .map((request) => String(request.id))
      .join(',');
    if (answered !== complete) {
      list.push(`I1 origin answered [${complete}], client got the answers [${answered}]`);
    }
  }
  for (const response of seen.stream.responses) list.push(...response.violations);
  if (seen.stream.error !== '') list.push(`the client got ${seen.stream.error}`);
  if (seen.probe !== '') list.push(`I7 ${seen.probe}`);
  return list;
}

/** What keeps `seen` from being this right answer; empty when it is. */
function missed(right: RightAnswer, seen: Observation): string[] {
  const list: string[] = [];
  const statuses = seen.stream.responses.map((response) => response.status);
  const isExpected =
    statuses.length === right.statuses.length &&
    right.statuses.every((allowed, i) => allowed.includes(statuses[i]!));
  if (!isExpected) {
    const wanted = right.statuses.map((allowed) => allowed.join('/')).join(', ') || 'none';
    list.push(`statuses: want ${wanted}, got ${statuses.join(', ') || 'none'}`);
  }
  const complete = seen.seen.filter((request) => request.isComplete).length;
  if (complete !== right.forwarded) {
    list.push(`I5 forwarded: want ${right.forwarded}, got ${complete}`);
  }
  const begun = seen.seen.length - complete;
  if (begun > right.begunMax) list.push(`I5 ${begun} requests begun at the origin`);
  if (seen.seen.some((request) => !request.isComplete && request.aborted === null)) {
    list.push('the origin was left waiting for the rest of a request');
  }
  if (right.closes !== 'any' && (seen.closed !== null) !== right.closes) {
    list.push(right.closes ? 'I4 the connection stayed open' : 'the connection was closed');
  }
  if (seen.stream.responses.some((response) => !response.isComplete)) {
    list.push('a response was cut off');
  }
  if (list.length === 0 && right.check !== undefined) {
    const wrong = right.check(seen);
    if (wrong !== '') list.push(wrong);
  }
  return list;
}

/** Everything that is wrong; empty when the vector passed. */
export function judge(vector: Vector, seen: Observation): string[] {
  const danger = dangers(vector, seen);
  const misses = vector.right.map((right) => missed(right, seen));
  const best = misses.find((list) => list.length === 0) ?? misses[0] ?? [];
  return [...danger, ...best];
}

/** The table's word: `400`, `F`, `F!`, `F 502`, `closed`, `hang`, with `open` where I4 fails. */
export function outcome(vector: Vector, seen: Observation): string {
  const statuses = seen.stream.responses.map((response) => response.status);
  const complete = seen.seen.filter((request) => request.isComplete).length;
  const isDangerous = dangers(vector, seen).length > 0;
  const last = statuses.at(-1);
  if (complete === 0) {
    const prefix = isDangerous && seen.seen.length > 0 ? 'F! ' : '';
    if (last !== undefined) {
      const mustClose = vector.right.every((right) => right.closes === true);
      return `${prefix}${last}${mustClose && seen.closed === null ? ' open' : ''}`;
    }
    return prefix + (seen.closed === null ? 'hang' : 'closed');
  }
  const failed = judge(vector, seen).length > 0;
  const mark = isDangerous ? 'F!' : failed ? 'F?' : 'F';
  if (statuses.length < complete && seen.closed === null) return `${mark} hang`;
  return last === undefined || last === 200 ? mark : `${mark} ${last}`;
}
