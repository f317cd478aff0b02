import assert from 'node:assert/strict';
import net from 'node:net';
import test, { type TestContext } from 'node:test';
import { startFaultProxy, type FaultPlan, type FaultProxy } from './fault-proxy.ts';
import { listenLoopback } from './free-port.ts';
import { RawClient } from './raw-client.ts';
import { delay, until } from './wait.ts';

interface Pair {
  readonly client: RawClient;
  readonly proxy: FaultProxy;
  readonly received: () => string;
  readonly ending: () => string;
}

/** A client whose bytes go through a fault proxy to a server that sends them back. */
async function open(t: TestContext, faults: FaultPlan = {}): Promise<Pair> {
  let received = '';
  let ending = 'open';
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
      socket.write(bytes);
    });
    socket.on('error', () => (ending = 'reset'));
    socket.on('end', () => (ending = 'fin'));
  });
  const port = await listenLoopback(server);
  const proxy = await startFaultProxy(t, port, faults);
  const client = new RawClient(proxy.port);
  t.after(() => {
    client.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { client, proxy, received: () => received, ending: () => ending };
}

test('fault proxy: passes bytes and FIN both ways when there are no faults', async (t) => {
  const { client, ending } = await open(t);
  const text = 'abc'.repeat(100_000);
  client.send(text);
  await until(() => client.received.length === text.length, 'the echo');
  assert.equal(client.received.toString(), text);
  client.socket.end();
  await until(() => client.closed === 'fin' && ending() === 'fin', 'both ends');
});

test('fault proxy: passes a reset on', async (t) => {
  const { client, received, ending } = await open(t);
  client.send('x');
  await until(() => received() === 'x', 'the byte');
  client.socket.resetAndDestroy();
  await until(() => ending() === 'reset', 'the reset');
});

test('fault proxy: resets after so many bytes, which still arrive', async (t) => {
  const { client, ending } = await open(t, { backward: { resetAfter: 4 } });
  client.send('abcdef');
  await until(() => client.closed !== null, 'the end');
  assert.equal(client.closed, 'reset');
  assert.ok('abcd'.startsWith(client.received.toString()));
  await until(() => ending() === 'reset', 'the reset at the target');
});

test('fault proxy: truncates with FIN at an exact byte', async (t) => {
  const { client } = await open(t, { backward: { truncateAfter: 4 } });
  client.send('abcdef');
  await until(() => client.closed !== null, 'the end');
  assert.equal(client.closed, 'fin');
  assert.equal(client.received.toString(), 'abcd');
});

test('fault proxy: turns one bit of one byte over', async (t) => {
  const { client, received } = await open(t, { forward: { corruptAt: 3 } });
  client.send('aa');
  await until(() => received().length === 2, 'the first part');
  client.send('aa');
  await until(() => received().length === 4, 'the rest');
  assert.equal(received(), 'aaa`');
});

test('fault proxy: a blackhole holds what comes, and lets it go when it is lifted', async (t) => {
  const { client, proxy, received } = await open(t);
  client.send('a');
  await until(() => client.received.length === 1, 'the echo');
  proxy.faults = { forward: { blackhole: true } };
  client.send('b');
  await delay(60);
  assert.equal(received(), 'a');
  assert.equal(client.closed, null);
  proxy.faults = {};
  await until(() => client.received.toString() === 'ab', 'the byte that was held');
});

test('fault proxy: delays and drips', async (t) => {
  const { client, proxy } = await open(t, { backward: { delayMs: 40 } });
  const startedMs = performance.now();
  client.send('a');
  await until(() => client.received.length === 1, 'the late echo');
  assert.ok(performance.now() - startedMs >= 39);
  proxy.faults = { backward: { dripSize: 1 } };
  const sizes = new Set<number>();
  client.send('bcdef');
  await until(() => {
    sizes.add(client.received.length);
    return client.received.length === 6;
  }, 'all drops');
  assert.ok(sizes.size >= 4, 'it came in drops');
});

test('fault proxy: resets each n-th connection, and refuses all when told', async (t) => {
  const { client, proxy, received } = await open(t, { resetEach: 2 });
  client.send('first');
  await until(() => received() === 'first', 'the first connection to work');
  const second = new RawClient(proxy.port);
  second.send('second');
  await until(() => second.closed === 'reset', 'the second to be reset');
  proxy.faults = { refuse: true };
  const third = new RawClient(proxy.port);
  await until(() => third.closed !== null, 'the third to be refused');
  assert.equal(received(), 'first');
  assert.equal(proxy.accepted, 3);
});
