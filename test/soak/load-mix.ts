/**
 * A bounded client mix: keep-alive GETs, POSTs, new connections, chunked uploads, WebSocket echo.
 *
 * Every answer is checked, so a soak also counts wrong ones. `pace` limits how many begin per
 * second; without it each lane goes as fast as it is answered.
 */

import http from 'node:http';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { fetchFrom } from '../support/http-origin.ts';
import { createPrng, type Prng } from '../support/prng.ts';
import { delay, within } from '../support/wait.ts';

const BODY = Buffer.alloc(3_000, 'b');
const ANSWER_TIMEOUT_MS = 10_000;

export interface LoadCounts {
  readonly get: number;
  readonly post: number;
  readonly chunked: number;
  readonly fresh: number;
  readonly websocket: number;
}

type Kind = keyof LoadCounts;

const KINDS: readonly Kind[] = [
  ...Array.from({ length: 6 }, (): Kind => 'get'),
  ...Array.from({ length: 2 }, (): Kind => 'post'),
  'chunked',
  'fresh',
  'websocket',
];

export class LoadMix {
  readonly #port: number;
  readonly #lanes: number;
  readonly #random: Prng;
  #isRunning = false;
  #begun = 0;
  #startedMs = 0;
  /** Requests begun per second over all lanes; 0 for no limit. */
  pace = 0;
  done = 0;
  failed = 0;
  /** The first few failures, in words. */
  readonly failures: string[] = [];
  readonly counts: Record<Kind, number> = { get: 0, post: 0, chunked: 0, fresh: 0, websocket: 0 };

  constructor(port: number, lanes: number, seed: number) {
    this.#port = port;
    this.#lanes = lanes;
    this.#random = createPrng(seed);
  }

  /** Runs for `ms`, then until the last answers are in. @returns requests done per second */
  async run(ms: number): Promise<number> {
    this.#isRunning = true;
    this.#begun = 0;
    this.#startedMs = performance.now();
    const before = this.done;
    const lanes = Array.from({ length: this.#lanes }, () => this.#lane());
    await delay(ms);
    this.#isRunning = false;
    await Promise.all(lanes);
    return ((this.done - before) * 1_000) / ms;
  }

  async #lane(): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let socket: WebSocket | null = null;
    while (this.#isRunning) {
      if (this.pace > 0) {
        const dueMs = this.#startedMs + (this.#begun * 1_000) / this.pace;
        const waitMs = dueMs - performance.now();
        if (waitMs > 1) {
          await delay(Math.min(waitMs, 200));
          continue;
        }
      }
      this.#begun++;
      const kind = this.#random.pick(KINDS);
      try {
        if (kind === 'websocket') {
          if (socket === null || this.#random.below(20) === 0) {
            socket?.close();
            socket = new WebSocket(`ws://127.0.0.1:${this.#port}/ws`);
            await within(once(socket, 'open'), 'websocket', ANSWER_TIMEOUT_MS);
          }
          await this.#echo(socket);
        } else {
          await within(this.#request(kind, agent), kind, ANSWER_TIMEOUT_MS);
        }
        this.done++;
        this.counts[kind]++;
      } catch (error) {
        this.failed++;
        if (this.failures.length < 10) this.failures.push(`${kind}: ${String(error)}`);
        socket?.terminate();
        socket = null;
      }
    }
    socket?.close();
    agent.destroy();
  }

  async #echo(socket: WebSocket): Promise<void> {
    const text = String(this.#random.next());
    const answer = once(socket, 'message');
    socket.send(text);
    const [message] = (await within(answer, 'websocket echo', ANSWER_TIMEOUT_MS)) as [Buffer];
    if (message.toString() !== text) throw new Error('another echo');
  }

  async #request(kind: Kind, agent: http.Agent): Promise<void> {
    const path = `/${kind}/${this.#random.next()}`;
    const hasBody = kind === 'post' || kind === 'chunked';
    const headers = kind === 'chunked' ? { 'transfer-encoding': 'chunked' } : {};
    const { status, body } = await fetchFrom(this.#port, path, {
      method: hasBody ? 'POST' : 'GET',
      headers,
      agent: kind === 'fresh' ? false : agent,
      ...(hasBody ? { body: BODY } : {}),
    });
    const expected = `${hasBody ? BODY.length : 0} ${path}`;
    if (status !== 200 || !body.toString('latin1', 0, expected.length).startsWith(expected)) {
      throw new Error(`${path} got ${status} ${body.toString('latin1', 0, 60)}`);
    }
  }
}
