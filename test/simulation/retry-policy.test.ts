import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { WorkerCell } from '../../src/contract/metric-layout.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { get, post, request, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import type { World } from './world.ts';
import { openWorld, ORIGIN } from './world.ts';

const OTHER_ORIGIN = '10.0.0.2:80';
const BOTH = `endpoints = ["http://${ORIGIN}", "http://${OTHER_ORIGIN}"]`;

interface Pair {
  readonly world: World;
  readonly first: ScriptedOrigin;
  readonly other: ScriptedOrigin;
}

/** Two endpoints, the first of which does `answer` with whole requests; the other one is good. */
async function openPair(retry: string, answer: (peer: SimPeer) => void): Promise<Pair> {
  const world = await openWorld({ service: BOTH, more: `[services.app.retry]\n${retry}` });
  const first = listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => answer(peer) });
  const other = listenOrigin(world.sim, OTHER_ORIGIN, answering('other'));
  return { world, first, other };
}

const BUSY = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy';

test('retry: a status that is listed is answered by another endpoint instead', async () => {
  const { world, first, other } = await openPair('statuses = ["503"]', (peer) => peer.send(BUSY));
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [200]);
  assert.doesNotMatch(client.text(), /busy/);
  assert.deepEqual([first.requests.length, other.requests.length], [1, 1]);
  assert.equal(world.gauge('idleConnections', 0), 1, 'the short answer was read to its end');
  world.assertQuiet();
});

test('retry: a discarded answer that is long costs its connection', async () => {
  const long = `HTTP/1.1 503 X\r\nContent-Length: 100000\r\n\r\n${'.'.repeat(20_000)}`;
  const { world, first } = await openPair('statuses = ["503"]', (peer) => peer.send(long));
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(first.peers[0]!.isClosed, true);
  assert.equal(world.gauge('connections', 0), 0);
  world.assertQuiet();
});

test('retry: a discarded answer that never ends lasts as long as a body may pause', async () => {
  const { world } = await openPair('statuses = ["503"]', (peer) =>
    peer.send('HTTP/1.1 503 X\r\nContent-Length: 10\r\n\r\n'),
  );
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(world.gauge('connections', 0), 1);
  world.advance(60_000);
  assert.equal(world.gauge('connections', 0), 0);
  world.assertQuiet();
});

test('retry: a discarded answer that pauses is not waited for', async () => {
  const more = '[services.app.retry]\nstatuses = ["503"]';
  const world = await openWorld({ transport: 'connections-max = 1', more });
  const begun = 'HTTP/1.1 503 X\r\nContent-Length: 10\r\n\r\n';
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: ({ id }, peer) => peer.send(id === 1 ? begun : okWith('ok')),
  });
  assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.equal(origin.peers[0]!.isClosed, true);
  world.assertQuiet();
});

test('retry: goes on at an endpoint that has only idle connections, on a fresh one', async () => {
  const more = '[services.app.retry]\nstatuses = ["503"]';
  const world = await openWorld({ service: BOTH, transport: 'connections-max = 1', more });
  let isBusy = false;
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (_seen, peer) => peer.send(isBusy ? BUSY : okWith('well')),
  });
  const other = listenOrigin(world.sim, OTHER_ORIGIN, answering());
  for (let i = 0; i < 2; i++) assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.equal(world.gauge('idleConnections', 1), 1);
  isBusy = true;
  assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.equal(other.peers.length, 2);
  world.assertQuiet();
});

test('retry: nothing goes again once an interim response came', async () => {
  const hints = 'HTTP/1.1 103 Early Hints\r\n\r\n';
  for (const rest of ['', BUSY]) {
    const { world, other } = await openPair('statuses = ["503"]\ntry-timeout = "1s"', (peer) =>
      peer.send(hints + rest),
    );
    const client = world.client(get());
    world.advance(1_000);
    assert.deepEqual(statusesOf(client), [rest === '' ? 504 : 503]);
    assert.equal(other.requests.length, 0);
    world.assertQuiet();
  }
});

