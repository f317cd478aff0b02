import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';

import { buildCaCertificate, buildLeafCertificate } from '../x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../x509/keys.ts';
import { writePem } from '../x509/pem.ts';
import { AcmeError } from './acme-error.ts';
import type { ChallengeKind } from './challenge.ts';
import { advance } from './order-advance.ts';
import { nextAction } from './order-machine.ts';
import type { OrderAction, OrderEvent, OrderPolicy } from './order-machine.ts';
import { beginOrder, orderId, resumeOrder } from './order-state.ts';
import type { OrderState } from './order-state.ts';
import type { Problem } from './problem.ts';

const NOW = Date.parse('2026-11-20T20:00:00Z');
const ORDER = 'https://ca/order/1';

function policyWith(kinds: readonly ChallengeKind[]): OrderPolicy {
  return {
    authority: 'ca',
    newOrderUrl: 'https://ca/new',
    thumbprint: 'thumb',
    preferredChain: '',
    kindsFor: () => kinds,
    refusal: (kind) => (kind === 'dns-01' ? 'there is no `dns`' : null),
  };
}

const POLICY = policyWith(['http-01', 'tls-alpn-01']);

function reply(document: unknown, headers: Record<string, string> = {}): OrderEvent {
  const body = new TextEncoder().encode(
    typeof document === 'string' ? document : JSON.stringify(document),
  );
  return {
    kind: 'reply',
    reply: { status: 200, headers: new Map(Object.entries(headers)), body, retryAtMs: 0 },
  };
}

function refused(type: string, status = 400): OrderEvent {
  const problem: Problem = { type, status, detail: 'no', identifier: '', subproblems: [] };
  return { kind: 'refused', error: new AcmeError(`refused: ${type}`, { advice: 'fix', problem }) };
}

function orderDocument(status: string, names = 1): object {
  return {
    status,
    authorizations: Array.from({ length: names }, (_, index) => `https://ca/authz/${index}`),
    finalize: 'https://ca/finalize/1',
    ...(status === 'valid' ? { certificate: 'https://ca/cert/1' } : {}),
  };
}

function authorization(value: string, status: string, challenge = status): object {
  const kinds = ['http-01', 'tls-alpn-01', 'dns-01', 'odd-01'];
  return {
    status,
    identifier: { type: 'dns', value },
    challenges: kinds.map((type) => ({
      type,
      url: `https://ca/chall/${value}/${type}`,
      token: `token-${type}`,
      status: type === 'http-01' ? challenge : 'pending',
      ...(challenge === 'invalid' && type === 'http-01'
        ? { error: { type: 'urn:ietf:params:acme:error:connection', detail: 'timeout' } }
        : {}),
    })),
  };
}

function begin(names: readonly string[] = ['a.test']): OrderState {
  return beginOrder({ names, profile: '', replaces: '' });
}

/** Applies events in turn; each must be the outcome of the action that the machine wants. */
function play(
  from: OrderState,
  steps: readonly [kind: OrderAction['kind'], event: OrderEvent][],
  policy = POLICY,
): OrderState {
  let state = from;
  for (const [kind, event] of steps) {
    const action = nextAction(state, policy);
    assert.equal(action.kind, kind, JSON.stringify(action));
    state = advance(state, event, policy, NOW);
    // Plain data, at every step.
    assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
  }
  return state;
}

const WAITED: OrderEvent = { kind: 'waited', durationMs: 250 };
const CREATED = reply(orderDocument('pending'), { location: ORDER });
const TO_POLL: readonly [OrderAction['kind'], OrderEvent][] = [
  ['request', CREATED],
  ['request', reply(authorization('a.test', 'pending'))],
  ['present', { kind: 'presented' }],
  ['request', reply({ status: 'processing' })],
  ['wait', WAITED],
];

async function certificateFor(names: readonly string[]): Promise<{ chain: string; key: string }> {
  const [ca, key] = await Promise.all([generateKey('ecdsa-p256'), generateKey('ecdsa-p256')]);
  const life = { notBeforeMs: NOW - 1_000, notAfterMs: NOW + 86_400_000 };
  const certificate = buildCaCertificate({
    ...life,
    commonName: 'Root',
    organization: '',
    key: ca,
    pathLength: 0,
    signer: null,
  });
  const leaf = buildLeafCertificate({ ...life, names, key, signer: { certificate, key: ca } });
  return { chain: writePem('CERTIFICATE', leaf), key: keyToPem(key) };
}

