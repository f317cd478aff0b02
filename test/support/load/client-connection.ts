/**
 * One HTTP/1.1 client connection that knows exactly how a request failed.
 *
 * C1  at most one request at a time; the callback of each is called exactly once.
 * C2  a connection is reused only after a complete answer without bytes behind it.
 * C3  the timeout counts from the request, connecting included.
 */

import net from 'node:net';
import { readResponses, type SeenResponse } from '../response-reader.ts';
import type { Outcome } from './tally.ts';

export interface Ended {
  readonly outcome: Outcome;
  readonly response: SeenResponse | null;
  readonly detail: string;
}

export type IdleEnd = 'fin' | 'reset';

export class ClientConnection {
  readonly #socket: net.Socket;
  readonly #onIdleEnd: (end: IdleEnd) => void;
  #chunks: Buffer[] = [];
  #size = 0;
  #done: ((ended: Ended) => void) | null = null;
  #method = 'GET';
  #timer: NodeJS.Timeout | null = null;
  #isConnected = false;
  #hasReset = false;
  /** Complete answers so far. */
  answered = 0;
  isOpen = true;

  /** @param onIdleEnd called when the other side ends the connection while nothing is asked */
  constructor(port: number, onIdleEnd: (end: IdleEnd) => void) {
    this.#onIdleEnd = onIdleEnd;
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('connect', () => (this.#isConnected = true));
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error.code ?? ''));
    this.#socket.on('end', () => this.#closed());
    this.#socket.on('close', () => this.#closed());
  }

  get isIdle(): boolean {
    return this.isOpen && this.#done === null;
  }

  /** Sends `bytes`, a whole request. `done` is called when it has ended, one way or another. */
  request(method: string, bytes: Buffer, timeoutMs: number, done: (ended: Ended) => void): void {
    this.#method = method;
    this.#chunks = [];
    this.#size = 0;
    this.#done = done;
    this.#timer = setTimeout(() => this.#end('timeout', null, `${this.#size} bytes`), timeoutMs);
    this.#socket.write(bytes);
  }

  /** Ends the connection without counting anything. */
  close(): void {
    this.isOpen = false;
    this.#done = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#done === null) {
      if (this.isOpen) this.#idleEnd('reset'); // Nobody asked for these bytes.
      return;
    }
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    const whole = this.#whole();
    const { responses, leftover, error } = readResponses(whole, false, [this.#method]);
    const [response] = responses;
    if (error !== '') this.#end('corrupted', null, error);
    else if (response === undefined) return;
    else if (response.violations.length > 0) {
      this.#end('corrupted', response, response.violations.join('; '));
    } else if (!response.isComplete) return;
    else if (responses.length > 1 || leftover.length > 0) {
      this.#end('corrupted', response, `${leftover.length} bytes behind the answer`);
    } else this.#end('ok', response, '');
  }

  #whole(): Buffer {
    const whole = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  #failed(code: string): void {
    this.#hasReset = true;
    if (!this.isOpen) return;
    if (!this.#isConnected) {
      this.#end(code === 'ECONNREFUSED' ? 'refused' : 'connect-failed', null, code);
    } else if (this.#done === null) this.#idleEnd('reset');
    else this.#end(this.#cut('reset-before-answer', 'reset-mid-answer'), null, code);
  }

  #closed(): void {
    if (!this.isOpen) return;
    if (this.#done === null) {
      this.#idleEnd(this.#hasReset ? 'reset' : 'fin');
      return;
    }
    const [response] = this.#size === 0 ? [] : readResponses(this.#whole(), true).responses;
    if (response?.isComplete === true && response.framing === 'close') {
      this.isOpen = false;
      this.#end('ok', response, '');
    } else this.#end(this.#cut('closed-before-answer', 'truncated'), null, 'FIN');
  }

  #idleEnd(end: IdleEnd): void {
    this.isOpen = false;
    this.#socket.destroy();
    this.#onIdleEnd(end);
  }

  #cut(before: Outcome, mid: Outcome): Outcome {
    if (this.#size > 0) return mid;
    return this.answered > 0 ? 'idle-lost' : before;
  }

  #end(outcome: Outcome, response: SeenResponse | null, detail: string): void {
    const done = this.#done;
    if (done === null) return;
    this.#done = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const says = response?.fields.find(({ name }) => name.toLowerCase() === 'connection')?.value;
    if (outcome === 'ok') this.answered++;
    if (outcome !== 'ok' || /\bclose\b/i.test(says ?? '')) {
      this.isOpen = false;
      this.#socket.destroy();
    }
    done({ outcome, response, detail });
  }
}
