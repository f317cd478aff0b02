import assert from 'node:assert/strict';
import test from 'node:test';

import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import { bodiesOf, get, post, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import { appToml, compileToml, openWorld, ORIGIN, STILL, World } from './world.ts';

const OTHER_ORIGIN = '10.0.0.2:80';
const BOTH = `endpoints = ["http://${ORIGIN}", "http://${OTHER_ORIGIN}"]`;
const STICKY = `${BOTH}\nsticky = { cookie = "lb" }`;

function listenBoth(world: World): readonly ScriptedOrigin[] {
  return [ORIGIN, OTHER_ORIGIN].map((address) => {
    return listenOrigin(world.sim, address, {
      onRequest: (_request, peer) => peer.send(okWith(address)),
    });
  });
}

/** The cookie pair of the last answer, or undefined. */
function cookieOf(client: Parameters<typeof responsesOf>[0]): string | undefined {
  const field = responsesOf(client)
    .at(-1)!
    .fields.find(({ name }) => name.toLowerCase() === 'set-cookie');
  return field?.value.split(';')[0];
}

test('round-robin: takes endpoints in turn, over all clients', async () => {
  const world = await openWorld({ service: BOTH });
  listenBoth(world);
  const bodies = [1, 2, 3, 4].map(() => bodiesOf(world.client(get()))[0]);
  assert.deepEqual(bodies, [ORIGIN, OTHER_ORIGIN, ORIGIN, OTHER_ORIGIN]);
  world.assertQuiet();
});

test('sticky: a client that brings its cookie stays, one without is bound', async () => {
  const world = await openWorld({ service: STICKY });
  listenBoth(world);
  const first = world.client(get());
  const cookie = cookieOf(first)!;
  assert.match(cookie, /^lb=[0-9a-z]+$/);
  for (let i = 0; i < 5; i++) {
    first.send(get('/', `Cookie: a=b; ${cookie}\r\n`));
    world.advance(0);
    assert.equal(bodiesOf(first).at(-1), ORIGIN);
    assert.equal(cookieOf(first), undefined, 'it has what it needs');
  }
  const second = world.client(get('/', 'Cookie: lb=nonsense\r\n'));
  assert.deepEqual(bodiesOf(second), [OTHER_ORIGIN]);
  assert.notEqual(cookieOf(second), undefined);
  world.assertQuiet();
});

test('sticky: binds the client anew when its endpoint refuses', async () => {
  const world = await openWorld({ service: STICKY });
  const [first] = listenBoth(world);
  const client = world.client(get());
  const cookie = cookieOf(client)!;
  first!.close();
  first!.peers[0]!.end();
  world.advance(0);
  client.send(get('/', `Cookie: ${cookie}\r\n`));
  world.advance(0);
  assert.equal(bodiesOf(client).at(-1), OTHER_ORIGIN);
  assert.notEqual(cookieOf(client), cookie);
  assert.notEqual(cookieOf(client), undefined);
  world.assertQuiet();
});

test('name: is resolved before the first connect, once for all who wait', async () => {
  const service = 'endpoints = ["http://app.test"]';
  const world = await openWorld({ service }, { hosts: { 'app.test': ['10.0.0.1'] } });
  let resolveCount = 0;
  const resolve = world.sim.resolve.bind(world.sim);
  world.sim.resolve = (host, done) => {
    resolveCount++;
    resolve(host, done);
  };
  listenOrigin(world.sim, ORIGIN, answering());
  const clients = [world.client(get()), world.client(get())];
  world.advance(10);
  for (const client of clients) assert.deepEqual(statusesOf(client), [200]);
  assert.equal(resolveCount, 1);
  world.assertQuiet();
});

test('name: answers 502 when it is unknown, and asks again for the next request', async () => {
  const world = await openWorld({ service: 'endpoints = ["http://app.test"]' });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(get());
  world.advance(10);
  assert.deepEqual(statusesOf(client), [502]);
  world.sim.hosts.set('app.test', ['10.0.0.1']);
  client.send(get());
  world.advance(10);
  assert.deepEqual(statusesOf(client), [502, 200]);
  world.assertQuiet();
});

test('name: new connections go to the new address once the interval is over', async () => {
  const world = await openWorld(
    {
      service: 'endpoints = ["http://app.test"]',
      transport: 'resolve-interval = "10s"\nidle-connections-max = 0',
    },
    { hosts: { 'app.test': ['10.0.0.1'] } },
  );
  listenBoth(world);
  const client = world.client(get());
  world.advance(10);
  world.sim.hosts.set('app.test', ['10.0.0.2']);
  const ask = (): string => {
    client.send(get());
    world.advance(10);
    return bodiesOf(client).at(-1)!;
  };
  world.advance(9_900);
  assert.equal(ask(), ORIGIN);
  world.advance(200);
  assert.equal(ask(), ORIGIN, 'the last known address serves while the query runs');
  assert.equal(ask(), OTHER_ORIGIN);
  world.sim.hosts.clear();
  world.advance(10_000);
  assert.equal(ask(), OTHER_ORIGIN);
  assert.equal(ask(), OTHER_ORIGIN, 'and when the query fails');
  world.assertQuiet();
});

test('name: several addresses take turns', async () => {
  const world = await openWorld(
    { service: 'endpoints = ["http://app.test"]', transport: 'idle-connections-max = 0' },
    { hosts: { 'app.test': ['10.0.0.1', '10.0.0.2'] } },
  );
  listenBoth(world);
  const client = world.client();
  for (let i = 0; i < 4; i++) {
    client.send(get());
    world.advance(10);
  }
  assert.equal(new Set(bodiesOf(client)).size, 2);
  assert.deepEqual(bodiesOf(client).slice(0, 2), bodiesOf(client).slice(2));
  world.assertQuiet();
});

test('unix socket: serves like any endpoint', async () => {
  const world = await openWorld({ service: 'endpoints = ["unix:/run/app.sock"]' });
  const origin = listenOrigin(world.sim, 'unix:/run/app.sock', answering());
  assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.deepEqual(origin.violations, []);
  world.assertQuiet();
});

test('publish: turns go on and idle connections stay', async () => {
  const indexes = new MetricIndexes();
  const before = await compileToml(appToml({ service: BOTH }), 1, indexes);
  const after = await compileToml(appToml({ service: BOTH }), 2, indexes);
  const world = new World(before, STILL);
  const origins = listenBoth(world);
  const client = world.client(get());
  world.publish(after);
  client.send(get() + get());
  world.advance(0);
  assert.deepEqual(bodiesOf(client), [ORIGIN, OTHER_ORIGIN, ORIGIN], 'the turn goes on');
  assert.equal(origins[0]!.peers.length, 1, 'on the connection of before');
  world.assertQuiet();
});

test('publish: those who wait for an endpoint that is gone are served all the same', async () => {
  const indexes = new MetricIndexes();
  const transport = 'connections-max = 1';
  const before = await compileToml(appToml({ transport }), 1, indexes);
  const service = `endpoints = ["http://${OTHER_ORIGIN}"]`;
  const after = await compileToml(appToml({ transport, service }), 2, indexes);
  const world = new World(before, STILL);
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const clients = [world.client(get('/1')), world.client(get('/2')), world.client(get('/3'))];
  world.publish(after);
  origin.peers[0]!.send(okWith('one'));
  world.advance(0);
  assert.deepEqual(bodiesOf(clients[0]!), ['one']);
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo');
  world.advance(0);
  assert.deepEqual(bodiesOf(clients[1]!), ['two']);
  assert.equal(origin.requests.length, 3, 'a new connection for the last one');
  origin.peers[1]!.send(okWith('three'));
  world.advance(0);
  assert.deepEqual(bodiesOf(clients[2]!), ['three']);
  assert.equal(origin.peers[1]!.hasEnded, true, 'nothing of a gone endpoint is kept');
  world.assertQuiet();
});

test('publish: a changed connection limit holds for those who wait already', async () => {
  const indexes = new MetricIndexes();
  const of = (max: number, generation: number): ReturnType<typeof compileToml> =>
    compileToml(appToml({ transport: `connections-max = ${max}` }), generation, indexes);
  const world = new World(await of(2, 1), STILL);
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const clients = [1, 2, 3, 4, 5].map((number) => world.client(get(`/${number}`)));
  assert.equal(world.gauge('connections'), 2);
  world.publish(await of(3, 2));
  world.advance(0);
  assert.equal(world.gauge('connections'), 3, 'raised: the next one is served');
  assert.equal(world.gauge('queued'), 2);
  world.publish(await of(1, 3));
  const closing = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';
  origin.peers[0]!.send(closing);
  world.sim.advanceMs(0);
  assert.equal(world.gauge('connections'), 2, 'lowered: what ends is not replaced');
  origin.peers[1]!.send(okWith('ok'));
  world.sim.advanceMs(0);
  assert.equal(origin.requests[3]!.target, '/4', 'but what is free serves');
  origin.peers[2]!.send(closing);
  origin.peers[1]!.send(okWith('ok'));
  world.sim.advanceMs(0);
  assert.equal(world.gauge('connections'), 1);
  origin.peers[1]!.send(okWith('ok'));
  world.sim.advanceMs(0);
  for (const client of clients) assert.deepEqual(bodiesOf(client), ['ok']);
  world.assertQuiet();
});

test('connect: a name with a dead address goes on at the next, whatever the method', async () => {
  const hosts = { 'app.test': ['10.0.0.8', '10.0.0.9'] };
  const service = 'endpoints = ["http://app.test"]';
  const world = await openWorld({ service, transport: 'idle-connections-max = 0' }, { hosts });
  const origin = listenOrigin(world.sim, '10.0.0.9:80', answering());
  for (const text of [get(), get(), post('once'), post('once')]) {
    const client = world.client(text);
    world.advance(10); // Until the name is resolved.
    assert.deepEqual(statusesOf(client), [200], text);
  }
  assert.equal(origin.requests.length, 4);
  assert.equal(world.gauge('faults'), 0);
  origin.close();
  assert.deepEqual(statusesOf(world.client(get())), [502], 'each was tried');
  assert.equal(world.gauge('faults'), 1);
  world.assertQuiet();
});
