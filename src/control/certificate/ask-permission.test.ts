import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { askPermission } from './ask-permission.ts';
import type { Permission } from './ask-permission.ts';

async function answeredBy(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  path = '/ask?token=x',
): Promise<Permission> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}${path}`;
  const question = { url, name: 'a.example.com', peerAddress: '2001:db8::1' };
  try {
    return await askPermission(question, new AbortController().signal);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('ask permission: says name and client, beside what the URL says', async () => {
  let target = '';
  const permission = await answeredBy((request, response) => {
    target = request.url ?? '';
    response.end('x'.repeat(1_000_000));
  });
  assert.equal(target, '/ask?token=x&domain=a.example.com&ip=2001%3Adb8%3A%3A1');
  assert.deepEqual(permission, { isAllowed: true, holdsMs: 0, problem: '' });
});

test('ask permission: 2xx is yes; all else is no, redirects too', async () => {
  for (const [status, isAllowed] of [
    [200, true],
    [204, true],
    [299, true],
    [301, false],
    [302, false],
    [304, false],
    [403, false],
    [404, false],
    [500, false],
  ] as const) {
    const permission = await answeredBy((_request, response) => {
      response.writeHead(status, { location: '/yes' });
      response.end();
    });
    assert.equal(permission.isAllowed, isAllowed, String(status));
    assert.equal(permission.problem, '');
  }
});

test('ask permission: holds as long as Cache-Control says, else a minute', async () => {
  for (const [status, field, holdsMs] of [
    [403, '', 60_000],
    [403, 'max-age=5', 5_000],
    [403, 'public, max-age="7"', 7_000],
    [403, 'no-store', 0],
    [200, 'private, max-age=3600', 3_600_000],
    [200, 'max-age=999999999', 86_400_000],
    [200, 'max-age=-1', 0],
    [403, 'max-age=x', 60_000],
  ] as const) {
    const permission = await answeredBy((_request, response) => {
      response.writeHead(status, { 'cache-control': field });
      response.end();
    });
    assert.equal(permission.holdsMs, holdsMs, `${status} ${field}`);
  }
});

test('ask permission: no answer is a no with a reason, and is never thrown', async () => {
  const broken = await answeredBy((request) => request.socket.destroy());
  assert.equal(broken.isAllowed, false);
  assert.notEqual(broken.problem, '');
  const stop = new AbortController();
  stop.abort();
  for (const url of ['http://127.0.0.1:1/', 'not a URL']) {
    const question = { url, name: 'a.example.com', peerAddress: '' };
    const permission = await askPermission(question, stop.signal);
    assert.equal(permission.isAllowed, false);
    assert.notEqual(permission.problem, '');
  }
});
