import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { get, isOver, post, request, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import type { World } from './world.ts';
import { openWorld, ORIGIN } from './world.ts';

const OTHER_ORIGIN = '10.0.0.2:80';
const BOTH = `endpoints = ["http://${ORIGIN}", "http://${OTHER_ORIGIN}"]`;

/** How an origin ends a connection without a word. */
const ENDINGS: readonly (readonly [string, (peer: SimPeer) => void])[] = [
  ['FIN', (peer) => peer.end()],
  ['a reset', (peer) => peer.reset()],
];

interface Stale {
  readonly world: World;
  readonly origin: ScriptedOrigin;
  readonly client: SimPeer;
}

/** An origin that answers the first request of each connection and ends it at the second. */
async function openStale(end: (peer: SimPeer) => void): Promise<Stale> {
  const world = await openWorld();
  const served = new Set<SimPeer>();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (seen, peer) => {
      if (served.has(peer)) end(peer);
      else if (seen.framing === 'none') peer.send(okWith(`ok ${seen.target}`));
      served.add(peer);
    },
  });
  const client = world.client(get('/first'));
  assert.deepEqual(statusesOf(client), [200]);
  return { world, origin, client };
}

for (const [how, end] of ENDINGS) {
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    test(`retry: repeats ${method} once when a used connection ends by ${how}`, async () => {
      const { world, origin, client } = await openStale(end);
      client.send(request(method, '/second'));
      world.advance(0);
      assert.equal(responsesOf(client, ['GET', method])[1]!.status, 200);
      assert.deepEqual(
        origin.requests.map(({ target, connection }) => `${connection}${target}`),
        ['1/first', '1/second', '2/second'],
      );
      assert.equal(world.gauge('retries'), 1);
      world.assertQuiet();
    });
  }

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'MERGE']) {
    test(`retry: never repeats ${method} when a used connection ends by ${how}`, async () => {
      const { world, origin, client } = await openStale(end);
      client.send(request(method, '/second'));
      world.advance(0);
      assert.deepEqual(statusesOf(client), [200, 502]);
      assert.equal(origin.requests.length, 2);
      world.assertQuiet();
    });
  }

  test(`retry: never repeats a body when a used connection ends by ${how}`, async () => {
    const { world, origin, client } = await openStale(end);
    client.send(post('body', '/second', 'PUT'));
    world.advance(0);
    assert.deepEqual(statusesOf(client), [200, 502]);
    assert.equal(origin.requests.length, 2);
    world.assertQuiet();
  });
}

test('retry: an origin that never answers is asked as often as attempts allow', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, { onHead: (_request, peer) => peer.reset() });
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [502]);
  assert.equal(origin.requests.length, 3);
  world.assertQuiet();
});

test('retry: never repeats PUT or DELETE that a fresh connection may have died of', async () => {
  for (const method of ['PUT', 'DELETE', 'POST']) {
    const world = await openWorld();
    const origin = listenOrigin(world.sim, ORIGIN, { onHead: (_request, peer) => peer.reset() });
    const client = world.client(request(method));
    assert.deepEqual(statusesOf(client), [502], method);
    assert.equal(origin.requests.length, 1, method);
    world.assertQuiet();
  }
});

for (const [name, start] of [
  ['part of a status line', 'HTTP/1.'],
  ['a whole head', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'],
  ['an interim response', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
] as const) {
  test(`retry: never repeats once ${name} has arrived`, async () => {
    const world = await openWorld();
    const served = new Set<SimPeer>();
    const origin = listenOrigin(world.sim, ORIGIN, {
      onRequest: (_request, peer) => {
        if (served.has(peer)) {
          peer.send(start);
          peer.end();
        } else peer.send(okWith('first'));
        served.add(peer);
      },
    });
    const client = world.client(get('/first'));
    client.send(get('/second'));
    world.advance(0);
    assert.equal(origin.requests.length, 2);
    const second = responsesOf(client)[1]!;
    assert.ok(second.status === 502 || !second.isComplete);
    assert.equal(world.faultCount(Fault.responseTruncated), 1);
    world.assertQuiet();
  });
}

test('retry: a refused connection goes on at another endpoint, whatever the method', async () => {
  for (const text of [get(), post('body'), request('DELETE')]) {
    const world = await openWorld({ service: BOTH });
    const origin = listenOrigin(world.sim, OTHER_ORIGIN, answering());
    for (let i = 0; i < 4; i++) {
      const client = world.client(text);
      assert.deepEqual(statusesOf(client), [200]);
    }
    assert.equal(origin.requests.length, 4);
    assert.equal(world.gauge('retries', 0), 0);
    assert.equal(world.gauge('retries', 1), world.gauge('attempts', 0), 'counted where they went');
    assert.equal(world.endpoints[0]!.inFlight, 0);
    assert.equal(world.endpoints[1]!.inFlight, 0);
    world.assertQuiet();
  }
});

test('retry: never tries the endpoint again that refused, however the balancer draws', async () => {
  for (const mode of ['random', 'least-requests']) {
    const world = await openWorld({ service: `${BOTH}\nbalance = "${mode}"` });
    listenOrigin(world.sim, OTHER_ORIGIN, answering());
    for (let i = 0; i < 20; i++) assert.deepEqual(statusesOf(world.client(get())), [200], mode);
    assert.ok(world.gauge('attempts', 0) > 0, 'some were refused');
    world.assertQuiet();
  }
});

test('retry: a connect that times out goes on at another endpoint', async () => {
  const world = await openWorld({ service: BOTH, transport: 'connect-timeout = "1s"' });
  world.sim.blackhole(ORIGIN);
  const origin = listenOrigin(world.sim, OTHER_ORIGIN, answering());
  const client = world.client(post('0123456789'));
  world.advance(999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(origin.requests[0]!.body.toString(), '0123456789');
  world.assertQuiet();
});

test('retry: names the second endpoint in Host when that is not passed', async () => {
  const world = await openWorld({ service: `${BOTH}\npass-host = false` });
  const origin = listenOrigin(world.sim, OTHER_ORIGIN, answering());
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [200]);
  const hosts = origin.requests[0]!.fields.filter(({ name }) => name === 'Host');
  assert.deepEqual(hosts, [{ name: 'Host', value: '10.0.0.2' }]);
  assert.deepEqual(origin.violations, []);
  world.assertQuiet();
});

test('retry: answers 502 when every endpoint refuses, after an attempt at each', async () => {
  const urls = [ORIGIN, OTHER_ORIGIN, '10.0.0.3:80'].map((address) => `"http://${address}"`);
  const service = `endpoints = [${urls.join()}]`;
  const world = await openWorld({ service });
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [502]);
  const attempts = [0, 1, 2].map((index) => world.gauge('attempts', index));
  assert.deepEqual(attempts, [1, 1, 1]);
  assert.equal(isOver(client), false, 'an endpoint that refuses costs the client nothing more');
  world.assertQuiet();
});

test('least-requests: endpoints that refused do not look idler than they are', async () => {
  const world = await openWorld({ service: `${BOTH}\nbalance = "least-requests"` });
  for (let i = 0; i < 5; i++) world.client(get());
  assert.deepEqual(
    world.endpoints.map((endpoint) => endpoint.inFlight),
    [0, 0],
  );
  world.assertQuiet();
});
