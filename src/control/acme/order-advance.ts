/**
 * What the outcome of a step makes of an order: the other half of the order machine.
 *
 * D1  the authority's documents are taken as they come: whatever they say, the order ends.
 * D2  a failure is tidied up before it is told: what was shown is taken away and what the authority
 *     still waits for is given up, so that nothing counts against the account.
 */

import { AcmeError } from './acme-error.ts';
import type { AcmeReply } from './acme-session.ts';
import { checkChain, hasRoot } from './certificate-chain.ts';
import { chooseChallenges, hasAnotherWay } from './order-choice.ts';
import { isOpen } from './order-machine.ts';
import type { OrderEvent, OrderPolicy } from './order-machine.ts';
import { readAuthorization, readOrder } from './order-reply.ts';
import type { OrderDocument } from './order-reply.ts';
import { startAnew } from './order-state.ts';
import type { AuthorizationState, FailedChallenge, OrderState } from './order-state.ts';
import { errorOf } from './problem-advice.ts';
import { linksOf } from './retry-after.ts';

/** Orders made for one certificate: the first and one for each further kind of challenge. */
export const ORDERS_MAX = 4;
/** Pause before the authority is looked at again; grows with the time it has taken. */
const POLL_FIRST_MS = 250;
const POLL_MAX_MS = 10_000;
const NOT_READY_MS = 1_000;

/** The state after `event`, the outcome of `nextAction`. */
export function advance(
  state: OrderState,
  event: OrderEvent,
  policy: OrderPolicy,
  nowMs: number,
): OrderState {
  switch (event.kind) {
    case 'reply':
      return afterReply(state, event.reply, policy, nowMs);
    case 'refused':
      return afterRefusal(state, event.error, policy);
    case 'key':
      return { ...state, certificateKey: event.pem, phase: 'finalize' };
    case 'presented':
      return nextAnswer(state);
    case 'not-presented':
      return afterNotPresented(state, event, policy);
    case 'cleaned':
      return afterCleanup({ ...state, presented: [] }, policy);
    default:
      return {
        ...state,
        waitMs: 0,
        waitedMs: state.waitedMs + event.durationMs,
        authorizations: state.authorizations.map((one) => ({ ...one, isChecked: false })),
      };
  }
}

function afterReply(
  state: OrderState,
  reply: AcmeReply,
  policy: OrderPolicy,
  nowMs: number,
): OrderState {
  switch (state.phase) {
    case 'create':
    case 'refresh':
    case 'order':
    case 'finalize':
      return afterOrder(state, reply, policy, nowMs);
    case 'authorizations':
      return afterAuthorization(state, reply, policy);
    case 'respond':
      return nextAnswer(answered(state), delayMs(state, reply, nowMs));
    case 'poll':
      return afterPoll(state, reply, policy, nowMs);
    case 'download':
      return afterDownload(state, reply, policy);
    case 'alternates':
      return afterAlternate(state, reply, policy);
    default:
      return afterDeactivation(state, policy);
  }
}

/** An order that cannot be gone on with is begun anew; what only tidies up may fail. */
function afterRefusal(state: OrderState, error: AcmeError, policy: OrderPolicy): OrderState {
  switch (state.phase) {
    case 'create':
      if (state.replaces !== '' && isAboutReplaces(error)) return { ...state, replaces: '' };
      return failWith(state, error, policy);
    case 'refresh':
      return startAnew({ ...state, ordersMade: 0 }); // Forgotten, or too old.
    case 'finalize':
      if (error.type !== 'orderNotReady') return failWith(state, error, policy);
      return { ...state, phase: 'order', waitMs: NOT_READY_MS };
    case 'respond':
      // It may have been answered by the process before this one: looking at it tells.
      if (!['malformed', 'conflict'].includes(error.type)) return failWith(state, error, policy);
      return nextAnswer(answered(state), POLL_FIRST_MS);
    case 'alternates':
      return { ...state, phase: 'done', alternateUrls: [] };
    case 'deactivate':
      return afterDeactivation(state, policy);
    default:
      return failWith(state, error, policy);
  }
}

/** RFC 9773 §5: the authority may refuse what is said to be replaced, in more than one way. */
function isAboutReplaces(error: AcmeError): boolean {
  const { type, problem } = error;
  if (['alreadyReplaced', 'malformed', 'unauthorized', 'conflict'].includes(type)) return true;
  return problem?.status === 404 || problem?.status === 409;
}

function afterOrder(
  state: OrderState,
  reply: AcmeReply,
  policy: OrderPolicy,
  nowMs: number,
): OrderState {
  const order = readOrder(reply.body);
  if (order === null) return failWith(state, nonsense(policy, 'an order'), policy);
  let next = { ...state, finalizeUrl: order.finalize, certificateUrl: order.certificate };
  if (state.phase === 'create') {
    const orderUrl = reply.headers.get('location') ?? '';
    if (!URL.canParse(orderUrl)) return failWith(state, nonsense(policy, 'an order'), policy);
    next = { ...next, orderUrl, ordersMade: state.ordersMade + 1 };
  }
  return byOrderStatus(next, order, { policy, delayMs: delayMs(state, reply, nowMs) });
}

