import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { ServiceCell } from '../../src/contract/metric-layout.ts';
import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { responseField } from '../support/response-reader.ts';
import { bodiesOf, get, post, responsesOf, statusesOf, SWITCHING, UPGRADE } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { appToml, compileToml, openWorld, ORIGIN, STILL, World } from './world.ts';

const OTHER_ORIGIN = '10.0.0.2:80';
const BOTH = `endpoints = ["http://${ORIGIN}", "http://${OTHER_ORIGIN}"]`;

function limited(lines: string, service = '', transport = ''): Promise<World> {
  return openWorld({ service, transport, more: `[services.app.concurrency]\n${lines}` });
}

function serviceCell(world: World, name: keyof typeof ServiceCell): number {
  const { metricBase } = world.data.plane.linked.routes[0]!.service;
  return world.cells[metricBase + ServiceCell[name]]!;
}

/** An origin that answers when told: `answer(n)` answers the n-th request. */
function held(world: World, address = ORIGIN) {
  const peers: SimPeer[] = [];
  const origin = listenOrigin(world.sim, address, {
    onRequest: (_seen, peer) => void peers.push(peer),
  });
  const answer = (index: number): void => {
    peers[index]!.send(okWith(`answer ${index}`));
    world.advance(0);
  };
  return { origin, peers, answer };
}

test('concurrency: past the limit requests wait in order, with their bodies', async () => {
  const world = await limited('requests = 1');
  const { origin, answer } = held(world);
  const first = world.client(get('/1'));
  const second = world.client(post('second body', '/2'));
  const third = world.client(get('/3'));
  assert.equal(origin.requests.length, 1);
  assert.equal(serviceCell(world, 'queued'), 2);
  assert.equal(serviceCell(world, 'exchangesInProgress'), 1);
  answer(0);
  assert.deepEqual(bodiesOf(first), ['answer 0']);
  assert.equal(origin.requests[1]!.body.toString(), 'second body');
  answer(1);
  answer(2);
  assert.deepEqual(bodiesOf(second), ['answer 1']);
  assert.deepEqual(bodiesOf(third), ['answer 2']);
  assert.deepEqual(
    origin.requests.map(({ target }) => target),
    ['/1', '/2', '/3'],
  );
  assert.deepEqual(origin.violations, []);
  world.assertQuiet();
});

test('concurrency: who waits goes to the endpoint that has room, under its name', async () => {
  const world = await limited('requests-per-endpoint = 1', `${BOTH}\npass-host = false`);
  const one = held(world);
  const two = held(world, OTHER_ORIGIN);
  const clients = [1, 2, 3, 4].map((index) => world.client(get(`/${index}`)));
  assert.deepEqual([one.origin.requests.length, two.origin.requests.length], [1, 1]);
  two.answer(0);
  two.answer(1);
  assert.deepEqual([one.origin.requests.length, two.origin.requests.length], [1, 3]);
  for (const request of two.origin.requests) {
    const host = request.fields.find(({ name }) => name === 'Host');
    assert.equal(host?.value, '10.0.0.2');
  }
  one.answer(0);
  two.answer(2);
  for (const client of clients) assert.deepEqual(statusesOf(client), [200]);
  world.assertQuiet();
});

test('concurrency: a full queue refuses at once with Retry-After, a slow one in time', async () => {
  const world = await limited('requests = 1\nqueue = 1\nqueue-timeout = "300ms"');
  const { answer } = held(world);
  const first = world.client(get());
  const waiting = world.client(get());
  const refused = world.client(get());
  assert.deepEqual(statusesOf(refused), [503]);
  assert.equal(responseField(responsesOf(refused)[0]!, 'retry-after'), '1');
  world.advance(299);
  assert.equal(waiting.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(waiting), [503]);
  assert.equal(world.faultCount(Fault.queueFull), 1);
  assert.equal(world.faultCount(Fault.queueTimeout), 1);
  answer(0);
  assert.deepEqual(statusesOf(first), [200]);
  assert.equal(serviceCell(world, 'queued'), 0);
  world.assertQuiet();
});

