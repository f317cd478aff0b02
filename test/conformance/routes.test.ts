/**
 * T1, T10 and T11 where they decide something: one canonical host and path is matched,
 * authorised and forwarded, also with hundreds of hosts configured.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { FILE, startBehind, type Behind } from '../support/behind.ts';
import { converse } from '../support/raw-client.ts';
import { RecorderOrigin } from '../support/recorder-origin.ts';
import { readResponses } from '../support/response-reader.ts';

const HOSTS = 200;

let open: RecorderOrigin;
let admin: RecorderOrigin;
let proxy: Behind;

test.before(async () => {
  [open, admin] = await Promise.all([RecorderOrigin.start(), RecorderOrigin.start()]);
  const hosts = Array.from(
    { length: HOSTS },
    (_, i) => `[routes.h${i}]\nhost = "h${i}.test"\npath = "/*"\nservice = "open"\n`,
  );
  proxy = await startBehind(
    FILE,
    ([port]) => `
[listeners.web]
address = "127.0.0.1:${port}"
[services.open]
endpoints = ["http://127.0.0.1:${open.port}"]
[services.admin]
endpoints = ["http://127.0.0.1:${admin.port}"]
[routes.admin]
host = "a.test"
path = "/admin/*"
service = "admin"
[routes.public]
host = "a.test"
path = "/public/*"
service = "open"
${hosts.join('\n')}
`,
  );
});

test.after(() => Promise.all([open.close(), admin.close()]));

async function ask(host: string, target: string): Promise<number> {
  open.forget();
  admin.forget();
  const { received } = await converse(proxy.port, {
    steps: [{ send: Buffer.from(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`) }],
    isEnough: (bytes) => readResponses(bytes, false).responses.length > 0,
    quietMs: 0,
    timeoutMs: 5_000,
  });
  return readResponses(received, true).responses[0]?.status ?? 0;
}

for (const host of ['h7.test', 'H7.TEST', 'h7.test.', 'h7.test:80', 'H199.Test.:8080']) {
  test(`routes: T10 ${host} is found among ${HOSTS} hosts`, async () => {
    assert.equal(await ask(host, '/x'), 200);
  });
}

test('routes: T10 a host that is not configured gets 404 or 421', async () => {
  for (const host of ['h200.test', 'xh7.test', 'h7.test.evil', 'test']) {
    assert.ok([404, 421].includes(await ask(host, '/x')), host);
  }
});

/** Targets that must not reach the public service with a path that means /admin there. */
const sneaky = [
  '/public/../admin/x',
  '/public/%2e%2e/admin/x',
  '/public/.%2E/admin/x',
  '/public/./../admin/x',
  '/public//../../admin/x',
  '/public/..%2fadmin/x',
  '/public/..%5cadmin/x',
  '/public/..;/admin/x',
  '/public/%252e%252e/admin/x',
];

for (const target of sneaky) {
  test(`routes: T1 ${target} never reaches the public service as a way to /admin`, async () => {
    const status = await ask('a.test', target);
    const forwarded = open.requests[0]?.target;
    if (forwarded !== undefined) {
      assert.doesNotMatch(forwarded, /\/(?:\.|%2e){1,2}(?:\/|$)/i, `forwarded ${forwarded}`);
      assert.ok(forwarded.startsWith('/public/'), `public service got ${forwarded}`);
    }
    const toAdmin = admin.requests[0]?.target;
    if (toAdmin !== undefined) assert.ok(toAdmin.startsWith('/admin/'), `admin got ${toAdmin}`);
    assert.ok([200, 400, 404].includes(status), String(status));
  });
}

test('routes: T11 an encoded slash does not cross a segment', async () => {
  for (const target of ['/public%2Fx', '/admin%2Fx', '/public%2F..%2Fadmin/x']) {
    const status = await ask('a.test', target);
    assert.ok([400, 404].includes(status), `${target} got ${status}`);
    assert.equal(open.requests.length + admin.requests.length, 0);
  }
});

test('routes: T1 percent-encoded letters name the same path', async () => {
  assert.equal(await ask('a.test', '/%61dmin/x'), 200);
  assert.equal(admin.requests.length, 1, 'matched as /admin/x');
  assert.equal(open.requests.length, 0);
});
