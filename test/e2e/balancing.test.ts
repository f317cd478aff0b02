/** Which endpoint gets the request: weights, stickiness, an endpoint that is down. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { FILE, startBehind, type Behind } from '../support/behind.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';

let origins: HttpOrigin[] = [];
let proxy: Behind;

test.before(async () => {
  origins = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      startOrigin((request, response) => {
        request.resume();
        response.end(name);
      }),
    ),
  );
  const gone = await startOrigin(() => undefined);
  await gone.close();
  const [a, b, c] = origins.map((origin) => `http://127.0.0.1:${origin.port}`);
  proxy = await startBehind(
    FILE,
    ([port]) => `
[listeners.web]
address = "127.0.0.1:${port}"

[routes.weighted]
path = "/weighted/*"
service = "weighted"
[services.weighted]
endpoints = [{ url = "${a}", weight = 3 }, { url = "${b}", weight = 1 }]

[routes.sticky]
path = "/sticky/*"
service = "sticky"
[services.sticky]
endpoints = ["${a}", "${b}", "${c}"]
[services.sticky.sticky]
cookie = "lane"

[routes.partly]
path = "/partly/*"
service = "partly"
[services.partly]
endpoints = ["${a}", "http://127.0.0.1:${gone.port}"]

[routes.random]
path = "/random/*"
service = "random"
[services.random]
endpoints = ["${a}", "${b}", "${c}"]
balance = "random"

[routes.least]
path = "/least/*"
service = "least"
[services.least]
endpoints = ["${a}", "${b}", "${c}"]
balance = "least-requests"
`,
  );
});

test.after(() => Promise.all(origins.map((origin) => origin.close())));

async function ask(path: string, cookie?: string): Promise<string> {
  const headers = cookie === undefined ? {} : { cookie };
  const { status, body } = await fetchFrom(proxy.port, path, { headers });
  return status === 200 ? body.toString() : String(status);
}

async function tally(path: string, count: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = Object.create(null);
  for (let i = 0; i < count; i++) {
    const name = await ask(path);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return { ...counts };
}

test('balancing: round-robin follows the weights exactly', async () => {
  assert.deepEqual(await tally('/weighted/x', 40), { a: 30, b: 10 });
});

test('balancing: a sticky cookie brings the client back to its endpoint', async () => {
  const first = await fetchFrom(proxy.port, '/sticky/x');
  const cookie = (first.headers['set-cookie'] ?? [])
    .map((line) => line.split(';')[0] ?? '')
    .find((pair) => pair.startsWith('lane='));
  assert.ok(cookie !== undefined, 'no sticky cookie was set');
  const home = first.body.toString();
  for (let i = 0; i < 12; i++) assert.equal(await ask('/sticky/x', cookie), home);
  const others = await tally('/sticky/x', 9);
  assert.ok(Object.keys(others).length > 1, 'without the cookie others are chosen as well');
});

test('balancing: a forged sticky cookie is no error', async () => {
  for (const value of ['lane=', 'lane=zzzz', 'lane="x', `lane=${'y'.repeat(3_000)}`]) {
    assert.match(await ask('/sticky/x', value), /^[abc]$/);
  }
});

test('balancing: an endpoint that refuses connections costs no request', async () => {
  assert.deepEqual(await tally('/partly/x', 12), { a: 12 });
});

test('balancing: random and least-requests use every endpoint', async () => {
  for (const path of ['/random/x', '/least/x']) {
    const counts = await tally(path, 60);
    assert.deepEqual(Object.keys(counts).toSorted(), ['a', 'b', 'c'], JSON.stringify(counts));
  }
});