function byOrderStatus(
  state: OrderState,
  order: OrderDocument,
  { policy, delayMs: waitMs }: { readonly policy: OrderPolicy; readonly delayMs: number },
): OrderState {
  const isBeginning = state.phase === 'create' || state.phase === 'refresh';
  const waiting: OrderState = { ...state, phase: 'order', waitMs };
  switch (order.status) {
    case 'pending':
      return isBeginning ? withAuthorizations(state, order.authorizations) : waiting;
    case 'ready':
      if (state.phase === 'finalize') return waiting;
      if (state.presented.length > 0) return { ...state, phase: 'cleanup' };
      return { ...state, phase: state.certificateKey === '' ? 'make-key' : 'finalize' };
    case 'valid':
      if (state.certificateKey === '') return failWith(state, strangeError(policy), policy, true);
      return order.certificate === '' ? waiting : { ...state, phase: 'download' };
    case 'invalid':
      if (state.phase === 'refresh') return startAnew({ ...state, ordersMade: 0 });
      return failWith(state, orderError(state, order, policy), policy);
    default:
      return waiting; // `processing`, and what nobody knows.
  }
}

function orderError(state: OrderState, order: OrderDocument, policy: OrderPolicy): AcmeError {
  const { authority } = policy;
  const source = { authority, names: state.names, retryAtMs: 0, isValidation: true };
  if (order.error !== null) return errorOf(order.error, source);
  return new AcmeError(`${authority} gave the order up without a word`, { advice: 'retry' });
}

/** Finalized by nobody we know: its certificate has a key that is not ours. */
function strangeError({ authority }: OrderPolicy): AcmeError {
  return new AcmeError(`${authority} has made a certificate that we have no key for`, {
    advice: 'retry',
  });
}

function withAuthorizations(state: OrderState, urls: readonly string[]): OrderState {
  const authorizations = urls.map((url) => ({
    url,
    identifier: null,
    isWildcard: false,
    status: '',
    challenges: [],
    chosen: null,
    isAnswered: false,
    isChecked: false,
    problem: null,
  }));
  // An order that waits for nothing becomes ready by itself.
  if (urls.length === 0) return { ...state, phase: 'order', waitMs: NOT_READY_MS };
  return { ...state, phase: 'authorizations', authorizations };
}

function afterAuthorization(state: OrderState, reply: AcmeReply, policy: OrderPolicy): OrderState {
  const document = readAuthorization(reply.body);
  if (document === null) return failWith(state, nonsense(policy, 'an authorization'), policy);
  const { error, ...parts } = document;
  const next = changeFirst(
    state,
    (one) => one.status === '',
    (one) => ({ ...one, ...parts, problem: error }),
  );
  if (next.authorizations.some((one) => one.status === '')) return next;
  return afterAuthorizations(next, policy);
}

function afterAuthorizations(state: OrderState, policy: OrderPolicy): OrderState {
  const lost = state.authorizations.find((one) => one.status !== 'valid' && !isOpen(one));
  if (lost !== undefined) return failWith(state, lostError(lost, policy), policy, true);
  if (!state.authorizations.some(isOpen)) return afterValidation(state);
  const chosen = chooseChallenges(state, policy);
  return typeof chosen === 'string'
    ? failWith(state, new AcmeError(chosen, { advice: 'fix' }), policy)
    : chosen;
}

/** Everything is proved. */
function afterValidation(state: OrderState): OrderState {
  const phase = state.presented.length > 0 ? 'cleanup' : 'order';
  return { ...state, phase, waitMs: 0, waitedMs: 0 };
}

function afterNotPresented(
  state: OrderState,
  event: OrderEvent & { readonly kind: 'not-presented' },
  policy: OrderPolicy,
): OrderState {
  const failedChallenges = [...state.failedChallenges, ...event.failed];
  const next = { ...state, failedChallenges };
  const chosen = chooseChallenges(next, policy);
  if (typeof chosen !== 'string') return chosen;
  const advice = event.isTemporary ? 'retry' : 'fix';
  return failWith(next, new AcmeError(event.message, { advice }), policy);
}

function answered(state: OrderState): OrderState {
  return changeFirst(
    state,
    (one) => isOpen(one) && !one.isAnswered,
    (one) => ({ ...one, isAnswered: true }),
  );
}

/** To the next challenge that the authority was not told of, or to waiting for all of them. */
function nextAnswer(state: OrderState, waitMs = POLL_FIRST_MS): OrderState {
  const isLeft = state.authorizations.some((one) => isOpen(one) && !one.isAnswered);
  if (isLeft) return { ...state, phase: 'respond' };
  return { ...state, phase: 'poll', waitMs, waitedMs: 0 };
}

