/**
 * The mixed traffic of a load client: kept-alive and new connections, slow downloads, POSTs with
 * unique ids, WebSockets. Open loop: a request is due when its time has come, however late the
 * ones before it are.
 *
 * X1  a request begins at most once; nothing is repeated by the client.
 * X2  requests in progress are bounded by `inProgressMax`; one that is due beyond it counts as
 *     failed with `not-begun`.
 */

import { ClientConnection, type Ended } from './client-connection.ts';
import {
  bodyOf,
  ENDPOINT_FIELD,
  HASH_FIELD,
  ID_FIELD,
  MIXED_ENDPOINT,
  sha256,
} from './exchange.ts';
import { SocketLane } from './socket-lane.ts';
import { Tally, type Kind, type Outcome, type PhaseSummary } from './tally.ts';

export interface TrafficPlan {
  readonly port: number;
  /** Host field of every request. */
  readonly host: string;
  /** Requests per second by kind. */
  readonly rates: Readonly<Record<Exclude<Kind, 'socket'>, number>>;
  /** Path prefixes to ask in turn, such as `/stable`. */
  readonly prefixes: readonly string[];
  /** How many kept-alive connections take turns, each idle most of the time. */
  readonly connections: number;
  readonly sockets: number;
  readonly socketPrefix: string;
  readonly socketEveryMs: number;
  readonly slowMs: number;
  readonly bodySize: number;
  readonly timeoutMs: number;
  readonly inProgressMax: number;
  /** Distinguishes the ids of several clients. */
  readonly idPrefix: string;
}

export const TRAFFIC_DEFAULTS: TrafficPlan = {
  port: 0,
  host: 'load.test',
  rates: { kept: 150, new: 90, slow: 5, post: 30 },
  prefixes: ['/stable'],
  connections: 40,
  sockets: 10,
  socketPrefix: '/stable',
  socketEveryMs: 500,
  slowMs: 2_000,
  bodySize: 1_000,
  timeoutMs: 15_000,
  inProgressMax: 2_000,
  idPrefix: 'c',
};

const TICK_MS = 4;
const SLOW_SIZE = 20_000;
/** A tick later than this (the machine was busy) makes no burst of everything that is due. */
const LATE_MAX_MS = 250;

/** Every so many-th request has a chunked body, if it has one. */
const CHUNKED_EACH = 3;

