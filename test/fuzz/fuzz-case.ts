/**
 * One fuzz case: a mutated request against a good origin, or a good request against a mutated
 * response. Everything in it follows from the seed and the number of the case.
 */

import { converse } from '../support/raw-client.ts';
import { createPrng } from '../support/prng.ts';
import { readResponses, type SeenResponse } from '../support/response-reader.ts';
import { fieldValue } from '../support/strict-head.ts';
import { anyResponse, REQUEST_CORPUS } from './corpus.ts';
import type { FuzzOrigin, Plan } from './fuzz-origin.ts';
import { mutate, randomCuts } from './mutate.ts';
import { isWhole } from './self-describing.ts';

const QUIET_MS = 5;
const WAIT_MS = 120;

export interface FuzzCase {
  readonly number: number;
  readonly direction: 'request' | 'response';
  readonly target: string;
  readonly request: Buffer;
  readonly cuts: readonly number[];
  readonly clientEnds: 'stay' | 'fin' | 'reset';
  /** Null for a request case: the origin answers well. */
  readonly plan: Plan | null;
}

/** The case with this number. */
export function makeCase(seed: number, number: number): FuzzCase {
  const random = createPrng((Math.imul(seed, 2_654_435_761) ^ Math.imul(number, 40_503)) >>> 0);
  const target = `/f/${number}`;
  const isRequest = random.below(2) === 0;
  const pick = (): Buffer => {
    const text = random.pick(REQUEST_CORPUS).toString('latin1').replaceAll('TARGET', target);
    return Buffer.from(text, 'latin1');
  };
  const clientEnds = isRequest
    ? random.pick(['stay', 'stay', 'stay', 'fin', 'reset'] as const)
    : 'stay';
  const request = isRequest
    ? mutate(pick(), pick(), random)
    : Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  let plan: Plan | null = null;
  if (!isRequest) {
    const response = anyResponse(random);
    const bytes = mutate(response.bytes, anyResponse(random).bytes, random);
    const ending = random.pick([response.ending, response.ending, 'fin', 'reset'] as const);
    plan = { bytes, cuts: randomCuts(bytes.length, random), ending };
  }
  const cuts = randomCuts(request.length, random);
  return {
    number,
    direction: isRequest ? 'request' : 'response',
    target,
    request,
    cuts,
    clientEnds,
    plan,
  };
}

/** True for an answer the proxy made itself. */
function isProxyAnswer(response: SeenResponse): boolean {
  return response.status >= 400 && response.body.includes('request id:');
}

/** A complete response is right when it is the proxy's own, whole, or exactly what was sent. */
function isRight(response: SeenResponse, plan: Plan | null, isHead: boolean): boolean {
  if (isProxyAnswer(response) || isHead) return true;
  if (response.framing === 'none' || isWhole(response.body)) return true;
  if (plan === null) return fieldValue(response.fields, 'x-origin-id') === undefined;
  const sent = readResponses(withSpaces(plan.bytes), plan.ending === 'fin').responses[0];
  return sent !== undefined && sent.isComplete && sent.body.equals(response.body);
}

/**
 * Status lines with the space that belongs behind the code: the proxy takes an origin's without it
 * (as others do), while the reader that judges what clients get does not.
 */
function withSpaces(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const repaired = text.replace(/(^|\r\n\r\n)(HTTP\/1\.[01] [1-9][0-9]{2})\r\n/g, '$1$2 \r\n');
  return Buffer.from(repaired, 'latin1');
}

/** Runs a case. @returns what went wrong; empty when nothing did */
export async function runCase(port: number, origin: FuzzOrigin, one: FuzzCase): Promise<string[]> {
  if (one.plan !== null) origin.plan(one.target, one.plan);
  const isHead = one.request.toString('latin1', 0, 5) === 'HEAD ';
  const end = one.clientEnds === 'stay' ? [] : [{ end: one.clientEnds }];
  const { received, closed } = await converse(port, {
    steps: [{ send: one.request }, ...end],
    cuts: one.cuts,
    isEnough: (bytes) =>
      one.clientEnds === 'reset' || readResponses(bytes, false).responses[0]?.isComplete === true,
    quietMs: QUIET_MS,
    timeoutMs: WAIT_MS,
  });
  origin.forget(one.target);
  const stream = readResponses(received, closed === 'fin', isHead ? ['HEAD'] : []);
  const wrong: string[] = [];
  if (stream.error !== '' && !received.includes(' 101 ')) wrong.push(`client got ${stream.error}`);
  // After a HEAD or a method that was mutated into another, later responses cannot be framed here.
  const first = stream.responses[0];
  if (first === undefined || first.status === 101) return wrong;
  if (first.isComplete && !isRight(first, one.plan, isHead)) {
    wrong.push(`a ${first.status} with ${first.body.length} body bytes looks complete and is not`);
  }
  const id = fieldValue(first.fields, 'x-origin-id');
  if (one.direction === 'response') {
    wrong.push(...first.violations);
    if (id !== undefined) wrong.push('the client got the answer to another request');
  }
  if (id !== undefined && !origin.markDelivered(id)) wrong.push(`answer ${id} came twice`);
  return wrong;
}

function clip(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1').slice(0, 1_500));
}

/** The case in words, for a report. */
export function describeCase(one: FuzzCase): string {
  const plan =
    one.plan === null ? '' : `\n  origin sent ${clip(one.plan.bytes)} then ${one.plan.ending}`;
  return (
    `case ${one.number} (${one.direction})\n  client sent ${clip(one.request)}` +
    ` cut at [${one.cuts.join(', ')}] then ${one.clientEnds}${plan}`
  );
}
