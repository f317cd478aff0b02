/**
 * The order machine: which step an order needs next (RFC 8555 §7.1.6, §7.4); what its outcome makes
 * of the state is in order-advance.ts. Pure: no I/O, no clock, no chance; the runner does what it
 * says.
 *
 * O1  the state is saved before its action is done, so the action may be done twice, never be
 *     forgotten: everything here can be asked again.
 * O2  the key of the certificate is in the state before the authority hears of it.
 * O3  what is shown stands in `presented` from before it is shown until it was taken away.
 * O4  every order ends: waits, orders made and challenges tried are counted and limited.
 */

import type { AcmeError } from './acme-error.ts';
import type { AcmeReply } from './acme-session.ts';
import type { Challenge, ChallengeKind, Identifier } from './challenge.ts';
import { identifierOf } from './challenge.ts';
import type { AuthorizationState, FailedChallenge, OrderState } from './order-state.ts';
import type { OrderFailure } from './order-state.ts';

/** What the machine has to know beside the state; constant while an order is under way. */
export interface OrderPolicy {
  /** Host of the authority, for messages. */
  readonly authority: string;
  readonly newOrderUrl: string;
  /** Of the account key. */
  readonly thumbprint: string;
  /** Common name of the root that is wanted; empty: any. */
  readonly preferredChain: string;
  /** Kinds that may be tried for it, the best first. */
  readonly kindsFor: (identifier: Identifier) => readonly ChallengeKind[];
  /** As in ChallengeSolvers. */
  readonly refusal: (kind: ChallengeKind, identifier: Identifier) => string | null;
}

export type OrderAction =
  /** A signed POST; a `payload` of null is POST-as-GET. */
  | {
      readonly kind: 'request';
      readonly url: string;
      readonly payload: object | null;
      readonly isCertificate: boolean;
      readonly step: string;
    }
  /** A signed POST with a certificate request for the names of the order. */
  | { readonly kind: 'finalize'; readonly url: string; readonly step: string }
  | { readonly kind: 'make-key'; readonly step: string }
  | { readonly kind: 'present'; readonly challenges: readonly Challenge[]; readonly step: string }
  | { readonly kind: 'cleanup'; readonly challenges: readonly Challenge[]; readonly step: string }
  | { readonly kind: 'wait'; readonly durationMs: number; readonly step: string }
  /** The authority takes too long: the order is left as it is and gone on with later. */
  | { readonly kind: 'later'; readonly waitMs: number; readonly message: string }
  | { readonly kind: 'done'; readonly chain: string; readonly key: string }
  | { readonly kind: 'failed'; readonly failure: OrderFailure };

export type OrderEvent =
  | { readonly kind: 'reply'; readonly reply: AcmeReply }
  /** The authority does not do it, and would not if it were asked again. */
  | { readonly kind: 'refused'; readonly error: AcmeError }
  | { readonly kind: 'key'; readonly pem: string }
  | { readonly kind: 'presented' }
  /** Some could not be shown. */
  | {
      readonly kind: 'not-presented';
      readonly failed: readonly FailedChallenge[];
      readonly message: string;
      /** It may work later. */
      readonly isTemporary: boolean;
    }
  | { readonly kind: 'cleaned' }
  | { readonly kind: 'waited'; readonly durationMs: number };

/** Longest time an authority may take over validation, and over the certificate. */
const WAIT_MAX_MS = 600_000;
/**
 * Longest pause while an order is waited for. ZeroSSL says a day with every answer that is not the
 * last one, and takes minutes; who left then would take the challenges away before it has looked.
 */
const PAUSE_MAX_MS = 60_000;
/** An order that was left is looked at again not before the one, and not after the other. */
const LATER_MIN_MS = 600_000;
const LATER_MAX_MS = 3_600_000;

