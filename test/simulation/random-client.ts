/**
 * Clients of the random simulation: each sends a few requests in a manner drawn from a seed, and
 * judges at the end what it received against what it asked for.
 */

import type { Prng } from '../../src/base/prng.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import type { Simulation } from '../../src/data/io/sim/simulation.ts';
import { readResponses, responseField } from '../support/response-reader.ts';
import type { SeenResponse } from '../support/response-reader.ts';
import { bodyFor } from './random-origin.ts';
import { LISTENER } from './world.ts';

const KINDS = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'CHUNKED', 'PUT', 'DELETE'] as const;
const MALFORMED = [
  'GET /bad HTTP/1.1\r\nHost: a.test\r\nX: a\nb\r\n\r\n',
  'POST /bad HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
  'GET /bad HTTP/1.1\r\n\r\n',
  'nonsense\r\n\r\n',
];
/** Its head is good, so an origin may answer before the body turns out to be bad. */
export const BAD_BODY_TARGET = '/bad-body';
const MALFORMED_BODY =
  'POST /bad-body HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n';

export interface AskedRequest {
  readonly method: string;
  readonly target: string;
  readonly text: string;
  /** What an origin that has read all of it must have seen. */
  readonly body: string;
  readonly isMalformed: boolean;
}

/** What became of a client's requests. */
export interface Verdict {
  readonly goodCount: number;
  readonly errorCount: number;
  readonly brokenCount: number;
  /** What must never be. */
  readonly mistakes: readonly string[];
}

export class RandomClient {
  readonly requests: AskedRequest[] = [];
  readonly #sim: Simulation;
  readonly #prng: Prng;
  readonly #isCalm: boolean;
  readonly #isHttp10: boolean;
  readonly #isTunnel: boolean;
  readonly #isPipelining: boolean;
  #peer!: SimPeer;
  #sentCount = 0;
  /** It closed, reset or half-closed before it had every answer. */
  #hasLeft = false;
  #isSending = false;

