/** SIGTERM: in-flight exchanges finish, new ones are refused, a second signal ends it now. */

import assert from 'node:assert/strict';
import type http from 'node:http';
import net from 'node:net';
import test from 'node:test';
import { startInFrontOf } from '../support/behind.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import { RawClient } from '../support/raw-client.ts';
import { readResponses } from '../support/response-reader.ts';
import { delay, until, within } from '../support/wait.ts';

/** The origin pauses for as long as the test looks at something else. */
const PATIENT = { transport: { 'progress-timeout': '30s' } };

/** An origin whose answer begins at once and ends when told. */
async function slowOrigin(t: test.TestContext) {
  const held: http.ServerResponse[] = [];
  const fast = { count: 0 };
  const origin = await startOrigin((request, response) => {
    if (request.url !== '/slow') {
      fast.count++;
      response.end('fast');
      return;
    }
    response.writeHead(200, { 'content-length': 10 });
    response.write('first');
    held.push(response);
  });
  t.after(() => origin.close());
  return { origin, held, fast };
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    let got = '';
    socket.on('error', () => resolve(true));
    socket.on('data', (bytes) => (got += bytes.toString('latin1')));
    socket.on('close', () => resolve(!got.startsWith('HTTP/1.1 2')));
    socket.end('GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  });
}

async function startSlowRequest(port: number): Promise<RawClient> {
  const client = new RawClient(port);
  client.send('GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => client.received.includes('first'), 'the first half of the response');
  return client;
}

test('drain: what is in flight finishes, what is new is refused, the exit code is 0', async (t) => {
  const { origin, held } = await slowOrigin(t);
  const proxy = await startInFrontOf(t, origin.port, { drainTimeout: '20s', ...PATIENT });
  const client = await startSlowRequest(proxy.port);
  proxy.subject.child.signal('SIGTERM');
  await until(() => refuses(proxy.port), 'new connections to be refused');
  assert.equal(proxy.subject.child.exit, null, 'it must wait for what is in flight');
  held[0]?.end('later');
  await until(() => client.received.includes('later'), 'the second half of the response');
  assert.equal(readResponses(client.received, false).responses[0]?.isComplete, true);
  const exit = await within(proxy.subject.child.exited, 'the exit', 5_000);
  assert.deepEqual(exit, { code: 0, signal: null }, proxy.subject.child.output);
  client.destroy();
});

test('drain: an idle keep-alive connection is closed and does not hold it up', async (t) => {
  const { origin } = await slowOrigin(t);
  const proxy = await startInFrontOf(t, origin.port, { drainTimeout: '20s' });
  const client = new RawClient(proxy.port);
  client.send('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => client.received.includes('fast'), 'the response');
  proxy.subject.child.signal('SIGINT');
  await until(() => client.closed !== null, 'the idle connection to close');
  const exit = await within(proxy.subject.child.exited, 'the exit', 5_000);
  assert.equal(exit.code, 0, proxy.subject.child.output);
});

test('drain: a second signal aborts at once', async (t) => {
  const { origin } = await slowOrigin(t);
  const proxy = await startInFrontOf(t, origin.port, { drainTimeout: '60s', ...PATIENT });
  const client = await startSlowRequest(proxy.port);
  proxy.subject.child.signal('SIGTERM');
  await until(() => refuses(proxy.port), 'the drain to begin');
  // One key press may reach a process twice, so a second signal too soon counts as the first.
  await delay(800);
  proxy.subject.child.signal('SIGTERM');
  await within(proxy.subject.child.exited, 'the exit after the second signal', 3_000);
  await until(() => client.closed !== null, 'the client connection to end');
  assert.equal(readResponses(client.received, true).responses[0]?.isComplete, false);
});

test('drain: the timeout ends what does not finish', async (t) => {
  const { origin } = await slowOrigin(t);
  const proxy = await startInFrontOf(t, origin.port, { drainTimeout: '300ms', ...PATIENT });
  const client = await startSlowRequest(proxy.port);
  proxy.subject.child.signal('SIGTERM');
  await within(proxy.subject.child.exited, 'the exit after the drain timeout', 4_000);
  await until(() => client.closed !== null, 'the client connection to end');
});

test('drain: no request that reached the origin stays without its answer', async (t) => {
  const { origin, fast } = await slowOrigin(t);
  const proxy = await startInFrontOf(t, origin.port, { drainTimeout: '5s' });
  const outcomes: string[] = [];
  const load = async (): Promise<void> => {
    for (let i = 0; i < 400; i++) {
      try {
        const { status, body } = await fetchFrom(proxy.port, '/x');
        outcomes.push(status === 200 && body.toString() !== 'fast' ? 'cut' : String(status));
      } catch (error) {
        const { code = 'unknown' } = error as NodeJS.ErrnoException;
        outcomes.push(code);
        if (code === 'ECONNREFUSED') return;
      }
    }
  };
  const running = Promise.all([load(), load(), load()]);
  await until(() => outcomes.length > 60, 'some traffic');
  proxy.subject.child.signal('SIGTERM');
  await running;
  await within(proxy.subject.child.exited, 'the exit', 8_000);
  // Whoever connects in the very moment in which the socket closes is reset by the kernel: one of
  // the three at most. Nothing of it was read.
  const resets = outcomes.filter((one) => one === 'ECONNRESET');
  assert.ok(resets.length <= 1, `${resets.length} connections were reset`);
  const bad = outcomes.filter((one) => !['200', 'ECONNREFUSED', 'ECONNRESET'].includes(one));
  assert.deepEqual(bad, []);
  assert.equal(outcomes.filter((one) => one === '200').length, fast.count);
});
