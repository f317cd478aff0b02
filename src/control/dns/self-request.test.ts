import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { selfRequest } from './self-request.ts';
import type { ProbeChallenge } from './self-request.ts';

const never = new AbortController().signal;

async function withServer(
  answer: (path: string, shown: ReadonlyMap<string, ProbeChallenge>) => string,
  run: (port: number, ask: () => Promise<string>, shown: Map<string, unknown>) => Promise<void>,
): Promise<void> {
  const shown = new Map<string, ProbeChallenge>();
  const server = createServer((request, response) => response.end(answer(request.url!, shown)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const options = {
    present: (challenge: ProbeChallenge) => {
      shown.set(`/.well-known/acme-challenge/${challenge.token}`, challenge);
      return Promise.resolve();
    },
    remove: (challenge: ProbeChallenge) => {
      shown.delete(`/.well-known/acme-challenge/${challenge.token}`);
    },
    httpPort: port,
    tlsPort: port,
  };
  try {
    await run(port, () => selfRequest(options, '127.0.0.1', 'http-01', never), shown);
    assert.equal(await selfRequest(options, '127.0.0.1', 'tls-alpn-01', never), 'reached');
  } finally {
    server.closeAllConnections();
    server.close();
  }
  assert.equal(await selfRequest(options, '127.0.0.1', 'http-01', never), 'no-answer');
  assert.equal(await selfRequest(options, '127.0.0.1', 'tls-alpn-01', never), 'no-answer');
  assert.equal(shown.size, 0);
}

test('self request: reached when the made-up challenge comes back', () =>
  withServer(
    (path, shown) => shown.get(path)?.keyAuthorization ?? 'nothing',
    async (_port, ask, shown) => {
      assert.equal(await ask(), 'reached');
      assert.equal(shown.size, 0, 'it is taken away again');
    },
  ));

test('self request: elsewhere when somebody else answers', () =>
  withServer(
    () => 'hello',
    async (_port, ask) => assert.equal(await ask(), 'elsewhere'),
  ));