  constructor(sim: Simulation, prng: Prng, name: string, isCalm: boolean) {
    this.#sim = sim;
    this.#prng = prng;
    this.#isCalm = isCalm;
    this.#isHttp10 = prng.chance(0.1);
    this.#isTunnel = !this.#isHttp10 && prng.chance(0.1);
    this.#isPipelining = prng.chance(0.4);
    const count = this.#isHttp10 || this.#isTunnel ? 1 : prng.integer(1, 5);
    for (let index = 0; index < count; index++) this.requests.push(this.#draw(`/${name}-${index}`));
    if (!isCalm && !this.#isTunnel && prng.chance(0.1)) this.requests.push(this.#drawMalformed());
  }

  start(): void {
    this.#peer = this.#sim.connectClient(LISTENER, { onBytes: () => this.#goOn() });
    if (this.#isPipelining) while (this.#sentCount < this.requests.length) this.#sendNext();
    else this.#sendNext();
    if (this.#isCalm) return;
    const prng = this.#prng;
    const leaves = prng.integer(0, 9);
    const atMs = this.#sim.nowMs() + prng.integer(0, 400);
    if (leaves === 0) this.#at(atMs, () => this.#leave(() => this.#peer.abort()));
    if (leaves === 1) this.#at(atMs, () => this.#leave(() => this.#peer.reset()));
    if (leaves === 2) this.#at(atMs, () => this.#leave(() => this.#peer.end()));
    if (leaves !== 3) return;
    this.#at(atMs, () => this.#peer.pause());
    this.#at(atMs + prng.integer(0, 3_000), () => this.#peer.resume());
  }

  /** The network lost its segments: it can no longer tell what it was told. */
  lose(): void {
    this.#hasLeft = true;
  }

  /** Compares what was received with what was asked for. Once nothing more can happen. */
  judge(): Verdict {
    const peer = this.#peer;
    const methods = this.requests.map((request) => request.method);
    const isOrderly = peer.hasEnded;
    const bytes = Buffer.from(peer.bytes());
    const { responses: all, interim, error, leftover } = readResponses(bytes, isOrderly, methods);
    // What was meant for a tunnel that was not granted is a malformed request, with its 400.
    const responses = this.#isTunnel ? all.slice(0, 1) : all;
    const mistakes: string[] = [];
    if (error !== '') mistakes.push(`unreadable answer: ${error}`);
    if (responses.length > this.requests.length) mistakes.push('more answers than requests');
    if (this.#isHttp10 && interim.length > 0) mistakes.push('an interim response to HTTP/1.0');
    let goodCount = 0;
    let errorCount = 0;
    responses.forEach((response, index) => {
      const request = this.requests[index];
      if (request === undefined) return;
      const mistake = this.#judgeOne(request, response, leftover);
      if (mistake !== '') mistakes.push(`${request.method} ${request.target}: ${mistake}`);
      if (!response.isComplete) {
        if (index < responses.length - 1) mistakes.push('an answer behind a broken one');
      } else if (response.status < 400) goodCount++;
      else errorCount++;
    });
    const brokenCount = this.requests.length - goodCount - errorCount;
    if (brokenCount > 0 && !this.#hasLeft && !peer.hasEnded && !peer.isClosed) {
      mistakes.push(`${brokenCount} requests without an answer on an open connection`);
    }
    const closing = responses.findIndex(announcesClose);
    const dueCount = closing < 0 ? this.requests.length : closing + 1;
    if (this.#isCalm && !this.#hasLeft && goodCount < dueCount) {
      const statuses = responses.map((response) => `${response.status}:${response.isComplete}`);
      mistakes.push(`calm weather, but ${goodCount} of ${methods.join()} good: ${statuses.join()}`);
    }
    return { goodCount, errorCount, brokenCount, mistakes };
  }

  #judgeOne(request: AskedRequest, response: SeenResponse, leftover: Buffer): string {
    if (response.violations.length > 0) return response.violations.join('; ');
    if (response.status === 101) {
      const isPrefix = request.body.startsWith(leftover.toString('latin1'));
      return isPrefix ? '' : 'the tunnel changed bytes';
    }
    const body = response.body.toString('latin1');
    if (response.status >= 400) {
      const starts = `${response.status} `;
      if (!response.isComplete || request.method === 'HEAD') return '';
      return body.startsWith(starts) ? '' : `odd error body ${JSON.stringify(body.slice(0, 80))}`;
    }
    if (request.isMalformed && request.target !== BAD_BODY_TARGET)
      return 'a malformed request was served';
    const right = request.method === 'HEAD' ? '' : bodyFor(request.target);
    if (response.isComplete && body !== right)
      return `${body.length} of ${right.length} bytes right`;
    return right.startsWith(body) ? '' : 'bytes of something else';
  }

  #draw(target: string): AskedRequest {
    const prng = this.#prng;
    const host = 'Host: a.test\r\n';
    const base = { target, body: '', isMalformed: false };
    if (this.#isHttp10) {
      return { ...base, method: 'GET', text: `GET ${target} HTTP/1.0\r\n${host}\r\n` };
    }
    if (this.#isTunnel) {
      const body = 'echo '.repeat(prng.integer(0, 2_000));
      const fields = `${host}Connection: Upgrade\r\nUpgrade: websocket\r\n`;
      const text = `GET ${target} HTTP/1.1\r\n${fields}\r\n`;
      return { ...base, method: 'GET', text, body };
    }
    const kind = KINDS[prng.integer(0, KINDS.length - 1)]!;
    const sizeMax = [0, 400, 400, 40_000][prng.integer(0, 3)]!;
    const size = prng.integer(0, sizeMax);
    const body = `${target} `.repeat(Math.ceil(size / target.length)).slice(0, size);
    if (kind === 'POST' || kind === 'PUT') {
      const text = `${kind} ${target} HTTP/1.1\r\n${host}Content-Length: ${size}\r\n\r\n${body}`;
      return { ...base, method: kind, text, body };
    }
    if (kind !== 'CHUNKED') {
      return { ...base, method: kind, text: `${kind} ${target} HTTP/1.1\r\n${host}\r\n` };
    }
    let text = `POST ${target} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`;
    for (let at = 0; at < size;) {
      const piece = body.slice(at, at + prng.integer(1, 3_000));
      text += `${piece.length.toString(16)}\r\n${piece}\r\n`;
      at += piece.length;
    }
    return { ...base, method: 'POST', text: `${text}0\r\n\r\n`, body };
  }

  #drawMalformed(): AskedRequest {
    const isBodyBad = this.#prng.chance(0.3);
    const text = isBodyBad
      ? MALFORMED_BODY
      : MALFORMED[this.#prng.integer(0, MALFORMED.length - 1)]!;
    const target = isBodyBad ? BAD_BODY_TARGET : '/bad';
    return { method: 'BAD', target, text, body: '', isMalformed: true };
  }

  /** Sends the next request in pieces, then perhaps waits for its answer. */
  #sendNext(): void {
    const request = this.requests[this.#sentCount++];
    if (request === undefined || this.#hasLeft) return;
    const prng = this.#prng;
    const text = this.#isTunnel ? request.text + request.body : request.text;
    const isSlow = prng.chance(0.3);
    let atMs = this.#sim.nowMs();
    this.#isSending = true;
    for (let at = 0; at < text.length;) {
      const size = isSlow ? prng.integer(1, Math.ceil(text.length / 4)) : text.length;
      const piece = text.slice(at, at + size);
      at += size;
      const isLast = at >= text.length;
      this.#at(atMs, () => {
        this.#peer.send(piece);
        if (isLast) this.#isSending = false;
      });
      atMs += isSlow && !this.#isPipelining ? prng.integer(0, 200) : 0;
    }
    if (this.#isTunnel) this.#at(atMs + prng.integer(50, 900), () => this.#peer.end());
  }

  /** Asks for more once the last answer is here. */
  #goOn(): void {
    if (this.#isPipelining || this.#isTunnel || this.#isSending) return;
    const methods = this.requests.map((request) => request.method);
    const bytes = Buffer.from(this.#peer.bytes());
    const { responses } = readResponses(bytes, false, methods);
    if (responses.length < this.#sentCount || !responses.at(-1)!.isComplete) return;
    if (this.#sentCount >= this.requests.length) return;
    if (announcesClose(responses.at(-1)!)) return;
    this.#sendNext();
  }

  #leave(how: () => void): void {
    if (this.#peer.isClosed) return;
    this.#hasLeft = true;
    how();
  }

  #at(atMs: number, task: () => void): void {
    this.#sim.world.at(atMs, () => {
      if (!this.#peer.isClosed) task();
    });
  }
}

/** The proxy takes no more requests on this connection. */
function announcesClose(response: SeenResponse): boolean {
  return responseField(response, 'connection') === 'close';
}
