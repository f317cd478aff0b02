import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { AcmeHttpError } from '../acme/acme-http.ts';
import type { AcmeHttpRequest, AcmeHttpResponse } from '../acme/acme-http.ts';
import { NodeAcmeHttp } from './acme-http.ts';

async function serve(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function send(
  context: TestContext,
  request: Partial<AcmeHttpRequest> & { readonly url: string },
): Promise<AcmeHttpResponse> {
  const http = new NodeAcmeHttp({ cas: [], userAgent: 'proxy-now/1.2.3' });
  context.after(() => http.close());
  const { signal } = new AbortController();
  return http.send({ method: 'GET', headers: {}, body: null, signal, ...request });
}

async function failure(promise: Promise<unknown>): Promise<AcmeHttpError> {
  const error: unknown = await promise.then(
    () => assert.fail('it must fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof AcmeHttpError, String(error));
  return error;
}

test('acme http: sends what it is given, and the product as user agent', async (context) => {
  const url = await serve(context, (request, response) => {
    request.toArray().then((parts: Buffer[]) => {
      const {
        'user-agent': agent,
        'content-length': length,
        'content-type': type,
      } = request.headers;
      response.setHeader('Replay-Nonce', ['a', 'b']);
      response.statusCode = 418;
      response.end(JSON.stringify([request.method, agent, length, type, String(parts[0])]));
    }, assert.fail);
  });
  const body = new TextEncoder().encode('hello');
  const headers = { 'content-type': 'application/jose+json' };
  const response = await send(context, { url, method: 'POST', headers, body });
  assert.equal(response.status, 418);
  assert.equal(response.headers.get('replay-nonce'), 'a, b');
  assert.deepEqual(JSON.parse(Buffer.from(response.body).toString()), [
    'POST',
    'proxy-now/1.2.3',
    '5',
    'application/jose+json',
    'hello',
  ]);
});

test('acme http: without TLS only to this machine', async (context) => {
  for (const url of ['http://ca.example/', 'http://10.0.0.1/', 'ftp://127.0.0.1/', 'file:///etc']) {
    const error = await failure(send(context, { url }));
    assert.equal(error.isTemporary, false, url);
    assert.match(error.message, /only https is safe/);
  }
});

test('acme http: a redirect is given back, not followed', async (context) => {
  let count = 0;
  const url = await serve(context, (_request, response) => {
    count++;
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  assert.equal((await send(context, { url })).status, 302);
  assert.equal(count, 1);
});

test('acme http: takes 1 MiB and not a byte more', async (context) => {
  const url = await serve(context, (request, response) => {
    response.end(Buffer.alloc(Number(request.url!.slice(1))));
  });
  assert.equal((await send(context, { url: `${url}/1048576` })).body.length, 1_048_576);
  const error = await failure(send(context, { url: `${url}/1048577` }));
  assert.equal(error.isTemporary, false);
  assert.match(error.message, /more than 1 MiB/);
});

test('acme http: half a response is none', async (context) => {
  const url = await serve(context, (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half');
    setImmediate(() => response.destroy());
  });
  const error = await failure(send(context, { url }));
  assert.equal(error.isTemporary, true);
});

test('acme http: nobody there is temporary, and says which host', async (context) => {
  const error = await failure(send(context, { url: 'http://127.0.0.1:1/dir' }));
  assert.equal(error.isTemporary, true);
  assert.equal(error.message, '127.0.0.1:1 cannot be reached (it refuses connections)');
});

test('acme http: aborted, it fails with the reason', async (context) => {
  const abort = new AbortController();
  const url = await serve(context, () => abort.abort(new Error('the process ends')));
  await assert.rejects(send(context, { url, signal: abort.signal }), /the process ends/);
});
