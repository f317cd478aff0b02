/** Who the client is: trusted proxies, spoofed fields, and loops. */

import assert from 'node:assert/strict';
import type http from 'node:http';
import test from 'node:test';
import { simpleToml, startBehind, startInFrontOf } from '../support/behind.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';

let origin: HttpOrigin;

test.before(async () => {
  origin = await startOrigin((request, response) => {
    response.end(JSON.stringify(request.headers));
  });
});

test.after(() => origin.close());

async function seenBy(port: number, headers: http.OutgoingHttpHeaders) {
  const { body } = await fetchFrom(port, '/x', { headers: { host: 'a.test', ...headers } });
  return JSON.parse(body.toString()) as http.IncomingHttpHeaders;
}

const claims = {
  'x-forwarded-for': '203.0.113.9, 198.51.100.7',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'shop.test',
  'x-real-ip': '203.0.113.9',
};

test('forwarded: an untrusted peer is the client, whatever it claims', async (t) => {
  const proxy = await startInFrontOf(t, origin.port);
  const seen = await seenBy(proxy.port, claims);
  assert.equal(seen['x-forwarded-for'], '127.0.0.1');
  assert.equal(seen['x-real-ip'], '127.0.0.1');
  assert.equal(seen['x-forwarded-proto'], 'http');
  assert.equal(seen['x-forwarded-host'], 'a.test');
});

test('forwarded: Connection cannot take away what the proxy adds', async (t) => {
  const proxy = await startInFrontOf(t, origin.port);
  const added = ['x-forwarded-for', 'x-real-ip', 'x-forwarded-proto', 'x-forwarded-host', 'via'];
  const seen = await seenBy(proxy.port, { connection: added.join(', '), ...claims });
  for (const name of added) assert.ok(seen[name] !== undefined, `${name} is gone`);
  assert.equal(seen['x-real-ip'], '127.0.0.1');
});

test('forwarded: a trusted peer is believed up to the right-most untrusted address', async (t) => {
  const proxy = await startBehind(t, ([port]) =>
    simpleToml(port!, [`http://127.0.0.1:${origin.port}`]).replace(
      '[listeners.web]\n',
      '[listeners.web]\ntrusted-proxies = ["127.0.0.0/8", "198.51.100.0/24"]\n',
    ),
  );
  const seen = await seenBy(proxy.port, claims);
  assert.equal(seen['x-real-ip'], '203.0.113.9');
  assert.equal(seen['x-forwarded-proto'], 'https');
  assert.equal(seen['x-forwarded-host'], 'shop.test');
  const chain = String(seen['x-forwarded-for']).split(/, */);
  assert.equal(chain.at(-1), '127.0.0.1', 'the peer itself is appended');
  assert.ok(chain.includes('203.0.113.9'));
});

test('forwarded: a trusted peer that sends garbage does no harm', async (t) => {
  const proxy = await startBehind(t, ([port]) =>
    simpleToml(port!, [`http://127.0.0.1:${origin.port}`]).replace(
      '[listeners.web]\n',
      '[listeners.web]\ntrusted-proxies = ["127.0.0.1"]\n',
    ),
  );
  for (const value of ['', ',', 'unknown', '1.2.3.4.5', '::1:::', `${'1.1.1.1,'.repeat(500)}x`]) {
    const seen = await seenBy(proxy.port, { 'x-forwarded-for': value, 'x-forwarded-proto': 'x y' });
    assert.match(String(seen['x-real-ip']), /^[0-9a-f.:]+$/, `claimed ${value.slice(0, 20)}`);
  }
});

test('forwarded: Via names the proxy, once', async (t) => {
  const proxy = await startInFrontOf(t, origin.port);
  assert.match(String((await seenBy(proxy.port, {})).via), /^1\.1 [^,]+$/);
});

test('forwarded: a proxy that points at itself answers 508 or 502 after few hops', async (t) => {
  const proxy = await startBehind(t, ([port]) => simpleToml(port!, [`http://127.0.0.1:${port}`]));
  const { status } = await fetchFrom(proxy.port, '/loop');
  assert.ok([502, 508].includes(status), String(status));
});