test('concurrency: a client that leaves gives up its place and its turn', async () => {
  const world = await limited('requests = 1');
  const { origin, answer } = held(world);
  const first = world.client(get('/1'));
  const leaving = world.client(get('/2'));
  const last = world.client(get('/3'));
  leaving.reset();
  world.advance(0);
  assert.equal(serviceCell(world, 'queued'), 1);
  first.reset();
  world.advance(0);
  assert.deepEqual(
    origin.requests.map(({ target }) => target),
    ['/1', '/3'],
  );
  answer(1);
  assert.deepEqual(statusesOf(last), [200]);
  world.assertQuiet();
});

test('concurrency: the total timeout runs while a request waits', async () => {
  const world = await limited('requests = 1', '', 'total-timeout = "1s"');
  const { answer } = held(world);
  world.client(get());
  world.advance(500);
  const waiting = world.client(get());
  answer(0);
  world.advance(999);
  assert.equal(waiting.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(waiting), [504]);
  world.assertQuiet();
});

test('concurrency: tunnels keep their place until they end', async () => {
  const world = await limited('requests = 1');
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (seen, peer) => peer.send(seen.target === '/' ? SWITCHING : okWith('after')),
  });
  const tunnel = world.client(UPGRADE);
  const waiting = world.client(get('/after'));
  assert.equal(world.tunnels, 1);
  assert.equal(origin.requests.length, 1);
  tunnel.end();
  world.advance(2_000);
  assert.deepEqual(bodiesOf(waiting), ['after']);
  world.assertQuiet();
});

test('concurrency: a retry keeps its place and does not go where there is no room', async () => {
  const world = await limited('requests-per-endpoint = 1', BOTH);
  const first = listenOrigin(world.sim, ORIGIN, {});
  const other = listenOrigin(world.sim, OTHER_ORIGIN, {});
  const clients = [world.client(get('/1')), world.client(get('/2'))];
  first.peers[0]!.reset();
  world.advance(0);
  assert.deepEqual([first.requests.length, other.requests.length], [2, 1], 'again, and fresh');
  first.peers[1]!.send(okWith('one'));
  other.peers[0]!.send(okWith('two'));
  world.advance(0);
  assert.deepEqual(
    clients.map((client) => bodiesOf(client)[0]),
    ['one', 'two'],
  );
  world.assertQuiet();
});

for (const outcome of ['wins', 'fails'] as const) {
  test(`concurrency: room that a hedge leaves is taken when an attempt ${outcome}`, async () => {
    const more = '[services.app.retry]\nhedge-delay = "100ms"\nattempts = 2';
    const world = await limited(`requests-per-endpoint = 1\n${more}`, BOTH);
    const one = listenOrigin(world.sim, ORIGIN, {});
    const two = listenOrigin(world.sim, OTHER_ORIGIN, {});
    const hedged = world.client(get('/hedged'));
    world.advance(100);
    const waiting = world.client(get('/waiting'));
    assert.equal(serviceCell(world, 'queued'), 1);
    if (outcome === 'wins') one.peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf');
    else two.peers[0]!.reset();
    world.advance(0);
    assert.deepEqual(
      two.requests.map(({ target }) => target),
      ['/hedged', '/waiting'],
    );
    two.peers.at(-1)!.send(okWith('waited'));
    one.peers[0]!.send(outcome === 'wins' ? '!' : okWith('half!'));
    world.advance(0);
    assert.deepEqual(bodiesOf(waiting), ['waited']);
    assert.deepEqual(bodiesOf(hedged), ['half!']);
    world.assertQuiet();
  });
}

const BREAKER = '[services.app.breaker]\nattempts = 4\nopen = "2s"';

test('breaker: opens for a failing service, refuses fast, and closes when it is well', async () => {
  const world = await openWorld({ more: `${BREAKER}\n[services.app.retry]\nattempts = 1` });
  let isWell = false;
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_seen, peer) => (isWell ? peer.send(okWith('well')) : peer.reset()),
  });
  for (let i = 0; i < 4; i++) assert.deepEqual(statusesOf(world.client(get())), [502]);
  assert.equal(serviceCell(world, 'circuitOpen'), 1);
  const refused = world.client(get());
  assert.deepEqual(statusesOf(refused), [503]);
  assert.equal(responseField(responsesOf(refused)[0]!, 'retry-after'), '2');
  assert.equal(origin.requests.length, 4, 'nothing is sent while it is open');
  world.advance(2_000);
  assert.deepEqual(statusesOf(world.client(get())), [502], 'the trial');
  assert.deepEqual(statusesOf(world.client(get())), [503], 'open again');
  isWell = true;
  world.advance(2_000);
  for (let i = 0; i < 3; i++) assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.equal(serviceCell(world, 'circuitOpen'), 0);
  assert.equal(world.faultCount(Fault.circuitOpen), 2);
  world.assertQuiet();
});