test('order machine: the whole way, each request as RFC 8555 has it', async () => {
  const { chain, key } = await certificateFor(['a.test']);
  const begun = begin();
  assert.deepEqual(nextAction(begun, POLICY), {
    kind: 'request',
    url: 'https://ca/new',
    payload: { identifiers: [{ type: 'dns', value: 'a.test' }] },
    isCertificate: false,
    step: 'making an order',
  });
  const answering = play(begun, TO_POLL.slice(0, 3));
  assert.deepEqual((nextAction(answering, POLICY) as { payload: object }).payload, {});
  const done = play(begun, [
    ...TO_POLL,
    ['request', reply(authorization('a.test', 'valid'))],
    ['cleanup', { kind: 'cleaned' }],
    ['request', reply(orderDocument('ready'))],
    ['make-key', { kind: 'key', pem: key }],
    ['finalize', reply(orderDocument('processing'))],
    ['wait', WAITED],
    ['request', reply(orderDocument('valid'))],
    ['request', reply(chain)],
  ]);
  assert.deepEqual(nextAction(done, POLICY), { kind: 'done', chain, key });
  assert.ok(new X509Certificate(chain).subjectAltName);
});

test('order machine: what is shown stands in the state before it is shown', () => {
  const state = play(begin(), TO_POLL.slice(0, 2));
  const action = nextAction(state, POLICY);
  assert.equal(action.kind, 'present');
  const challenge = {
    kind: 'http-01',
    identifier: { type: 'dns', value: 'a.test' },
    token: 'token-http-01',
    keyAuthorization: 'token-http-01.thumb',
  };
  assert.deepEqual(state.presented, [challenge]);
  assert.deepEqual((action as { challenges: unknown }).challenges, [challenge]);
});

test('order machine: the key is in the state before finalize is sent', () => {
  const state = play(begin(), [
    ['request', reply(orderDocument('ready'), { location: ORDER })],
    ['make-key', { kind: 'key', pem: 'the key' }],
  ]);
  assert.equal(state.certificateKey, 'the key');
  assert.equal(nextAction(state, POLICY).kind, 'finalize');
});

test('order machine: authorizations that are valid already need no challenge', () => {
  const state = play(begin(), [
    ['request', CREATED],
    ['request', reply(authorization('a.test', 'valid'))],
  ]);
  assert.deepEqual(state.presented, []);
  assert.equal((nextAction(state, POLICY) as { url: string }).url, ORDER);
});

test('order machine: what is replaced is sent, and left out when that is refused', () => {
  const wanted = { names: ['a.test'], profile: 'shortlived', replaces: 'a.b' };
  for (const event of [
    refused('alreadyReplaced', 409),
    refused('malformed'),
    refused('odd', 404),
  ]) {
    const begun = beginOrder(wanted);
    const { payload } = nextAction(begun, POLICY) as { payload: Record<string, unknown> };
    assert.equal(payload['profile'], 'shortlived');
    assert.equal(payload['replaces'], 'a.b');
    const state = play(begun, [['request', event]]);
    const second = nextAction(state, POLICY) as { payload: Record<string, unknown> };
    assert.equal('replaces' in second.payload, false);
    // Refused without it as well, it is over.
    assert.equal(nextAction(play(state, [['request', event]]), POLICY).kind, 'failed');
  }
  const state = play(beginOrder(wanted), [['request', refused('rejectedIdentifier', 403)]]);
  assert.equal(nextAction(state, POLICY).kind, 'failed');
});

test('order machine: a failed challenge is tidied up, then another kind is tried', () => {
  const failed = play(begin(), [
    ...TO_POLL,
    ['request', reply(authorization('a.test', 'invalid'))],
    ['cleanup', { kind: 'cleaned' }],
  ]);
  assert.equal(failed.phase, 'create');
  assert.deepEqual(failed.failedChallenges, [{ identifier: 'a.test', kind: 'http-01' }]);
  const again = play(failed, TO_POLL.slice(0, 2));
  assert.deepEqual(
    again.presented.map(({ kind }) => kind),
    ['tls-alpn-01'],
  );
  const over = play(failed, [
    ...TO_POLL,
    ['request', reply(authorization('a.test', 'invalid'))],
    ['cleanup', { kind: 'cleaned' }],
  ]);
  const action = nextAction(over, POLICY);
  assert.equal(action.kind, 'failed');
  assert.match((action as { failure: { message: string } }).failure.message, /connect to a\.test/);
});