/** What is to be done now. The same state gives the same action. */
export function nextAction(state: OrderState, policy: OrderPolicy): OrderAction {
  if (state.waitMs > 0) return waitAction(state);
  switch (state.phase) {
    case 'create':
      return post(policy.newOrderUrl, newOrder(state), 'making an order');
    case 'refresh':
    case 'order':
      return post(state.orderUrl, null, 'looking at the order');
    case 'authorizations':
      return post(unknownAuthorization(state), null, 'asking what is to be proved');
    case 'present':
      return presentAction(state, policy);
    case 'respond':
      return respondAction(state);
    case 'poll':
      return pollAction(state);
    case 'make-key':
      return { kind: 'make-key', step: 'making a key' };
    case 'finalize':
      return { kind: 'finalize', url: state.finalizeUrl, step: 'asking for the certificate' };
    case 'download':
      return download(state.certificateUrl);
    case 'alternates':
      return download(state.alternateUrls[0]!);
    case 'cleanup':
      return { kind: 'cleanup', challenges: state.presented, step: 'taking challenges away' };
    case 'deactivate':
      return post(openAuthorization(state), { status: 'deactivated' }, 'giving the order up');
    case 'done':
      return { kind: 'done', chain: state.chain, key: state.certificateKey };
    default:
      return { kind: 'failed', failure: state.failure! };
  }
}

function post(url: string, payload: object | null, step: string): OrderAction {
  return { kind: 'request', url, payload, isCertificate: false, step };
}

function download(url: string): OrderAction {
  const step = 'fetching the certificate';
  return { kind: 'request', url, payload: null, isCertificate: true, step };
}

function newOrder(state: OrderState): object {
  return {
    identifiers: state.names.map((name) => {
      const { type } = identifierOf(name);
      return { type, value: name };
    }),
    ...(state.profile === '' ? {} : { profile: state.profile }),
    ...(state.replaces === '' ? {} : { replaces: state.replaces }),
  };
}

function waitAction(state: OrderState): OrderAction {
  const isOrder = state.phase === 'order';
  const step = isOrder
    ? 'waiting for the authority to make the certificate'
    : 'waiting for the authority to validate';
  const durationMs = Math.min(state.waitMs, PAUSE_MAX_MS);
  if (state.waitedMs + durationMs <= WAIT_MAX_MS) return { kind: 'wait', durationMs, step };
  const message = `${step} takes too long; it is gone on with later by itself`;
  const waitMs = Math.min(Math.max(state.waitMs, LATER_MIN_MS), LATER_MAX_MS);
  return { kind: 'later', waitMs, message };
}

function unknownAuthorization(state: OrderState): string {
  return state.authorizations.find((one) => one.status === '')!.url;
}

function openAuthorization(state: OrderState): string {
  return state.authorizations.find(isOpen)!.url;
}

/** The authority has not decided about it. */
export function isOpen(authorization: AuthorizationState): boolean {
  return authorization.status === 'pending';
}

/** The challenge that is chosen for `authorization`, as it is shown. */
export function shownFor(authorization: AuthorizationState, thumbprint: string): Challenge {
  const { chosen, identifier, challenges } = authorization;
  const { kind, token } = challenges.find((one) => one.kind === chosen)!;
  const keyAuthorization = `${token}.${thumbprint}`;
  return { kind, identifier: identifier!, token, keyAuthorization };
}

function presentAction(state: OrderState, policy: OrderPolicy): OrderAction {
  const challenges = state.authorizations
    .filter(isOpen)
    .map((one) => shownFor(one, policy.thumbprint));
  const kinds = [...new Set(challenges.map(({ kind }) => kind))].join(' and ');
  return { kind: 'present', challenges, step: `showing challenges by ${kinds}` };
}

function respondAction(state: OrderState): OrderAction {
  const authorization = state.authorizations.find((one) => isOpen(one) && !one.isAnswered)!;
  const challenge = authorization.challenges.find(({ kind }) => kind === authorization.chosen)!;
  return post(challenge.url, {}, `asking the authority to validate by ${challenge.kind}`);
}

function pollAction(state: OrderState): OrderAction {
  const authorization = state.authorizations.find((one) => isOpen(one) && !one.isChecked)!;
  return post(authorization.url, null, 'waiting for the authority to validate');
}