/** `content` in two chunks (RFC 9112 §7.1). */
function chunked(content: Buffer): Buffer {
  const half = content.length >> 1;
  const parts = [content.subarray(0, half), content.subarray(half)].filter(
    (part) => part.length > 0,
  );
  const pieces = parts.flatMap((part) => [
    Buffer.from(`${part.length.toString(16)}\r\n`),
    part,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}

interface Due {
  readonly kind: Exclude<Kind, 'socket'>;
  readonly everyMs: number;
  nextMs: number;
}

export class Traffic {
  readonly #plan: TrafficPlan;
  readonly #due: Due[] = [];
  readonly #lanes: SocketLane[] = [];
  #kept: (ClientConnection | null)[] = [];
  #turn = 0;
  #number = 0;
  #inProgress = 0;
  #timer: NodeJS.Timeout | null = null;
  #tally: Tally;
  readonly #whole: Tally;
  readonly #phases: PhaseSummary[] = [];
  /** POSTs that ended without an answer to them: whether they were executed is not known. */
  readonly unanswered: string[] = [];

  constructor(plan: TrafficPlan) {
    this.#plan = plan;
    const nowMs = performance.now();
    this.#tally = new Tally('start', nowMs);
    this.#whole = new Tally('whole', nowMs);
    for (const kind of ['kept', 'new', 'slow', 'post'] as const) {
      const rate = plan.rates[kind];
      if (rate <= 0) continue;
      const everyMs = 1_000 / rate;
      this.#due.push({ kind, everyMs, nextMs: nowMs + everyMs });
    }
    this.#kept = Array.from({ length: plan.connections }, () => null);
  }

  start(): void {
    const { port, socketPrefix, sockets, socketEveryMs, idPrefix } = this.#plan;
    for (let i = 0; i < sockets; i++) {
      const url = `ws://127.0.0.1:${port}${socketPrefix}/socket/${i}`;
      const lane = new SocketLane(url, `${idPrefix}-s${i}`, socketEveryMs, {
        echoed: (ms, endpoint) => this.#done('socket', ms, endpoint),
        failed: (outcome, detail) => this.#fail('socket', outcome, detail),
      });
      this.#lanes.push(lane);
      lane.open();
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Ends the phase that runs and begins another. */
  mark(name: string): void {
    const nowMs = performance.now();
    this.#phases.push(this.#tally.summary(nowMs));
    this.#tally = new Tally(name, nowMs);
  }

  /** The phase that runs, so far. */
  current(): PhaseSummary {
    return this.#tally.summary(performance.now());
  }

  /** Begins nothing more, waits for what runs. @returns every phase, the whole last */
  async stop(): Promise<readonly PhaseSummary[]> {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const lane of this.#lanes) lane.stop();
    while (this.#inProgress > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const connection of this.#kept) connection?.close();
    const nowMs = performance.now();
    return [...this.#phases, this.#tally.summary(nowMs), this.#whole.summary(nowMs)];
  }

  #done(kind: Kind, ms: number, endpoint: string): void {
    this.#tally.done(kind, ms, endpoint);
    this.#whole.done(kind, ms, endpoint);
  }

  #fail(kind: Kind, outcome: Outcome, detail: string): void {
    this.#tally.fail(kind, outcome, detail);
    this.#whole.fail(kind, outcome, detail);
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const due of this.#due) {
      if (nowMs - due.nextMs > LATE_MAX_MS) due.nextMs = nowMs;
      while (due.nextMs <= nowMs) {
        due.nextMs += due.everyMs;
        this.#begin(due.kind);
      }
    }
  }

  #begin(kind: Exclude<Kind, 'socket'>): void {
    const number = this.#number++;
    const id = `${this.#plan.idPrefix}-${number}`;
    if (this.#inProgress >= this.#plan.inProgressMax) {
      this.#fail(kind, 'not-begun', `${this.#inProgress} in progress`);
      return;
    }
    const isReused = kind === 'kept' || kind === 'post';
    const connection = isReused ? this.#keptConnection() : this.#connect();
    const { prefixes, timeoutMs, slowMs } = this.#plan;
    const prefix = prefixes[number % prefixes.length]!;
    const size = kind === 'slow' ? SLOW_SIZE : this.#plan.bodySize;
    const bytes = this.#request(kind, `${prefix}/${kind}`, id, size);
    const beganMs = performance.now();
    this.#inProgress++;
    const method = kind === 'post' ? 'POST' : 'GET';
    connection.request(method, bytes, kind === 'slow' ? timeoutMs + slowMs : timeoutMs, (ended) => {
      this.#inProgress--;
      if (!isReused) connection.close();
      this.#judge(kind, id, size, ended, performance.now() - beganMs);
    });
  }

  #request(kind: Kind, path: string, id: string, size: number): Buffer {
    const isPost = kind === 'post';
    const query = kind === 'slow' ? `?size=${size}&ms=${this.#plan.slowMs}` : `?size=${size}`;
    const content = isPost ? bodyOf(id, size) : Buffer.alloc(0);
    const isChunked = isPost && this.#number % CHUNKED_EACH === 0;
    const body = isChunked ? chunked(content) : content;
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${content.length}`;
    const more = isPost ? `${framing}\r\n${HASH_FIELD}: ${sha256(content)}\r\n` : '';
    const close = kind === 'new' || kind === 'slow' ? 'Connection: close\r\n' : '';
    const head =
      `${isPost ? 'POST' : 'GET'} ${path}${query} HTTP/1.1\r\nHost: ${this.#plan.host}\r\n` +
      `${ID_FIELD}: ${id}\r\n${more}${close}\r\n`;
    return Buffer.concat([Buffer.from(head, 'latin1'), body]);
  }

  #connect(): ClientConnection {
    return new ClientConnection(this.#plan.port, () => undefined);
  }

  /** An idle connection in turn, so that each rests between two requests. */
  #keptConnection(): ClientConnection {
    for (let i = 0; i < this.#kept.length; i++) {
      const at = this.#turn++ % this.#kept.length;
      const connection = this.#kept[at];
      if (connection?.isIdle === true) return connection;
      if (connection?.isOpen === true) continue; // Busy.
      return (this.#kept[at] = this.#open());
    }
    const extra = this.#open(); // All busy: one more, for as long as this lasts.
    this.#kept.push(extra);
    return extra;
  }

  #open(): ClientConnection {
    return new ClientConnection(this.#plan.port, (end) => {
      for (const tally of [this.#tally, this.#whole]) {
        if (end === 'fin') tally.idleClosed++;
        else tally.idleReset++;
      }
    });
  }

  #judge(kind: Kind, id: string, size: number, ended: Ended, ms: number): void {
    const { response, detail } = ended;
    const { outcome, endpoint } = judge(id, size, ended);
    if (outcome === 'ok') {
      this.#done(kind, ms, endpoint);
      return;
    }
    this.#fail(kind, outcome, `${id} after ${Math.round(ms)} ms ${endpoint} ${detail}`);
    if (kind === 'post' && (response === null || response.status >= 500)) this.unanswered.push(id);
  }
}

/** Whether it is the whole answer to that request, and from one configuration. */
export function judge(
  id: string,
  size: number,
  { outcome, response }: Ended,
): { readonly outcome: Outcome; readonly endpoint: string } {
  if (response === null || outcome !== 'ok') return { outcome, endpoint: '' };
  const field = (name: string): string =>
    response.fields.find((one) => one.name.toLowerCase() === name)?.value ?? '';
  const endpoint = field(ENDPOINT_FIELD);
  if (response.status !== 200) return { outcome: `status-${response.status}`, endpoint };
  if (field(ID_FIELD) !== id) return { outcome: 'foreign', endpoint };
  if (endpoint === MIXED_ENDPOINT) return { outcome: 'mixed', endpoint };
  const { body } = response;
  const isWhole = body.length === size && sha256(body) === field(HASH_FIELD);
  return { outcome: isWhole && body.equals(bodyOf(id, size)) ? 'ok' : 'corrupted', endpoint };
}