test('order machine: a name that cannot be proved says why, kind by kind', () => {
  const policy = policyWith(['dns-01']);
  const state = play(begin(), TO_POLL.slice(0, 2), policy);
  const step = nextAction(state, policy);
  assert.deepEqual((step as { payload: unknown }).payload, { status: 'deactivated' });
  const over = play(state, [['request', refused('unauthorized', 403)]], policy);
  const { failure } = nextAction(over, policy) as { failure: { message: string; advice: string } };
  assert.equal(failure.message, 'there is no way to prove a.test (dns-01: there is no `dns`)');
  assert.equal(failure.advice, 'fix');
});

test('order machine: what cannot be shown is tried by another kind in the same order', () => {
  const failed = [{ identifier: 'a.test', kind: 'http-01' as const }];
  const state = play(begin(), [
    ...TO_POLL.slice(0, 2),
    ['present', { kind: 'not-presented', failed, message: 'broken', isTemporary: true }],
  ]);
  assert.equal(nextAction(state, POLICY).kind, 'present');
  assert.deepEqual(
    state.presented.map(({ kind }) => kind),
    ['http-01', 'tls-alpn-01'],
    'both are to be taken away',
  );
  const next = [{ identifier: 'a.test', kind: 'tls-alpn-01' as const }];
  const over = play(state, [
    ['present', { kind: 'not-presented', failed: next, message: 'broken', isTemporary: true }],
    ['cleanup', { kind: 'cleaned' }],
    ['request', reply({})],
  ]);
  const { failure } = nextAction(over, POLICY) as { failure: { message: string; advice: string } };
  assert.deepEqual([failure.message, failure.advice], ['broken', 'retry']);
});

function waitFor(durationMs: number): object {
  return { kind: 'wait', durationMs, step: 'waiting for the authority to validate' };
}

test('order machine: Retry-After makes a wait longer, never shorter', () => {
  const polled = (retryAtMs: number): OrderAction => {
    const state = play(begin(), TO_POLL);
    const event = reply(authorization('a.test', 'pending')) as OrderEvent & { kind: 'reply' };
    const later = { ...event, reply: { ...event.reply, retryAtMs } };
    return nextAction(advance(state, later, POLICY, NOW), POLICY);
  };
  assert.deepEqual(polled(0), waitFor(250));
  assert.deepEqual(polled(NOW + 1), waitFor(250));
  assert.deepEqual(polled(NOW + 30_000), waitFor(30_000));
  assert.deepEqual(polled(NOW + 86_400_000), waitFor(60_000), 'the challenges stay');
});

test('order machine: waits for ten minutes, then leaves the order for ten to sixty', () => {
  const pending = reply(authorization('a.test', 'pending')) as OrderEvent & { kind: 'reply' };
  for (const [said, wanted] of [
    [0, 600_000],
    [1_800_000, 1_800_000],
    [86_400_000, 3_600_000],
  ] as const) {
    const retryAtMs = said === 0 ? 0 : NOW + said;
    let state = play(begin(), TO_POLL);
    let waitedMs = 250;
    for (;;) {
      state = advance(state, { ...pending, reply: { ...pending.reply, retryAtMs } }, POLICY, NOW);
      const action = nextAction(state, POLICY);
      if (action.kind === 'later') {
        assert.equal(action.waitMs, wanted);
        break;
      }
      assert.ok(action.kind === 'wait');
      waitedMs += action.durationMs;
      state = advance(state, { kind: 'waited', durationMs: action.durationMs }, POLICY, NOW);
    }
    assert.ok(waitedMs > 500_000 && waitedMs <= 600_000, String(waitedMs));
  }
});

test('order machine: polls look at every open name once between two waits', () => {
  const names = ['a.test', 'b.test'];
  const state = play(begin(names), [
    ['request', reply(orderDocument('pending', 2), { location: ORDER })],
    ['request', reply(authorization('a.test', 'pending'))],
    ['request', reply(authorization('b.test', 'pending'))],
    ['present', { kind: 'presented' }],
    ['request', reply({})],
    ['request', reply({})],
    ['wait', WAITED],
    ['request', reply(authorization('a.test', 'pending'))],
    ['request', reply(authorization('b.test', 'valid'))],
    ['wait', WAITED],
  ]);
  assert.equal((nextAction(state, POLICY) as { url: string }).url, 'https://ca/authz/0');
});

