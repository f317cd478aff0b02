import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { startFaultProxy } from '../fault-proxy.ts';
import { listenLoopback } from '../free-port.ts';
import { scratchDirectory } from '../subject.ts';
import { delay, until } from '../wait.ts';
import { ClientConnection, type Ended } from './client-connection.ts';
import { bodyOf, sha256 } from './exchange.ts';
import { IdOrigin, LoadClient, readExecuted } from './processes.ts';
import { Histogram } from './tally.ts';
import { judge } from './traffic.ts';

const GET = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A server that does `act` with each connection's every request; and a client of it. */
async function talk(t: TestContext, act: (socket: net.Socket, request: number) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    let count = 0;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => act(socket, ++count));
  });
  const port = await listenLoopback(server);
  const idleEnds: string[] = [];
  const connection = new ClientConnection(port, (end) => idleEnds.push(end));
  t.after(() => {
    connection.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const ask = (): Promise<Ended> =>
    new Promise((resolve) => connection.request('GET', GET, 500, resolve));
  return { ask, connection, idleEnds };
}

test('load connection: tells apart the ways a request fails', async (t) => {
  const cases: [string, (socket: net.Socket) => void][] = [
    ['ok', (socket) => socket.write(OK)],
    ['reset-before-answer', (socket) => socket.resetAndDestroy()],
    ['closed-before-answer', (socket) => socket.end()],
    ['truncated', (socket) => socket.end(OK.slice(0, -1))],
    ['timeout', () => undefined],
    ['corrupted', (socket) => socket.write(`${OK}more`)],
    ['corrupted', (socket) => socket.write('HTPP/1.1 200 OK\r\n\r\n')],
    ['ok', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end')],
  ];
  for (const [expected, act] of cases) {
    const { ask } = await talk(t, act);
    assert.equal((await ask()).outcome, expected, act.toString());
  }
  const { ask } = await talk(t, (socket) => {
    socket.write(OK.slice(0, -1));
    setTimeout(() => socket.resetAndDestroy(), 20);
  });
  assert.equal((await ask()).outcome, 'reset-mid-answer');
});

test('load connection: tells a request lost on a reused one from one on a new one', async (t) => {
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const { ask } = await talk(t, (socket, request) => {
      if (request === 1) socket.write(OK);
      else socket[end]();
    });
    assert.equal((await ask()).outcome, 'ok');
    assert.equal((await ask()).outcome, 'idle-lost');
  }
});

test('load connection: counts the end of an idle one apart, FIN and RST', async (t) => {
  for (const [end, name] of [
    ['end', 'fin'],
    ['resetAndDestroy', 'reset'],
  ] as const) {
    const { ask, idleEnds } = await talk(t, (socket) => {
      socket.write(OK);
      setTimeout(() => socket[end](), 30);
    });
    assert.equal((await ask()).outcome, 'ok');
    await until(() => idleEnds.length > 0, 'the end');
    assert.deepEqual(idleEnds, [name]);
  }
});

test('load connection: a port nobody listens on is refused', async () => {
  const server = net.createServer();
  const port = await listenLoopback(server);
  await new Promise((resolve) => server.close(resolve));
  const connection = new ClientConnection(port, () => undefined);
  const ended = await new Promise<Ended>((resolve) => {
    connection.request('GET', GET, 500, resolve);
  });
  assert.equal(ended.outcome, 'refused');
});

interface AnswerChange {
  readonly id?: string;
  readonly endpoint?: string;
  readonly body?: Buffer;
  readonly status?: number;
}

/** How the right answer to request `i`, changed like this, is judged. */
function answer(change: AnswerChange): string {
  const body = change.body ?? bodyOf('i', 9);
  const fields = [
    { name: 'X-Load-Id', value: change.id ?? 'i' },
    { name: 'X-Endpoint', value: change.endpoint ?? 'a' },
    { name: 'X-Body-Sha256', value: sha256(bodyOf('i', 9)) },
  ];
  const response = { status: change.status ?? 200, fields, body };
  return judge('i', 9, { outcome: 'ok', detail: '', response } as unknown as Ended).outcome;
}

test('load client: judges an answer by id, hash, endpoint and status', () => {
  assert.equal(answer({}), 'ok');
  assert.equal(answer({ id: 'j' }), 'foreign');
  assert.equal(answer({ endpoint: 'mixed' }), 'mixed');
  assert.equal(answer({ status: 503 }), 'status-503');
  assert.equal(answer({ body: bodyOf('j', 9) }), 'corrupted');
  assert.equal(answer({ body: bodyOf('i', 8) }), 'corrupted');
});

test('load client: a histogram is within two per cent, its last quantile the maximum', () => {
  const histogram = new Histogram();
  for (let ms = 1; ms <= 1_000; ms++) histogram.add(ms);
  assert.ok(Math.abs(histogram.quantile(0.5) - 500) <= 10);
  assert.ok(Math.abs(histogram.quantile(0.99) - 990) <= 20);
  assert.equal(histogram.quantile(1), 1_000);
  assert.equal(new Histogram().quantile(0.5), 0);
});

test('load client: sees nothing without faults, and faults as what they are', async (t) => {
  const directory = scratchDirectory();
  const file = path.join(directory, 'ids');
  const origin = await IdOrigin.start([{ name: 'a', port: 0 }], file);
  const proxy = await startFaultProxy(t, origin.port('a'));
  const client = await LoadClient.start({
    port: proxy.port,
    rates: { kept: 60, new: 40, slow: 4, post: 20 },
    slowMs: 300,
    connections: 8,
    sockets: 2,
    socketEveryMs: 100,
    timeoutMs: 2_000,
  });
  t.after(async () => {
    client.kill();
    await origin.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await client.answers(120);
  await client.mark('corrupt');
  proxy.faults = { backward: { corruptAt: 600 } };
  await until(() => 'new corrupted' in (client.current?.failures ?? {}), 'a corrupt body', 5_000);
  await client.mark('reset');
  proxy.faults = {};
  proxy.resetAll();
  await delay(200);
  await client.mark('after');
  await client.answers(60);
  const { phases } = await client.stop();
  const [clean, , reset, after, whole] = phases;
  assert.deepEqual([clean!.failed, clean!.samples], [0, []]);
  for (const kind of ['kept', 'new', 'slow', 'post', 'socket']) {
    assert.ok(clean!.done[kind]! > 0, kind);
  }
  assert.equal(clean!.endpoints['a'], clean!.ok);
  assert.equal(reset!.failures['socket socket-closed'], 2);
  assert.ok(reset!.idleReset > 0, 'idle connections were reset');
  assert.equal(after!.failed, 0);
  assert.equal(
    whole!.ok,
    phases.slice(0, -1).reduce((sum, phase) => sum + phase.ok, 0),
  );
  const executed = readExecuted(file);
  assert.deepEqual(executed.duplicated, []);
  assert.ok(executed.count >= whole!.done['post']!);
});

test('load client: finds an id that was executed twice', () => {
  const directory = scratchDirectory();
  const file = path.join(directory, 'ids');
  fs.writeFileSync(file, 'a c-1\nb c-2\nb c-1\n');
  const executed = readExecuted(file);
  fs.rmSync(directory, { recursive: true });
  assert.equal(executed.count, 3);
  assert.deepEqual(executed.duplicated, ['c-1 at a, b']);
  assert.ok(executed.has('c-2'));
});
