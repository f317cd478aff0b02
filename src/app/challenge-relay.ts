/**
 * Challenge relay: shows the challenges of certificate authorities to every worker, and knows when
 * all of them answer.
 *
 * Y1  `present` resolves when every worker that accepts connections has the challenge: an
 *     authority asks from several places at once, and each of them may reach another worker.
 * Y2  a worker that starts later is started with all challenges that are open then.
 * Y3  a worker that does not acknowledge in time is not waited for: the others answer.
 */

import type { ToWorker } from '../contract/message.ts';
import type { ChallengeSpec } from '../contract/tls.ts';
import type { ChallengeBoard } from '../control/certificate/issuer.ts';

/** A worker that has not acknowledged by then is not waited for. */
export const ACKNOWLEDGE_MAX_MS = 5_000;

/** A worker as the relay sees it. */
export interface ChallengeReader {
  /** False before it runs and when it ends: it answers nobody. */
  readonly isReading: boolean;
  /** Revision of the challenges it answers by. */
  readonly challengeRevision: number;
  post(message: ToWorker): void;
}

interface Waiting {
  readonly revision: number;
  readonly done: () => void;
}

export interface ChallengeRelayOptions {
  readonly readers: () => readonly ChallengeReader[];
  /** Calls `task` once, later. @returns cancels it */
  readonly setTimer: (delayMs: number, task: () => void) => () => void;
  /** Workers did not acknowledge in time. */
  readonly onLate: () => void;
}

export class ChallengeRelay implements ChallengeBoard {
  /** Of the challenges as they are now; counts every change. */
  revision = 0;
  private readonly options: ChallengeRelayOptions;
  private open: readonly ChallengeSpec[] = [];
  private waiting: Waiting[] = [];

  constructor(options: ChallengeRelayOptions) {
    this.options = options;
  }

  /** What is open now. */
  get challenges(): readonly ChallengeSpec[] {
    return this.open;
  }

  present(challenge: ChallengeSpec): Promise<void> {
    this.change([...this.open.filter((one) => !isSame(one, challenge)), challenge]);
    const { revision } = this;
    return new Promise((resolve) => {
      const cancel = this.options.setTimer(ACKNOWLEDGE_MAX_MS, () => {
        this.options.onLate();
        this.waiting = this.waiting.filter((one) => one.done !== done);
        resolve();
      });
      const done = (): void => {
        cancel();
        resolve();
      };
      this.waiting.push({ revision, done });
      this.check();
    });
  }

  remove(challenge: ChallengeSpec): void {
    const rest = this.open.filter((one) => !isSame(one, challenge));
    if (rest.length !== this.open.length) this.change(rest);
  }

  /** A worker has acknowledged, or has ended. */
  check(): void {
    const readers = this.options.readers().filter(({ isReading }) => isReading);
    const lowest = Math.min(...readers.map(({ challengeRevision }) => challengeRevision));
    const isDone = (one: Waiting): boolean => one.revision <= lowest;
    const done = this.waiting.filter(isDone);
    this.waiting = this.waiting.filter((one) => !isDone(one));
    for (const one of done) one.done();
  }

  private change(challenges: readonly ChallengeSpec[]): void {
    this.open = challenges;
    this.revision++;
    const message = { type: 'challenges', revision: this.revision, challenges } as const;
    for (const reader of this.options.readers()) reader.post(message);
  }
}

/** The same question: an authority asks for one host and token, or for one name by TLS. */
function isSame(one: ChallengeSpec, other: ChallengeSpec): boolean {
  if (one.kind !== other.kind || one.host !== other.host) return false;
  return one.kind !== 'http-01' || other.kind !== 'http-01' || one.token === other.token;
}