test('order machine: resumed, it reads the order anew and keeps key and what was shown', () => {
  const shown = play(begin(), TO_POLL);
  const resumed = resumeOrder(shown);
  assert.equal(resumed.phase, 'refresh');
  assert.deepEqual(resumed.presented, shown.presented);
  const gone = play(resumed, [['request', refused('malformed', 404)]]);
  assert.equal(gone.phase, 'create');
  assert.deepEqual(gone.presented, shown.presented);
  // The authority was told before the process ended: it is waited for, not told again.
  const waiting = play(resumed, [
    ['request', reply(orderDocument('pending'))],
    ['request', reply(authorization('a.test', 'pending', 'processing'))],
    ['present', { kind: 'presented' }],
  ]);
  assert.equal(nextAction(waiting, POLICY).kind, 'wait');
  // It was proved before the process ended: the challenge is still taken away.
  const ready = play(resumed, [['request', reply(orderDocument('ready'))]]);
  assert.equal(nextAction(ready, POLICY).kind, 'cleanup');
});

test('order machine: a state of tidying up goes on with it', () => {
  const failing = play(begin(), [
    ...TO_POLL,
    ['request', reply(authorization('a.test', 'invalid'))],
  ]);
  assert.equal(failing.phase, 'cleanup');
  assert.equal(resumeOrder(failing).phase, 'cleanup');
  assert.equal(resumeOrder({ ...failing, phase: 'create', failure: null }).orderUrl, ORDER);
});

test('order id: the same for the same names and profile, and safe as a file name', () => {
  const id = orderId(['*.a.test', 'a.test'], '');
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(orderId(['*.a.test', 'a.test'], ''), id);
  assert.notEqual(orderId(['a.test'], ''), id);
  assert.notEqual(orderId(['*.a.test', 'a.test'], 'shortlived'), id);
});

const STATUSES = ['pending', 'ready', 'processing', 'valid', 'invalid', 'expired', '', 'odd'];

/** Whatever an authority says. */
const anyEvent = fc.oneof(
  fc
    .tuple(fc.constantFrom(...STATUSES), fc.integer({ min: 0, max: 2 }), fc.boolean())
    .map(([status, names, hasUrl]) => {
      return reply(orderDocument(status, names), hasUrl ? { location: ORDER } : {});
    }),
  fc
    .tuple(fc.constantFrom(...STATUSES), fc.constantFrom(...STATUSES))
    .map(([status, challenge]) => reply(authorization('a.test', status, challenge))),
  fc.constantFrom('null', '[]', '{}', '<', '{"status":7}').map((text) => reply(text)),
  fc
    .constantFrom('malformed', 'orderNotReady', 'alreadyReplaced', 'unauthorized', 'caa')
    .map((type) => refused(type)),
);

/** The outcome of an action that is not a request. */
function outcomeOf(action: OrderAction, isShown: boolean): OrderEvent | null {
  switch (action.kind) {
    case 'wait':
      return { kind: 'waited', durationMs: action.durationMs };
    case 'make-key':
      return { kind: 'key', pem: 'key' };
    case 'cleanup':
      return { kind: 'cleaned' };
    case 'present': {
      const failed = action.challenges.map(({ kind, identifier }) => {
        return { kind, identifier: identifier.value };
      });
      if (isShown || failed.length === 0) return { kind: 'presented' };
      return { kind: 'not-presented', failed, message: 'broken', isTemporary: false };
    }
    default:
      return null;
  }
}

test('order machine: every order ends, whatever the authority says, resumed or not', () => {
  const events = fc.array(anyEvent, { minLength: 1, maxLength: 6 });
  const kills = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 });
  const shownAt = fc.array(fc.boolean(), { minLength: 1 });
  fc.assert(
    fc.property(events, shownAt, kills, (replies, shown, killedAt) => {
      let state = begin();
      for (let step = 0; step < 5_000; step++) {
        if (killedAt.includes(step)) {
          state = resumeOrder(JSON.parse(JSON.stringify(state)) as OrderState);
        }
        const action = nextAction(state, POLICY);
        if (['done', 'failed', 'later'].includes(action.kind)) {
          if (action.kind === 'failed') assert.deepEqual(state.presented, [], 'all is taken away');
          return;
        }
        const event =
          outcomeOf(action, shown[step % shown.length]!) ?? replies[step % replies.length]!;
        state = advance(state, event, POLICY, NOW);
        assert.ok(state.ordersMade <= 4);
      }
      assert.fail(`it does not end: ${JSON.stringify(state)}`);
    }),
    { numRuns: 5_000 },
  );
});
