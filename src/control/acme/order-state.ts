/**
 * The state of an order: plain data that survives JSON, all that is needed to go on with it in
 * another process.
 */

import { createHash } from 'node:crypto';

import type { Challenge, ChallengeKind, Identifier } from './challenge.ts';
import type { Problem } from './problem.ts';

/** Raised when a state of an older version could not be gone on with. */
export const ORDER_STATE_VERSION = 1;

/** So often an order is left and gone on with later; then a new one is made. */
const WAITS_ENDED_MAX = 3;

/**
 * What is to be done next. `refresh` is where a resumed order begins: the authority knows best how
 * far it is. `cleanup` and `deactivate` are tidying up, after success and failure alike.
 */
export type OrderPhase =
  | 'create'
  | 'refresh'
  | 'authorizations'
  | 'present'
  | 'respond'
  | 'poll'
  | 'cleanup'
  | 'order'
  | 'make-key'
  | 'finalize'
  | 'download'
  | 'alternates'
  | 'deactivate'
  | 'done'
  | 'failed';

/** A challenge as the authority offers it. */
export interface OfferedChallenge {
  readonly kind: ChallengeKind;
  readonly url: string;
  readonly token: string;
  readonly status: string;
}

export interface AuthorizationState {
  readonly url: string;
  /** Null until it was fetched. */
  readonly identifier: Identifier | null;
  readonly isWildcard: boolean;
  /** As the authority has it; empty until it was fetched. */
  readonly status: string;
  readonly challenges: readonly OfferedChallenge[];
  /** Kind that is used for it; null: none is chosen yet, or none is needed. */
  readonly chosen: ChallengeKind | null;
  /** The authority was told to look. */
  readonly isAnswered: boolean;
  /** It was looked at since the last wait. */
  readonly isChecked: boolean;
  /** Why it failed. */
  readonly problem: Problem | null;
}

/** A kind of challenge that did not work for a name; it is not used for it again. */
export interface FailedChallenge {
  readonly identifier: string;
  readonly kind: ChallengeKind;
}

/** Why an order ended, as it is given to the caller. */
export interface OrderFailure {
  /** Another order may do with another kind of challenge. */
  readonly isChallenge: boolean;
  readonly message: string;
  readonly advice: 'retry' | 'wait' | 'fix';
  /** Unix milliseconds; 0: not said. */
  readonly retryAtMs: number;
  readonly problem: Problem | null;
}

export interface OrderState {
  readonly version: number;
  readonly names: readonly string[];
  /** Empty: none is asked for. */
  readonly profile: string;
  /** ARI identifier of the certificate that is replaced (RFC 9773 §5); empty: none. */
  readonly replaces: string;
  readonly phase: OrderPhase;
  /** Orders made for this certificate so far, this one included. */
  readonly ordersMade: number;
  /** Empty until it is made. */
  readonly orderUrl: string;
  readonly finalizeUrl: string;
  readonly certificateUrl: string;
  readonly authorizations: readonly AuthorizationState[];
  readonly failedChallenges: readonly FailedChallenge[];
  /** What was shown, or is about to be, and was not taken away yet. */
  readonly presented: readonly Challenge[];
  /** Private key of the certificate, PEM; empty until it is needed. */
  readonly certificateKey: string;
  /** PEM, leaf first; empty until it is there. */
  readonly chain: string;
  /** URLs of other chains that are not looked at yet. */
  readonly alternateUrls: readonly string[];
  /** Milliseconds that are to be waited before the next request. */
  readonly waitMs: number;
  /** Milliseconds waited so far for what the authority is at; not by a clock, which may jump. */
  readonly waitedMs: number;
  /** How often it was given up to wait for the order. */
  readonly waitsEnded: number;
  /** Set as soon as it is known that the order fails; what follows is tidying up. */
  readonly failure: OrderFailure | null;
}

/** A new order for `names`; everything else is as it is before the first step. */
export function beginOrder(wanted: Pick<OrderState, 'names' | 'profile' | 'replaces'>): OrderState {
  const { names, profile, replaces } = wanted;
  return {
    version: ORDER_STATE_VERSION,
    names,
    profile,
    replaces,
    phase: 'create',
    ordersMade: 0,
    orderUrl: '',
    finalizeUrl: '',
    certificateUrl: '',
    authorizations: [],
    failedChallenges: [],
    presented: [],
    certificateKey: '',
    chain: '',
    alternateUrls: [],
    waitMs: 0,
    waitedMs: 0,
    waitsEnded: 0,
    failure: null,
  };
}

/**
 * The state from which another process goes on. What was shown is gone with the process that
 * showed it, and the authority went on meanwhile: so the order is read anew. Tidying up goes on
 * where it was.
 */
export function resumeOrder(state: OrderState): OrderState {
  const fresh = { ...state, waitMs: 0, waitedMs: 0 };
  if (state.failure !== null || state.phase === 'done' || state.phase === 'failed') return fresh;
  const isGivenUp = state.waitsEnded >= WAITS_ENDED_MAX;
  if (state.orderUrl === '' || isGivenUp) return startAnew(fresh);
  return { ...fresh, phase: 'refresh', authorizations: [] };
}

/** The same certificate by a new order. What was shown is still to be taken away. */
export function startAnew(state: OrderState): OrderState {
  return {
    ...state,
    phase: 'create',
    orderUrl: '',
    finalizeUrl: '',
    certificateUrl: '',
    authorizations: [],
    waitMs: 0,
    waitedMs: 0,
    waitsEnded: 0,
    failure: null,
  };
}

/** Identity of an order in a store: the same for the same names and profile. */
export function orderId(names: readonly string[], profile: string): string {
  const text = JSON.stringify([names, profile]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