function afterPoll(
  state: OrderState,
  reply: AcmeReply,
  policy: OrderPolicy,
  nowMs: number,
): OrderState {
  const document = readAuthorization(reply.body);
  if (document === null) return failWith(state, nonsense(policy, 'an authorization'), policy);
  const { status, challenges, error } = document;
  const next = changeFirst(
    state,
    (one) => isOpen(one) && !one.isChecked,
    (one) => ({ ...one, status, challenges, problem: error, isChecked: true }),
  );
  const open = next.authorizations.filter(isOpen);
  if (open.some((one) => !one.isChecked)) return next;
  if (open.length > 0) return { ...next, waitMs: delayMs(state, reply, nowMs) };
  const lost = next.authorizations.filter((one) => one.status !== 'valid');
  if (lost.length === 0) return afterValidation(next);
  const failed = lost.map((one): FailedChallenge => {
    return { identifier: one.identifier!.value, kind: one.chosen ?? 'http-01' };
  });
  const failedChallenges = [...next.failedChallenges, ...failed];
  return failWith({ ...next, failedChallenges }, lostError(lost[0]!, policy), policy, true);
}

function lostError(lost: AuthorizationState, { authority }: OrderPolicy): AcmeError {
  const name = lost.identifier!.value;
  if (lost.problem !== null) {
    return errorOf(lost.problem, { authority, names: [name], retryAtMs: 0, isValidation: true });
  }
  const message = `${authority} says that the authorization of ${name} is ${lost.status}`;
  return new AcmeError(message, { advice: 'retry' });
}

function afterDownload(state: OrderState, reply: AcmeReply, policy: OrderPolicy): OrderState {
  const chain = new TextDecoder().decode(reply.body);
  const wrong = checkChain(chain, state.certificateKey, state.names);
  if (wrong !== null) {
    const message = `${policy.authority} gave a certificate that cannot be used: ${wrong}`;
    return failWith(state, new AcmeError(message, { advice: 'retry' }), policy);
  }
  if (policy.preferredChain === '' || hasRoot(chain, policy.preferredChain)) {
    return { ...state, chain, phase: 'done' };
  }
  const links = reply.headers.get('link');
  const alternateUrls = linksOf(links, 'alternate', state.certificateUrl);
  return {
    ...state,
    chain,
    alternateUrls,
    phase: alternateUrls.length > 0 ? 'alternates' : 'done',
  };
}

function afterAlternate(state: OrderState, reply: AcmeReply, policy: OrderPolicy): OrderState {
  const chain = new TextDecoder().decode(reply.body);
  const isFit = checkChain(chain, state.certificateKey, state.names) === null;
  if (isFit && hasRoot(chain, policy.preferredChain)) {
    return { ...state, chain, phase: 'done', alternateUrls: [] };
  }
  const alternateUrls = state.alternateUrls.slice(1);
  return { ...state, alternateUrls, phase: alternateUrls.length > 0 ? 'alternates' : 'done' };
}

function afterCleanup(state: OrderState, policy: OrderPolicy): OrderState {
  return state.failure === null ? { ...state, phase: 'order' } : giveUpRest(state, policy);
}

function afterDeactivation(state: OrderState, policy: OrderPolicy): OrderState {
  const next = changeFirst(state, isOpen, (one) => ({ ...one, status: 'deactivated' }));
  return giveUpRest(next, policy);
}

/**
 * @param isChallenge another kind of challenge may do
 */
function failWith(
  state: OrderState,
  error: AcmeError,
  policy: OrderPolicy,
  isChallenge = false,
): OrderState {
  const { message, advice, retryAtMs, problem } = error;
  const failure = { message, advice, retryAtMs, problem, isChallenge };
  const failed: OrderState = { ...state, failure, waitMs: 0 };
  if (state.presented.length > 0) return { ...failed, phase: 'cleanup' };
  return giveUpRest(failed, policy);
}

/** Gives up what the authority still waits for; then another order, or the end. */
function giveUpRest(state: OrderState, policy: OrderPolicy): OrderState {
  if (state.authorizations.some(isOpen)) return { ...state, phase: 'deactivate' };
  const isWorthAnother =
    state.failure!.isChallenge && state.ordersMade < ORDERS_MAX && hasAnotherWay(state, policy);
  return isWorthAnother ? startAnew(state) : { ...state, phase: 'failed' };
}

function nonsense({ authority }: OrderPolicy, what: string): AcmeError {
  const message = `${authority} answers with something else than ${what}`;
  return new AcmeError(message, { advice: 'retry' });
}

/** How long to wait before the next look; Retry-After can only make it longer. */
function delayMs(state: OrderState, reply: AcmeReply, nowMs: number): number {
  const ownMs = Math.min(Math.max(state.waitedMs / 2, POLL_FIRST_MS), POLL_MAX_MS);
  return reply.retryAtMs === 0 ? ownMs : Math.max(ownMs, reply.retryAtMs - nowMs);
}

/** The state with the first authorization that `isMeant` changed. */
function changeFirst(
  state: OrderState,
  isMeant: (one: AuthorizationState) => boolean,
  change: (one: AuthorizationState) => AuthorizationState,
): OrderState {
  const index = state.authorizations.findIndex(isMeant);
  const authorizations = state.authorizations.map((one, at) => (at === index ? change(one) : one));
  return { ...state, authorizations };
}