test('retry: the last answer is passed on, whatever its status', async () => {
  const world = await openWorld({ more: '[services.app.retry]\nstatuses = ["503"]\nattempts = 4' });
  const origin = listenOrigin(world.sim, ORIGIN, { onRequest: (_seen, peer) => peer.send(BUSY) });
  const client = world.client(get());
  assert.equal(responsesOf(client)[0]!.body.toString(), 'busy');
  assert.equal(origin.requests.length, 4);
  world.assertQuiet();
});

for (const method of ['POST', 'PATCH', 'PUT', 'DELETE', 'MERGE']) {
  test(`retry: the answer to ${method} is passed on, whatever its status`, async () => {
    const { world, first, other } = await openPair('statuses = ["503"]', (peer) => peer.send(BUSY));
    const client = world.client(request(method));
    assert.deepEqual(statusesOf(client), [503]);
    assert.deepEqual([first.requests.length, other.requests.length], [1, 0]);
    world.assertQuiet();
  });
}

const PUTS = 'methods = ["GET", "PUT"]\nbody-size = "1KiB"';

test('retry: a kept body is sent again, byte by byte, when the service allows it', async () => {
  for (const size of [1, 500, 1_024]) {
    const { world, first, other } = await openPair(PUTS, (peer) => peer.reset());
    const body = 'abcdefghij'.repeat(110).slice(0, size);
    const client = world.client(post(body, '/', 'PUT'));
    assert.deepEqual(statusesOf(client), [200], String(size));
    assert.equal(first.requests[0]!.body.toString(), body);
    assert.equal(other.requests[0]!.body.toString(), body);
    assert.deepEqual(other.violations, []);
    world.assertQuiet();
  }
});

test('retry: a body past the limit is not sent again', async () => {
  const { world, other } = await openPair(PUTS, (peer) => peer.reset());
  const client = world.client(post('x'.repeat(1_025), '/', 'PUT'));
  assert.deepEqual(statusesOf(client), [502]);
  assert.equal(other.requests.length, 0);
  world.assertQuiet();
});

test('retry: a chunked body past the limit is not sent again, and is given back', async () => {
  const { world, other } = await openPair(PUTS, (peer) => peer.reset());
  const held = world.sim.chunks.heldCount;
  const client = world.client(
    'PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  const chunk = `200\r\n${'x'.repeat(512)}\r\n`;
  client.send(chunk);
  world.advance(0);
  assert.ok(world.sim.chunks.heldCount > held, 'kept');
  client.send(chunk);
  world.advance(0);
  assert.equal(world.sim.chunks.heldCount, held, 'dropped: framing counts too');
  client.send('0\r\n\r\n');
  world.advance(0);
  assert.deepEqual(statusesOf(client), [502]);
  assert.equal(other.requests.length, 0);
  world.assertQuiet();
});

test('retry: a body of which half has come goes on elsewhere with the other half', async () => {
  const world = await openWorld({ service: BOTH, more: `[services.app.retry]\n${PUTS}` });
  const first = listenOrigin(world.sim, ORIGIN, {
    onHead: (_seen, peer) => void world.sim.world.at(world.sim.nowMs() + 5, () => peer.reset()),
  });
  const other = listenOrigin(world.sim, OTHER_ORIGIN, answering());
  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const isChunked = framing.startsWith('T');
    const piece = (text: string): string => (isChunked ? `5\r\n${text}\r\n` : text);
    const client = world.client(`PUT / HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n\r\n`);
    client.send(piece('01234'));
    world.advance(10);
    client.send(piece('56789') + (isChunked ? '0\r\n\r\n' : ''));
    world.advance(10);
    assert.deepEqual(statusesOf(client), [200], framing);
    assert.equal(other.requests.at(-1)!.body.toString(), '0123456789', framing);
  }
  assert.ok(first.requests.length > 0);
  assert.deepEqual(other.violations, []);
  world.assertQuiet();
});

