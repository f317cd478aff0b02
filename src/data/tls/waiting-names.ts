/**
 * Waiting names: clients whose certificate is got while they wait.
 *
 * W1  control is asked once per name, however many clients wait for it.
 * W2  clients, names asked for and names remembered as refused have limits; beyond them a client
 *     is refused at once.
 * W3  a waiter is told at most once, and not after it has left.
 */

import type { IoBackend } from '../io/backend.ts';

export const WAITERS_MAX = 1_000;
/** Names that control is asked for at a time. */
export const NAMES_MAX = 100;
/** How long a client waits, at most. */
export const WAIT_MS = 15_000;
/** A question that was not answered for so long may be asked again. */
const ANSWER_MS = 300_000;
/** How long a name without a certificate is not asked for again. */
export const REFUSED_MS = 60_000;
const REFUSED_MAX = 10_000;

export interface Waiter {
  /** The certificate is there, or there will be none. Called from no method of the waiter. */
  onSettled(): void;
}

interface Question {
  readonly waiters: Set<Waiter>;
  readonly askedAtMs: number;
}

export class WaitingNames {
  readonly #backend: IoBackend;
  readonly #ask: (name: string, peerAddress: string) => void;
  readonly #questions = new Map<string, Question>();
  /** Until when a name is refused; in order of that time. */
  readonly #refused = new Map<string, number>();
  #waiterCount = 0;

  constructor(backend: IoBackend, ask: (name: string, peerAddress: string) => void) {
    this.#backend = backend;
    this.#ask = ask;
  }

  /** Clients that wait now. */
  get count(): number {
    return this.#waiterCount;
  }

  /**
   * @returns false when `waiter` need not wait: the name was refused lately, or too many wait
   */
  wait(name: string, peerAddress: string, waiter: Waiter): boolean {
    const nowMs = this.#backend.nowMs();
    if (this.#waiterCount >= WAITERS_MAX || this.#isRefused(name, nowMs)) return false;
    let question = this.#questions.get(name);
    if (question === undefined) {
      if (this.#questions.size >= NAMES_MAX) this.#dropUnanswered(nowMs);
      if (this.#questions.size >= NAMES_MAX) return false;
      question = { waiters: new Set(), askedAtMs: nowMs };
      this.#questions.set(name, question);
      this.#ask(name, peerAddress);
    }
    question.waiters.add(waiter);
    this.#waiterCount++;
    return true;
  }

  leave(name: string, waiter: Waiter): void {
    if (this.#questions.get(name)?.waiters.delete(waiter) === true) this.#waiterCount--;
  }

  /** @param isRefused there is no certificate for `name`: it is not asked for again for a while */
  settle(name: string, isRefused: boolean): void {
    if (isRefused) this.#refuse(name);
    else this.#refused.delete(name);
    const question = this.#questions.get(name);
    if (question === undefined) return;
    this.#questions.delete(name);
    this.#waiterCount -= question.waiters.size;
    for (const waiter of question.waiters) waiter.onSettled();
  }

  #isRefused(name: string, nowMs: number): boolean {
    const untilMs = this.#refused.get(name);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#refused.delete(name);
    return false;
  }

  #refuse(name: string): void {
    this.#refused.delete(name);
    this.#refused.set(name, this.#backend.nowMs() + REFUSED_MS);
    if (this.#refused.size <= REFUSED_MAX) return;
    for (const oldest of this.#refused.keys()) {
      this.#refused.delete(oldest);
      return;
    }
  }

  /** Lost questions, such as those of a control plane that was not there. */
  #dropUnanswered(nowMs: number): void {
    for (const [name, question] of this.#questions) {
      if (question.waiters.size > 0 || nowMs - question.askedAtMs < ANSWER_MS) continue;
      this.#questions.delete(name);
    }
  }
}
