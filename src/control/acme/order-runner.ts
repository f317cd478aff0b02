/**
 * Runs an order: does what the machine says, saves the state before each step, and leaves an order
 * that cannot go on now so that it can be gone on with later.
 *
 * R1  the state is on disk before an action is done (what is only about waiting is not saved).
 * R2  what was shown is taken away however this ends.
 * R3  a trouble of the network or of the authority keeps the order; only its end removes it.
 */

import { AcmeError } from './acme-error.ts';
import type { AcmeReply, AcmeSession, AcmeSigner } from './acme-session.ts';
import type { Challenge, ChallengeSolvers } from './challenge.ts';
import { advance } from './order-advance.ts';
import { nextAction } from './order-machine.ts';
import type { OrderAction, OrderEvent, OrderPolicy } from './order-machine.ts';
import type { FailedChallenge, OrderState } from './order-state.ts';
import type { OrderStore } from './order-store.ts';

/** Steps of one order; more than the largest needs, with everything going wrong. */
const STEPS_MAX = 20_000;
/** How long an aborted order is held up by taking away what it has shown. */
const TAKE_AWAY_MAX_MS = 5_000;
const CERTIFICATE_TYPE = 'application/pem-certificate-chain';

export interface OrderRun {
  readonly session: AcmeSession;
  readonly signer: AcmeSigner;
  readonly policy: OrderPolicy;
  readonly solvers: ChallengeSolvers;
  readonly store: OrderStore;
  readonly issuerKey: string;
  /** As `orderId` gives it. */
  readonly id: string;
  /** A new private key for the certificate, PEM. */
  readonly makeKey: () => Promise<string>;
  /** DER of a request for `names`, signed by that key. */
  readonly makeRequest: (names: readonly string[], key: string) => Uint8Array;
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

export interface OrderResult {
  /** PEM, leaf first. */
  readonly chain: string;
  readonly key: string;
  /** Kinds of challenges that worked, by name; empty for what was proved before. */
  readonly proved: readonly FailedChallenge[];
}

/**
 * Runs the order from `state` to its end.
 * @returns the certificate; its order stays in the store until it is removed from there
 * @throws AcmeError; what the store throws; the reason of the signal
 */
export async function runOrder(run: OrderRun, from: OrderState): Promise<OrderResult> {
  let state = from;
  let saved = '';
  try {
    for (let step = 0; step < STEPS_MAX; step++) {
      run.signal.throwIfAborted();
      saved = await save(run, state, saved);
      const action = nextAction(state, run.policy);
      if (action.kind === 'done') return resultOf(state);
      if (action.kind === 'failed') return await end(run, state);
      if (action.kind === 'later') return await leave(run, state, action);
      run.onStep(action.step);
      const event = await perform(run, state, action);
      state = advance(state, event, run.policy, run.session.clock.nowMs());
    }
    throw new AcmeError(`the order did not end in ${STEPS_MAX} steps`, { advice: 'retry' });
  } finally {
    await takeAwayInTime(run, state.presented);
  }
}

/** R1. @returns what is on disk now */
async function save(run: OrderRun, state: OrderState, before: string): Promise<string> {
  const durable = durableText(state);
  if (durable !== before) await run.store.save(run.issuerKey, run.id, state);
  return durable;
}

/** The state without what is about waiting alone, for comparison. */
function durableText(state: OrderState): string {
  return JSON.stringify(state, (key, value: unknown) =>
    key === 'waitMs' || key === 'waitedMs' || key === 'isChecked' ? undefined : value,
  );
}

function resultOf(state: OrderState): OrderResult {
  const proved = state.authorizations
    .filter((one) => one.status === 'valid' && one.chosen !== null)
    .map((one) => ({ identifier: one.identifier!.value, kind: one.chosen! }));
  return { chain: state.chain, key: state.certificateKey, proved };
}

async function end(run: OrderRun, state: OrderState): Promise<never> {
  await run.store.remove(run.issuerKey, run.id);
  const { message, advice, retryAtMs, problem } = state.failure!;
  throw new AcmeError(message, { advice, retryAtMs, problem });
}

async function leave(
  run: OrderRun,
  state: OrderState,
  action: OrderAction & { readonly kind: 'later' },
): Promise<never> {
  const waitsEnded = state.waitsEnded + 1;
  await run.store.save(run.issuerKey, run.id, { ...state, waitsEnded });
  const retryAtMs = run.session.clock.nowMs() + action.waitMs;
  throw new AcmeError(action.message, { advice: 'wait', retryAtMs });
}

type Performed = Exclude<OrderAction, { readonly kind: 'done' | 'failed' | 'later' }>;

async function perform(run: OrderRun, state: OrderState, action: Performed): Promise<OrderEvent> {
  switch (action.kind) {
    case 'wait':
      await run.session.clock.wait(action.durationMs, run.signal);
      return { kind: 'waited', durationMs: action.durationMs };
    case 'make-key':
      return { kind: 'key', pem: await run.makeKey() };
    case 'present':
      return present(run, action.challenges);
    case 'cleanup':
      await takeAway(run, action.challenges);
      return { kind: 'cleaned' };
    case 'finalize': {
      const request = run.makeRequest(state.names, state.certificateKey);
      const csr = Buffer.from(request).toString('base64url');
      return ask(run, state, { url: action.url, payload: { csr }, isCertificate: false });
    }
    default:
      return ask(run, state, action);
  }
}

async function ask(
  run: OrderRun,
  state: OrderState,
  action: {
    readonly url: string;
    readonly payload: object | null;
    readonly isCertificate: boolean;
  },
): Promise<OrderEvent> {
  const { url, payload, isCertificate } = action;
  const accept = isCertificate ? { accept: CERTIFICATE_TYPE } : {};
  let reply: AcmeReply;
  try {
    const { signer, session, signal } = run;
    const names = state.names;
    reply = await session.post({ url, payload, signer, names, ...accept }, signal);
  } catch (error) {
    if (!(error instanceof AcmeError) || run.signal.aborted) throw error;
    if (isPassing(error) && state.phase !== 'deactivate') throw error;
    return { kind: 'refused', error };
  }
  return { kind: 'reply', reply };
}

/** Nothing that is about this order: it can be gone on with when it is over. */
function isPassing(error: AcmeError): boolean {
  const { problem } = error;
  if (problem === null || problem.status >= 500 || problem.status === 429) return true;
  return PASSING_TYPES.includes(problem.type);
}

const PASSING_TYPES = [
  'accountDoesNotExist',
  'badNonce',
  'externalAccountRequired',
  'rateLimited',
  'serverInternal',
  'userActionRequired',
];

async function present(run: OrderRun, challenges: readonly Challenge[]): Promise<OrderEvent> {
  const results = await Promise.allSettled(
    challenges.map((challenge) => run.solvers.present(challenge, run.signal, run.onStep)),
  );
  run.signal.throwIfAborted();
  const failed: FailedChallenge[] = [];
  const messages: string[] = [];
  let isTemporary = true;
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') continue;
    const { identifier, kind } = challenges[index]!;
    failed.push({ identifier: identifier.value, kind });
    messages.push(textOf(result.reason));
    isTemporary &&= (result.reason as { isTemporary?: unknown } | null)?.isTemporary !== false;
  }
  if (failed.length === 0) return { kind: 'presented' };
  const { identifier, kind } = failed[0]!;
  const message = `the challenge ${kind} for ${identifier} cannot be shown: ${messages[0]}`;
  return { kind: 'not-presented', failed, message, isTemporary };
}

/** R2. Not with the signal of the order: it has to be done when that is aborted as well. */
async function takeAway(run: OrderRun, challenges: readonly Challenge[]): Promise<void> {
  await Promise.allSettled(challenges.map((challenge) => run.solvers.cleanup(challenge)));
}

/** The process may be about to end: what is not taken away now is when the order is resumed. */
async function takeAwayInTime(run: OrderRun, challenges: readonly Challenge[]): Promise<void> {
  const done = takeAway(run, challenges);
  if (!run.signal.aborted) return done;
  const rest = new AbortController();
  const late = run.session.clock.wait(TAKE_AWAY_MAX_MS, rest.signal).catch(() => undefined);
  await Promise.race([done, late]);
  rest.abort();
}

function textOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