test('retry: a replay goes on when the second origin begins to answer before its end', async () => {
  const more = '[services.app.retry]\nmethods = ["PUT"]\nbody-size = "256KiB"';
  const world = await openWorld({ service: BOTH, more }, { windowSize: 2_000 });
  const body = Array.from({ length: 20_000 }, (_, index) => `${index} `).join('');
  const announced = 2 * body.length;
  listenOrigin(world.sim, ORIGIN, {
    onBytes: (peer) => {
      if (peer.bytes().length > body.length) peer.reset();
    },
  });
  const other = listenOrigin(world.sim, OTHER_ORIGIN, {
    onHead: (_seen, peer) => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha'),
    onRequest: (_seen, peer) => peer.send('lf'),
  });
  const text = `PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${announced}\r\n\r\n`;
  const client = world.client(text + body);
  world.advance(1_000);
  client.send(body);
  world.advance(1_000);
  assert.equal(responsesOf(client)[0]!.body.toString(), 'half');
  assert.equal(other.requests[0]!.body.toString(), body + body);
  assert.deepEqual(other.violations, []);
  client.abort();
  world.assertQuiet();
});

for (const method of ['POST', 'PATCH']) {
  test(`retry: ${method} reaches one origin once, whatever is configured`, async () => {
    const all = `attempts = 10\nbody-size = "1MiB"\nstatuses = ["400-599"]
methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]\ntry-timeout = "50ms"\nhedge-delay = "5ms"`;
    for (const answer of [
      (peer: SimPeer) => peer.reset(),
      (peer: SimPeer) => peer.end(),
      (peer: SimPeer) => peer.send(BUSY),
      () => {}, // Never answers.
    ]) {
      const { world, first, other } = await openPair(all, answer);
      const client = world.client(post('once', '/', method));
      world.advance(60_000);
      assert.equal(statusesOf(client).length, 1);
      assert.equal(first.requests.length + other.requests.length, 1);
      world.assertQuiet();
    }
  });
}

test('try timeout: leaves a slow endpoint for another, but not for a slow client', async () => {
  const { world, first, other } = await openPair(`try-timeout = "200ms"\n${PUTS}`, () => {});
  const client = world.client(get());
  world.advance(199);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [200]);
  assert.deepEqual([first.requests.length, other.requests.length], [1, 1]);
  const slow = world.client('PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n');
  slow.send('ab');
  world.advance(1_000);
  assert.equal(slow.text(), '');
  slow.send('cd');
  world.advance(200);
  assert.deepEqual(statusesOf(slow), [200]);
  world.assertQuiet();
});

test('try timeout: with one endpoint it is asked again, then 504', async () => {
  const world = await openWorld({ more: '[services.app.retry]\ntry-timeout = "100ms"' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  world.advance(299);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(origin.requests.length, 3);
  assert.equal(world.faultCount(Fault.tryTimeout), 1, 'the first fault is recorded');
  world.assertQuiet();
});

test('try timeout: also covers a connection that does not come about, for any method', async () => {
  const { world, other } = await openPair('try-timeout = "100ms"', () => {});
  world.sim.blackhole(ORIGIN);
  const client = world.client(post('any'));
  world.advance(100);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(other.requests[0]!.body.toString(), 'any');
  world.assertQuiet();
});

test('try timeout: an endpoint that was not even asked is not blamed', async () => {
  const world = await openWorld({
    transport: 'connections-max = 1',
    more: '[services.app.retry]\ntry-timeout = "100ms"\nattempts = 1',
  });
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (_seen, peer) => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlong'),
  });
  world.client(get());
  const waiting = world.client(get());
  world.advance(100);
  assert.deepEqual(statusesOf(waiting), [504]);
  assert.equal(world.gauge('faults'), 0);
  world.assertQuiet();
});

test('total timeout: bounds all attempts together', async () => {
  const world = await openWorld({
    transport: 'total-timeout = "250ms"',
    more: '[services.app.retry]\ntry-timeout = "100ms"\nattempts = 10',
  });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  world.advance(260);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(origin.requests.length, 3);
  assert.equal(world.faultCount(Fault.requestTimeout), 1);
  world.assertQuiet();
});

test('retry budget: what it denies gets the first fault, and is counted', async () => {
  const { world } = await openPair('budget-percent = 0\nbudget-per-second = 0', (peer) =>
    peer.reset(),
  );
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [502]);
  assert.equal(world.cells[WorkerCell.retriesDenied], 1);
  assert.equal(world.faultCount(Fault.upstreamReset), 1);
  world.assertQuiet();
});

