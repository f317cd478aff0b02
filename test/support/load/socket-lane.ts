/**
 * One WebSocket that is echoed to for as long as it lives, and opened again when it ends.
 */

import { WebSocket } from 'ws';
import { ID_FIELD } from './exchange.ts';
import type { Outcome } from './tally.ts';

const ECHO_TIMEOUT_MS = 10_000;
const REOPEN_MS = 200;

export interface SocketEvents {
  echoed(ms: number, endpoint: string): void;
  failed(outcome: Outcome, detail: string): void;
}

export class SocketLane {
  readonly #url: string;
  readonly #everyMs: number;
  readonly #events: SocketEvents;
  readonly #id: string;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #number = 0;
  #isStopped = false;

  constructor(url: string, id: string, everyMs: number, events: SocketEvents) {
    this.#url = url;
    this.#id = id;
    this.#everyMs = everyMs;
    this.#events = events;
  }

  open(): void {
    const socket = new WebSocket(this.#url, {
      handshakeTimeout: ECHO_TIMEOUT_MS,
      perMessageDeflate: false,
      headers: { [ID_FIELD]: this.#id },
    });
    this.#socket = socket;
    let isOpen = false;
    let problem = '';
    socket.on('open', () => {
      isOpen = true;
      this.#echo(socket);
    });
    socket.on('error', (error) => (problem = error.message));
    socket.on('close', (code) => {
      if (this.#timer !== null) clearTimeout(this.#timer);
      if (this.#isStopped) return;
      this.#events.failed(isOpen ? 'socket-closed' : 'connect-failed', `${code} ${problem}`);
      this.#timer = setTimeout(() => this.open(), REOPEN_MS);
    });
  }

  /** Closes without counting anything. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  #echo(socket: WebSocket): void {
    const text = `${this.#id}-${++this.#number}`;
    const sentMs = performance.now();
    this.#timer = setTimeout(() => {
      this.#events.failed('timeout', `no echo of ${text}`);
      socket.terminate();
    }, ECHO_TIMEOUT_MS);
    socket.send(text);
    socket.once('message', (data) => {
      if (this.#isStopped) return;
      if (this.#timer !== null) clearTimeout(this.#timer);
      const answer = String(data);
      const colon = answer.indexOf(':');
      if (answer.slice(colon + 1) === text) {
        this.#events.echoed(performance.now() - sentMs, answer.slice(0, colon));
      } else this.#events.failed('foreign', `${answer} instead of ${text}`);
      this.#timer = setTimeout(() => this.#echo(socket), this.#everyMs);
    });
  }
}
