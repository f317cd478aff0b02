/**
 * Which challenge proves which name: by what the authority offers, what can be shown, and what was
 * tried before.
 */

import { isOpen, shownFor } from './order-machine.ts';
import type { OrderPolicy } from './order-machine.ts';
import type { Challenge } from './challenge.ts';
import type { AuthorizationState, OfferedChallenge, OrderState } from './order-state.ts';

/**
 * Chooses for every name that is to be proved.
 * @returns the state in which the challenges are shown next; or a sentence that says for which name
 *          there is no way, and why
 */
export function chooseChallenges(state: OrderState, policy: OrderPolicy): OrderState | string {
  const authorizations: AuthorizationState[] = [];
  for (const one of state.authorizations) {
    if (!isOpen(one)) {
      authorizations.push(one);
      continue;
    }
    const challenge = bestOf(one, state, policy);
    if (challenge === null) return noWay(one, state, policy);
    const isAnswered = challenge.status !== 'pending';
    authorizations.push({ ...one, chosen: challenge.kind, isAnswered });
  }
  const wanted = authorizations.filter(isOpen).map((one) => shownFor(one, policy.thumbprint));
  const presented = [...state.presented.filter((old) => !wanted.some(isSameAs(old))), ...wanted];
  return { ...state, authorizations, presented, phase: 'present' };
}

/** True: every name that failed can be tried with another kind of challenge. */
export function hasAnotherWay(state: OrderState, policy: OrderPolicy): boolean {
  return state.authorizations
    .filter((one) => one.status === 'invalid')
    .every((one) => candidates(one, state, policy).length > 0);
}

/** One that the authority is at already goes first. */
function bestOf(
  authorization: AuthorizationState,
  state: OrderState,
  policy: OrderPolicy,
): OfferedChallenge | null {
  const usable = candidates(authorization, state, policy);
  const open = usable.filter(({ status }) => status === 'pending' || status === 'processing');
  return open.find(({ status }) => status === 'processing') ?? open[0] ?? null;
}

function candidates(
  authorization: AuthorizationState,
  state: OrderState,
  policy: OrderPolicy,
): OfferedChallenge[] {
  const identifier = authorization.identifier!;
  return policy
    .kindsFor(identifier)
    .filter((kind) => !isFailed(state, identifier.value, kind))
    .filter((kind) => policy.refusal(kind, identifier) === null)
    .map((kind) => authorization.challenges.find((one) => one.kind === kind))
    .filter((one) => one !== undefined);
}

function isFailed(state: OrderState, identifier: string, kind: string): boolean {
  return state.failedChallenges.some(
    (failed) => failed.identifier === identifier && failed.kind === kind,
  );
}

function noWay(one: AuthorizationState, state: OrderState, policy: OrderPolicy): string {
  const identifier = one.identifier!;
  const reasons = policy.kindsFor(identifier).map((kind) => {
    const refusal = policy.refusal(kind, identifier);
    if (refusal !== null) return `${kind}: ${refusal}`;
    if (isFailed(state, identifier.value, kind)) return `${kind}: it failed before`;
    return `${kind}: ${policy.authority} does not offer it`;
  });
  const name = one.isWildcard ? `*.${identifier.value}` : identifier.value;
  const hint = one.isWildcard ? '; a wildcard needs `dns` of the issuer' : '';
  const why = reasons.length === 0 ? 'no kind of challenge is allowed' : reasons.join('; ');
  return `there is no way to prove ${name} (${why})${hint}`;
}

function isSameAs(left: Challenge): (right: Challenge) => boolean {
  return (right) =>
    left.kind === right.kind &&
    left.token === right.token &&
    left.identifier.value === right.identifier.value;
}
