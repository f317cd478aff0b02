/**
 * Ticket rotation: the secrets from which workers derive ticket keys.
 *
 * T1  a secret makes tickets for 12 hours and is taken for 12 more; then nothing can read what it
 *     protected.
 * T2  what a process takes over it uses as the former one: a ticket outlives one restart, and a
 *     secret no second one.
 */

import { randomBytes } from 'node:crypto';

import type { TicketSecrets } from '../../contract/tls.ts';

export const ROTATION_INTERVAL_MS = 12 * 3_600_000;
const SECRET_SIZE = 32;

export class TicketRotation {
  secrets: TicketSecrets;
  readonly #setTimer: (delayMs: number, callback: () => void) => () => void;
  readonly #publish: (secrets: TicketSecrets) => void;
  #cancel: () => void = () => {};

  /** @param before of the process before this one; null: there was none */
  constructor(
    before: TicketSecrets | null,
    setTimer: (delayMs: number, callback: () => void) => () => void,
    publish: (secrets: TicketSecrets) => void,
  ) {
    this.secrets = { current: newSecret(), previous: before?.current ?? null };
    this.#setTimer = setTimer;
    this.#publish = publish;
  }

  start(): void {
    this.#cancel = this.#setTimer(ROTATION_INTERVAL_MS, () => {
      this.secrets = { current: newSecret(), previous: this.secrets.current };
      this.#publish(this.secrets);
      this.start();
    });
  }

  close(): void {
    this.#cancel();
  }
}

function newSecret(): Uint8Array {
  return new Uint8Array(randomBytes(SECRET_SIZE));
}