test('retry: attempts = 1 means none beyond the first', async () => {
  const { world, other } = await openPair('attempts = 1', (peer) => peer.reset());
  assert.deepEqual(statusesOf(world.client(get())), [502]);
  assert.equal(other.requests.length, 0);
  assert.equal(world.cells[WorkerCell.retriesDenied], 0);
  world.assertQuiet();
});

test("retry: a kept connection that was closed is not the policy's business", async () => {
  const strict = '[services.app.retry]\nattempts = 1\non = []\nmethods = []';
  for (const [text, status, count] of [
    [get('/2'), 200, 3],
    [request('HEAD', '/2'), 200, 3],
    [request('DELETE', '/2'), 502, 2],
    [post('x', '/2'), 502, 2],
    [post('x', '/2', 'GET'), 502, 2],
  ] as const) {
    const world = await openWorld({ more: strict });
    const served = new Set<SimPeer>();
    const origin = listenOrigin(world.sim, ORIGIN, {
      onHead: (_seen, peer) => {
        if (served.has(peer)) peer.end();
        else peer.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        served.add(peer);
      },
    });
    const client = world.client(get('/1'));
    client.send(text);
    world.advance(0);
    assert.deepEqual(statusesOf(client), [200, status], text);
    assert.equal(origin.requests.length, count, text);
    world.assertQuiet();
  }
});

test('hedging: a slow first answer is overtaken by a second attempt elsewhere', async () => {
  const { world, first, other } = await openPair('hedge-delay = "100ms"', () => {});
  const client = world.client(get());
  world.advance(99);
  assert.equal(other.requests.length, 0);
  world.advance(1);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(first.peers[0]!.isClosed, true, 'the loser is ended');
  assert.equal(world.cells[WorkerCell.hedges], 1);
  assert.deepEqual(
    world.endpoints.map(({ inFlight }) => inFlight),
    [0, 0],
  );
  world.assertQuiet();
});

test('hedging: the first attempt may still win, and a loser that fails is no failure', async () => {
  const world = await openWorld({
    service: BOTH,
    more: '[services.app.retry]\nhedge-delay = "100ms"',
  });
  const answers: (() => void)[] = [];
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (_seen, peer) => void answers.push(() => peer.send(okWith('first'))),
  });
  const other = listenOrigin(world.sim, OTHER_ORIGIN, {
    onRequest: (_seen, peer) => peer.reset(),
  });
  const client = world.client(get());
  world.advance(200);
  assert.equal(other.requests.length, 1);
  assert.equal(client.text(), '');
  answers[0]!();
  world.advance(0);
  assert.equal(responsesOf(client)[0]!.body.toString(), 'first');
  world.assertQuiet();
});

test('hedging: when the first fails meanwhile, the second goes on alone', async () => {
  const world = await openWorld({
    service: BOTH,
    more: '[services.app.retry]\nhedge-delay = "100ms"',
  });
  const first = listenOrigin(world.sim, ORIGIN, {});
  const other = listenOrigin(world.sim, OTHER_ORIGIN, {});
  const client = world.client(get());
  world.advance(100);
  first.peers[0]!.reset();
  world.advance(0);
  assert.equal(client.text(), '');
  other.peers[0]!.send(okWith('second'));
  world.advance(0);
  assert.equal(responsesOf(client)[0]!.body.toString(), 'second');
  assert.equal(first.requests.length, 1);
  world.assertQuiet();
});

test('hedging: never for methods with effects, bodies, or sticky clients', async () => {
  const sticky = `${BOTH}\nsticky = { cookie = "s" }`;
  const cases = [
    [BOTH, request('DELETE')],
    [BOTH, post('x')],
    [BOTH, post('x', '/', 'GET')],
    [sticky, get()],
  ] as const;
  for (const [service, text] of cases) {
    const more = '[services.app.retry]\nhedge-delay = "10ms"';
    const world = await openWorld({ service, more });
    const origins = [ORIGIN, OTHER_ORIGIN].map((at) => listenOrigin(world.sim, at, {}));
    const client = world.client(text);
    world.advance(1_000);
    assert.equal(origins[0]!.requests.length + origins[1]!.requests.length, 1, text);
    client.abort();
    world.assertQuiet();
  }
});
