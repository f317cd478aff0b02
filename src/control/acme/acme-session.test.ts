import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AcmeError } from './acme-error.ts';
import { AcmeHttpError } from './acme-http.ts';
import type { AcmeHttpRequest, AcmeHttpResponse } from './acme-http.ts';
import { AcmeSession } from './acme-session.ts';
import { generateAccountKey, readAccountKey } from './jws.ts';

const DIRECTORY = 'https://ca.example/dir';
const ORDER = 'https://ca.example/order';
const URLS = {
  newNonce: 'https://ca.example/nonce',
  newAccount: 'https://ca.example/account',
  newOrder: ORDER,
};

type Answer = Partial<AcmeHttpResponse> & { readonly text?: object; readonly fields?: object };

function problem(type: string): object {
  return { type: `urn:ietf:params:acme:error:${type}`, detail: 'no' };
}

/** An authority that answers POSTs by a script; each response has a nonce of its own. */
class Script {
  readonly sent: AcmeHttpRequest[] = [];
  readonly waits: number[] = [];
  nowMs = Date.parse('2026-11-20T20:00:00Z');
  readonly session: AcmeSession;
  directoryAnswer: Answer = { text: URLS };
  #nonces = 0;

  constructor(...answers: (Answer | AcmeHttpError)[]) {
    this.session = new AcmeSession({
      directory: DIRECTORY,
      clock: {
        nowMs: () => this.nowMs,
        wait: (durationMs) => {
          this.waits.push(durationMs);
          this.nowMs += durationMs;
          return Promise.resolve();
        },
      },
      http: {
        send: (request) => {
          this.sent.push(request);
          if (request.url === DIRECTORY) return Promise.resolve(this.#answer(this.directoryAnswer));
          if (request.method === 'HEAD') return Promise.resolve(this.#answer({}));
          const answer = answers.shift() ?? assert.fail('nothing more was expected');
          if (answer instanceof AcmeHttpError) return Promise.reject(answer);
          return Promise.resolve(this.#answer(answer));
        },
      },
    });
  }

  post(signal = new AbortController().signal): Promise<unknown> {
    const signer = { key: readAccountKey(KEY)!, url: 'https://ca.example/account/1' };
    return this.session.post({ url: ORDER, payload: {}, signer }, signal);
  }

  /** Nonces of the POSTs, in order. */
  get nonces(): string[] {
    return this.sent
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => {
        const jws = JSON.parse(new TextDecoder().decode(body!)) as { protected: string };
        const header = Buffer.from(jws.protected, 'base64url').toString();
        return (JSON.parse(header) as { nonce: string }).nonce;
      });
  }

  #answer({ status = 200, text, fields = {} }: Answer): AcmeHttpResponse {
    return {
      status,
      headers: new Map(Object.entries({ 'replay-nonce': `n${this.#nonces++}`, ...fields })),
      body: new TextEncoder().encode(text === undefined ? '' : JSON.stringify(text)),
    };
  }
}

const KEY = generateAccountKey();
const NO_NONCE = { 'replay-nonce': '' };

async function failure(promise: Promise<unknown>): Promise<AcmeError> {
  const error: unknown = await promise.then(
    () => assert.fail('it must fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof AcmeError, String(error));
  return error;
}

test('session: nonces come from responses; only the first is asked for', async () => {
  const script = new Script({}, {}, {});
  for (let i = 0; i < 3; i++) await script.post();
  assert.deepEqual(
    script.sent.map(({ method }) => method),
    ['GET', 'HEAD', 'POST', 'POST', 'POST'],
  );
  assert.equal(new Set(script.nonces).size, 3);
});

test('session: a refused nonce is replaced by that of the refusal', async () => {
  const script = new Script({ status: 400, text: problem('badNonce') }, {});
  await script.post();
  const [first, second] = script.nonces;
  assert.notEqual(first, second);
  assert.deepEqual(script.waits, []);
});

test('session: after a refused nonce none from before it is used', async () => {
  const script = new Script({ status: 400, text: problem('badNonce'), fields: NO_NONCE }, {});
  const { signal } = new AbortController();
  await script.session.directory(signal);
  await script.session.get(DIRECTORY, signal);
  await script.session.get(DIRECTORY, signal);
  await script.post();
  assert.equal(script.sent.at(-2)!.method, 'HEAD');
});

test('session: thirty refused nonces are the end', async () => {
  const answers = Array.from({ length: 30 }, () => ({ status: 400, text: problem('badNonce') }));
  const script = new Script(...answers);
  const error = await failure(script.post());
  assert.equal(error.type, 'badNonce');
  assert.equal(new Set(script.nonces).size, 30);
  const enough = new Script(...answers.slice(1), {});
  await enough.post();
});

test('session: no answer and 5xx are tried three times, each newly signed', async () => {
  const lost = new AcmeHttpError('ca.example cannot be reached (it refuses connections)', true);
  const script = new Script(lost, { status: 502 }, {});
  await script.post();
  assert.equal(new Set(script.nonces).size, 3);
  assert.deepEqual(script.waits, [1_000, 3_000]);
  const over = new Script(lost, lost, lost);
  const error = await failure(over.post());
  assert.equal(error.advice, 'retry');
  assert.equal(error.message, lost.message);
  assert.equal(error.retryAtMs, over.nowMs + 60_000);
});

test('session: what would fail again is not tried again', async () => {
  const untrusted = new AcmeHttpError('not trusted', false);
  const script = new Script(untrusted);
  assert.equal((await failure(script.post())).advice, 'fix');
  for (const status of [400, 401, 403, 404, 409, 429]) {
    const refusing = new Script({ status, text: problem('caa') });
    await failure(refusing.post());
    assert.equal(refusing.waits.length, 0);
  }
});

function troubleFor(seconds: string): Answer {
  return { status: 503, fields: { 'retry-after': seconds }, text: problem('serverInternal') };
}

test('session: Retry-After is waited for up to 20 s, and passed on when longer', async () => {
  const short = new Script(troubleFor('20'), {});
  await short.post();
  assert.deepEqual(short.waits, [20_000]);
  const long = new Script(troubleFor('21'));
  const error = await failure(long.post());
  assert.deepEqual([error.advice, error.retryAtMs], ['wait', long.nowMs + 21_000]);
  assert.deepEqual(long.waits, []);
});

test('session: a limit without a time is not met again at once', async () => {
  const script = new Script({ status: 429, text: problem('rateLimited') });
  const error = await failure(script.post());
  assert.deepEqual([error.advice, error.retryAtMs], ['wait', script.nowMs + 60_000]);
});

test('session: a redirect is for a person', async () => {
  const script = new Script({ status: 301, fields: { location: 'https://elsewhere/' } });
  const error = await failure(script.post());
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /redirect \(301\)/);
});

test('session: new terms are named with their page', async () => {
  const link = '<https://ca.example/terms>;rel="terms-of-service"';
  const script = new Script({
    status: 403,
    text: problem('userActionRequired'),
    fields: { link },
  });
  const error = await failure(script.post());
  assert.match(error.message, /https:\/\/ca\.example\/terms/);
});

test('session: the directory is kept for an hour, and longer while it cannot be read', async () => {
  const script = new Script();
  const { signal } = new AbortController();
  const read = (): Promise<unknown> => script.session.directory(signal);
  const first = await read();
  assert.equal(await read(), first);
  assert.equal(script.sent.length, 1);
  script.nowMs += 3_600_000;
  script.directoryAnswer = { status: 503 };
  assert.equal(await read(), first);
  script.directoryAnswer = { text: { ...URLS, renewalInfo: 'https://ca.example/ari' } };
  assert.notEqual(await read(), first);
});

test('session: a nonce page without a nonce is a failure, not a loop', async () => {
  const session = new AcmeSession({
    directory: DIRECTORY,
    clock: { nowMs: () => 0, wait: () => Promise.resolve() },
    http: {
      send: ({ url }) =>
        Promise.resolve({
          status: 200,
          headers: new Map(),
          body: new TextEncoder().encode(url === DIRECTORY ? JSON.stringify(URLS) : ''),
        }),
    },
  });
  const signer = { key: readAccountKey(KEY)!, url: '' };
  const { signal } = new AbortController();
  const error = await failure(session.post({ url: ORDER, payload: {}, signer }, signal));
  assert.match(error.message, /gave no nonce/);
});

test('session: aborted, it throws the reason and sends nothing more', async () => {
  const script = new Script();
  const abort = new AbortController();
  abort.abort(new Error('the process ends'));
  await assert.rejects(script.post(abort.signal), /the process ends/);
  assert.equal(script.sent.length, 0);
});