test('breaker: while it tries, one request at a time is let through', async () => {
  const world = await openWorld({ more: `${BREAKER}\n[services.app.retry]\nattempts = 1` });
  const peers: SimPeer[] = [];
  listenOrigin(world.sim, ORIGIN, { onRequest: (_seen, peer) => void peers.push(peer) });
  const failing = Array.from({ length: 4 }, () => world.client(get()));
  for (const peer of peers) peer.reset();
  world.advance(2_000);
  for (const client of failing) assert.deepEqual(statusesOf(client), [502]);
  const trial = world.client(UPGRADE);
  assert.deepEqual(statusesOf(world.client(get())), [503]);
  peers[4]!.send(SWITCHING);
  world.advance(0);
  assert.equal(world.tunnels, 1, 'its answer counts, not its end');
  const next = world.client(get());
  peers[5]!.send(okWith('next'));
  world.advance(0);
  assert.deepEqual(statusesOf(next), [200]);
  trial.reset();
  world.assertQuiet();
});

test('breaker: statuses that count as faults open it; clients that leave do not', async () => {
  const world = await openWorld({ more: BREAKER });
  const bad = 'HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n';
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (seen, peer) => {
      if (seen.target === '/bad') peer.send(bad);
    },
  });
  for (let i = 0; i < 10; i++) world.client(get()).reset();
  world.advance(0);
  assert.equal(serviceCell(world, 'circuitOpen'), 0);
  for (let i = 0; i < 4; i++) assert.deepEqual(statusesOf(world.client(get('/bad'))), [502]);
  assert.deepEqual(statusesOf(world.client(get('/bad'))), [503]);
  world.assertQuiet();
});

test('concurrency: an adaptive limit grows while answers stay fast', async () => {
  const world = await limited('adaptive = true');
  listenOrigin(world.sim, ORIGIN, answering());
  const { state } = world.data.plane.linked.routes[0]!.service;
  assert.equal(state.adaptive!.limit, 3);
  for (let i = 0; i < 11; i++) assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.equal(state.adaptive!.limit, 20);
  assert.equal(serviceCell(world, 'concurrencyLimit'), 20);
  world.assertQuiet();
});

const concurrency = (count: number): string => `[services.app.concurrency]\nrequests = ${count}`;

test('reload: places, turns and circuits survive; changed limits count at once', async () => {
  const indexes = new MetricIndexes();
  const compile = (generation: number, more: string) =>
    compileToml(appToml({ more }), generation, indexes);
  const world = new World(await compile(1, `${BREAKER}\n${concurrency(1)}`), STILL);
  const { origin, peers, answer } = held(world);
  const clients = [1, 2, 3].map((index) => world.client(get(`/${index}`)));
  world.publish(await compile(2, `${BREAKER}\n${concurrency(1)}`));
  assert.equal(origin.requests.length, 1, 'nothing was forgotten');
  assert.equal(serviceCell(world, 'queued'), 2);
  world.publish(await compile(3, `${BREAKER}\n${concurrency(2)}`));
  world.advance(0);
  assert.deepEqual(
    origin.requests.map(({ target }) => target),
    ['/1', '/2'],
  );
  answer(0);
  answer(1);
  answer(2);
  for (const client of clients) assert.deepEqual(statusesOf(client), [200]);
  for (let i = 3; i < 6; i++) {
    world.client(post('x'));
    peers[i]!.reset();
    world.advance(0);
  }
  assert.equal(serviceCell(world, 'circuitOpen'), 1);
  world.publish(await compile(4, `${BREAKER}\n${concurrency(9)}`));
  assert.deepEqual(statusesOf(world.client(get())), [503], 'still open');
  world.publish(await compile(5, ''));
  assert.equal(serviceCell(world, 'circuitOpen'), 0);
  assert.equal(world.data.plane.linked.routes[0]!.service.state.inProgress, 0);
  world.assertQuiet();
});

