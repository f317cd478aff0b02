import assert from 'node:assert/strict';
import test from 'node:test';
import { ApiClient } from './api-call.ts';
import type { ApiCall } from './api-call.ts';
import { fakeTools, NOW_MS, SECRET, withApi } from './providers/fake-api.contract.ts';
import type { FakeReply } from './providers/fake-api.contract.ts';

const never = new AbortController().signal;

function open(url: string) {
  const tools = fakeTools();
  const client = new ApiClient({ service: 'Test DNS', secrets: [SECRET, ''], tools });
  const made: ApiCall[] = [];
  const call = (): ApiCall => {
    made.push({ method: 'POST', url: `${url}/x`, headers: { a: 'b' }, body: '{}' });
    return made.at(-1)!;
  };
  return { client, call, made, tools };
}

const LATER: FakeReply = { status: 429, headers: { 'retry-after': '7' } };

test('api call: 429 and 503 are tried again when the service says', async () => {
  const at = new Date(NOW_MS + 3_000).toUTCString();
  const replies = [LATER, { status: 503, headers: { 'retry-after': at } }, { status: 200 }];
  await withApi(
    (_call, index) => replies[index]!,
    async (api) => {
      const { client, call, made, tools } = open(api.url);
      assert.equal((await client.json(call, never)).status, 200);
      assert.deepEqual(tools.pauses, [7_000, 3_000]);
      assert.equal(made.length, 3, 'the call is made anew each time');
    },
  );
});

test('api call: a connection that breaks is tried again, four times in all', async () => {
  await withApi(
    () => null,
    async (api) => {
      const { client, call, tools } = open(api.url);
      await assert.rejects(client.json(call, never), {
        name: 'DnsProviderError',
        isTemporary: true,
        message: /^Test DNS could not be reached \(\w+\)$/,
      });
      assert.equal(api.calls.length, 4);
      assert.deepEqual(tools.pauses, [1_000, 2_000, 4_000]);
    },
  );
});

test('api call: a wait of more than a minute is left to the caller', async () => {
  await withApi(
    () => ({ status: 429, headers: { 'retry-after': '61' } }),
    async (api) => {
      const { client, call } = open(api.url);
      await assert.rejects(client.json(call, never), { isTemporary: true, message: /too many/ });
      assert.equal(api.calls.length, 1);
    },
  );
});

test('api call: an error says what the service said, and never a secret', async () => {
  const rows: [unknown, RegExp, boolean][] = [
    [{ errors: [{ code: 1, message: `bad token ${SECRET}` }] }, /403 .*: bad token \*\*\*$/, false],
    [{ error: { message: 'no\nsuch zone' } }, /: no such zone$/, false],
    [{ message: 'x'.repeat(5_000) }, /: x{200}$/, false],
    ['<Error><Message>no, &quot;x&quot;</Message></Error>', /: no, &quot;x&quot;$/, false],
    ['<html>what</html>', /403 \(are the credentials right[^:]*$/, false],
  ];
  for (const [body, expected, isTemporary] of rows) {
    await withApi(
      () => ({ status: 403, body }),
      async (api) => {
        const { client, call } = open(api.url);
        const error = await client.json(call, never).catch((reason: unknown) => reason);
        assert.ok(error instanceof Error);
        assert.match(error.message, expected);
        assert.ok(!JSON.stringify([error.message, error.stack, error]).includes(SECRET));
        assert.equal((error as { isTemporary?: boolean }).isTemporary, isTemporary);
      },
    );
  }
});

test('api call: redirects are not followed, and too long an answer is no answer', async () => {
  await withApi(
    (call) => ({ status: 302, headers: { location: `${call.path}/y` } }),
    async (api) => {
      const { client, call } = open(api.url);
      await assert.rejects(client.json(call, never), /answered 302/);
      assert.equal(api.calls.length, 1);
    },
  );
  await withApi(
    () => ({ status: 200, body: 'x'.repeat(1_048_577) }),
    async (api) => {
      const { client, call } = open(api.url);
      await assert.rejects(client.json(call, never), /too long an answer/);
    },
  );
});

test('api call: broken off, it is not tried again', async () => {
  const stop = new AbortController();
  const abort = (): null => {
    stop.abort();
    return null;
  };
  await withApi(abort, async (api) => {
    const { client, call } = open(api.url);
    await assert.rejects(client.json(call, stop.signal), { message: 'broken off' });
    assert.equal(api.calls.length, 1);
  });
});