test('concurrency: an endpoint that comes up takes who waits, at once', async () => {
  const world = await limited('requests-per-endpoint = 1', BOTH);
  const one = held(world);
  listenOrigin(world.sim, OTHER_ORIGIN, answering('other'));
  const health = { service: 'app', endpoint: world.endpoints[1]!.spec.key, slowStartMs: 0 };
  world.data.applyHealth([{ ...health, state: 'down' }]);
  world.client(get('/1'));
  const waiting = world.client(get('/2'));
  assert.deepEqual([one.peers.length, waiting.text()], [1, '']);
  world.data.applyHealth([{ ...health, state: 'up' }]);
  world.advance(0);
  assert.deepEqual(statusesOf(waiting), [200]);
  one.answer(0);
  world.assertQuiet();
});

test('concurrency: who waits does not go to an endpoint that begins to drain', async () => {
  const world = await limited('requests = 1', BOTH);
  const one = held(world);
  const two = held(world, OTHER_ORIGIN);
  world.client(get('/1'));
  world.client(get('/2')); // Its turn is the second endpoint's.
  const endpoint = world.endpoints[1]!.spec.key;
  world.data.applyHealth([{ service: 'app', endpoint, state: 'draining', slowStartMs: 0 }]);
  one.answer(0);
  assert.deepEqual([one.peers.length, two.peers.length], [2, 0]);
  one.answer(1);
  world.assertQuiet();
});

function cookieOf(client: SimPeer): string {
  return responseField(responsesOf(client)[0]!, 'set-cookie') ?? '';
}

test('concurrency: a sticky cookie names the endpoint that answers after a wait', async () => {
  const world = await limited('requests-per-endpoint = 1', `${BOTH}\nsticky = { cookie = "s" }`);
  const one = held(world);
  const two = held(world, OTHER_ORIGIN);
  const first = world.client(get('/1'));
  const second = world.client(get('/2'));
  const waiting = world.client(get('/3')); // Its turn is the first endpoint's.
  two.answer(0);
  two.answer(1);
  one.answer(0);
  assert.match(cookieOf(waiting), /^s=/);
  assert.equal(cookieOf(waiting), cookieOf(second));
  assert.notEqual(cookieOf(waiting), cookieOf(first));
  world.assertQuiet();
});

test('concurrency: a client that waits is bound anew when its endpoint goes down', async () => {
  const world = await limited('requests = 1', `${BOTH}\nsticky = { cookie = "s" }`);
  const one = held(world);
  const two = held(world, OTHER_ORIGIN);
  const first = world.client(get());
  one.answer(0);
  const bound = get('/', `Cookie: ${cookieOf(first).split(';')[0]}\r\n`);
  const busy = world.client(get()); // At the second endpoint.
  const staying = world.client(bound);
  const leaving = world.client(bound);
  two.answer(0);
  one.answer(1);
  assert.equal(cookieOf(staying), '');
  leaving.reset();
  world.advance(0);
  const holding = world.client(bound);
  const moved = world.client(bound);
  const endpoint = world.endpoints[0]!.spec.key;
  world.data.applyHealth([{ service: 'app', endpoint, state: 'down', slowStartMs: 0 }]);
  one.answer(3);
  two.answer(1);
  assert.equal(cookieOf(holding), '');
  assert.equal(cookieOf(moved), cookieOf(busy));
  world.assertQuiet();
});

test('concurrency: streams and tunnels do not use up an adaptive limit', async () => {
  const world = await limited('adaptive = true');
  listenOrigin(world.sim, ORIGIN, {
    onRequest: ({ target }, peer) => {
      if (target === '/') peer.send(SWITCHING);
      else if (target === '/stream') peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx');
      else peer.send(okWith('short'));
    },
  });
  const long = Array.from({ length: 60 }, (_, index) => {
    world.advance(100);
    return world.client(index % 2 === 0 ? UPGRADE : get('/stream'));
  });
  assert.equal(serviceCell(world, 'exchangesInProgress'), 60);
  assert.deepEqual(bodiesOf(world.client(get('/short'))), ['short']);
  for (const client of long) client.reset();
  world.advance(0);
  const { state } = world.data.plane.linked.routes[0]!.service;
  assert.deepEqual([state.inProgress, state.answered], [0, 0]);
  world.assertQuiet();
});
