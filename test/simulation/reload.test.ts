import assert from 'node:assert/strict';
import test from 'node:test';

import { listenerBase, ListenerCell, WorkerCell } from '../../src/contract/metric-layout.ts';
import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { bodiesOf, get, isOver, responsesOf, statusesOf, SWITCHING, UPGRADE } from './requests.ts';
import { fieldValues } from '../support/strict-head.ts';
import { listenOrigin, okWith } from './scripted-origin.ts';
import { compileToml, STILL, World } from './world.ts';

const A = '127.0.0.1:8080';
const B = '127.0.0.1:8081';
/** Services and their endpoints: what an answer says is which service gave it. */
const ORIGINS = { one: '10.0.0.1:80', two: '10.0.0.2:80' } as const;

interface Plan {
  /** Listener names and addresses, in order. */
  readonly listeners: readonly (readonly [name: string, address: string, more?: string])[];
  /** Service of each listener's own route; `*` is the route of all. */
  readonly routes: Readonly<Record<string, keyof typeof ORIGINS>>;
  readonly more?: string;
}

const indexes = new MetricIndexes();

function compilePlan(generation: number, plan: Plan): Promise<Snapshot> {
  const lines = ['drain-timeout = "10s"', '[admin]', 'address = "off"'];
  for (const [name, address, more] of plan.listeners) {
    lines.push(`[listeners.${name}]`, `address = "${address}"`, more ?? '');
  }
  for (const [listener, service] of Object.entries(plan.routes)) {
    const only = listener === '*' ? '' : `listeners = ["${listener}"]`;
    const name = listener === '*' ? 'all' : listener;
    lines.push(`[routes.${name}]`, 'path = "/*"', `service = "${service}"`, only);
  }
  for (const [name, address] of Object.entries(ORIGINS)) {
    lines.push(`[services.${name}]`, `endpoints = ["http://${address}"]`);
  }
  return compileToml([...lines, plan.more ?? ''].join('\n'), generation, indexes);
}

/** A world with both origins, each answering with its service's name and the client's address. */
async function openPlan(plan: Plan): Promise<World> {
  const world = new World(await compilePlan(1, plan), STILL);
  for (const [name, address] of Object.entries(ORIGINS)) {
    listenOrigin(world.sim, address, {
      onRequest: ({ fields }, peer) => {
        peer.send(okWith(`${name} ${fieldValues(fields, 'x-forwarded-for').join()}`));
      },
    });
  }
  return world;
}

function connect(world: World, address: string, bytes = ''): SimPeer {
  const peer = world.sim.connectClient(address);
  if (bytes !== '') peer.send(bytes);
  world.advance(0);
  return peer;
}

function ask(world: World, peer: SimPeer, bytes = get()): void {
  peer.send(bytes);
  world.advance(0);
}

/** The service names in the answers so far. */
function servedBy(peer: SimPeer): readonly string[] {
  return bodiesOf(peer).map((body) => body.split(' ')[0]!);
}

function openGauge(world: World, snapshot: Snapshot, name: string): number {
  const spec = snapshot.listeners.find((listener) => listener.name === name)!;
  return world.cells[listenerBase(spec.metricIndex) + ListenerCell.open]!;
}

test('reload: an address keeps its connections, whatever its listener is called now', async () => {
  const before = {
    listeners: [
      ['web', A],
      ['api', B],
    ],
    routes: { web: 'one', api: 'two' },
  } as const;
  const world = await openPlan(before);
  const client = connect(world, A, get());
  // Another name, another place in the list, and the name it had is the other address's now.
  const plan: Plan = {
    listeners: [
      ['web', B],
      ['site', A],
    ],
    routes: { web: 'one', site: 'two' },
  };
  const after = await compilePlan(2, plan);
  assert.equal(world.publish(after).isLinked, true);
  ask(world, client);
  assert.deepEqual(servedBy(client), ['one', 'two'], 'routed as what it is now');
  assert.equal(isOver(client), false);
  assert.deepEqual(servedBy(connect(world, B, get())), ['one']);
  assert.equal(openGauge(world, after, 'site'), 1);
  assert.equal(openGauge(world, after, 'web'), 1);
  world.assertQuiet();
});

test('reload: of several listeners on any free port each keeps the port it got', async () => {
  const any = '127.0.0.1:0';
  const routes = { web: 'one', api: 'two' } as const;
  const listeners = [
    ['web', any],
    ['api', any],
  ] as const;
  const world = await openPlan({ listeners, routes });
  const { web, api } = world.ports;
  world.publish(await compilePlan(2, { listeners: listeners.toReversed(), routes }));
  assert.deepEqual(servedBy(connect(world, `127.0.0.1:${web}`, get())), ['one']);
  assert.deepEqual(servedBy(connect(world, `127.0.0.1:${api}`, get())), ['two']);
  world.assertQuiet();
});

test('reload: a listener that comes with a descriptor is new, whatever its address', async () => {
  const any = '127.0.0.1:0';
  const routes = { '*': 'one' } as const;
  const world = await openPlan({ listeners: [['web', any]], routes });
  const after = await compilePlan(2, { listeners: [['site', any]], routes });
  const publication = { listenerFds: { site: 9 }, changedRoutes: [] };
  world.data.publish(after, publication, () => {});
  world.advance(0);
  assert.equal(connect(world, `127.0.0.1:${world.ports['web']}`).isOpen, false);
  world.assertQuiet();
});

test('reload: a head that is half here is served by one generation, not by a mix', async () => {
  const trusts = 'trusted-proxies = ["127.0.0.1", "10.0.0.0/8"]';
  const plan: Plan = {
    listeners: [
      ['web', A, trusts],
      ['api', B],
    ],
    routes: { web: 'one', api: 'two' },
  };
  const world = await openPlan(plan);
  const text = get('/', 'X-Forwarded-For: 203.0.113.9\r\n');
  for (let cut = 1; cut < text.length; cut++) {
    const client = connect(world, A, text.slice(0, cut));
    const isSwapped = cut % 2 === 1;
    // The indexes are swapped, and so is who trusts and what serves.
    const after = await compilePlan(cut + 1, {
      listeners: isSwapped
        ? [
            ['api', B],
            ['web', A],
          ]
        : [
            ['web', A, trusts],
            ['api', B],
          ],
      routes: isSwapped ? { web: 'two', api: 'one' } : { web: 'one', api: 'two' },
    });
    world.publish(after);
    ask(world, client, text.slice(cut));
    // The generation before `cut` is the one its first byte has met.
    const expected = isSwapped ? 'one 203.0.113.9' : 'two ';
    assert.ok(bodiesOf(client)[0]!.startsWith(expected), `cut ${cut}: ${bodiesOf(client)[0]}`);
    ask(world, client, text);
    const next = isSwapped ? 'two ' : 'one 203.0.113.9';
    assert.ok(bodiesOf(client)[1]!.startsWith(next), `cut ${cut}: ${bodiesOf(client)[1]}`);
    assert.doesNotMatch(bodiesOf(client)[isSwapped ? 1 : 0]!, /203\.0\.113\.9/);
    client.end();
    world.advance(1);
  }
  world.assertSound();
});

test('reload: an address that is gone takes no new clients and serves those it has', async () => {
  const world = await openPlan({
    listeners: [
      ['web', A],
      ['old', B],
    ],
    routes: { web: 'one', old: 'two' },
  });
  const idle = connect(world, B, get());
  const fresh = connect(world, B);
  const half = connect(world, B, get().slice(0, 20));
  const after = await compilePlan(2, { listeners: [['web', A]], routes: { web: 'one' } });
  world.publish(after);
  const late = connect(world, B);
  assert.equal(late.isOpen, false);
  ask(world, idle);
  ask(world, fresh);
  ask(world, half, get().slice(20));
  for (const client of [idle, fresh, half]) {
    assert.equal(servedBy(client).at(-1), 'two', 'by the last generation that had the listener');
    assert.match(client.text(), /\r\nConnection: close\r\n/);
    assert.equal(client.hasEnded, true);
  }
  assert.equal(isOver(connect(world, A, get())), false, 'the others are not concerned');
  world.assertQuiet();
});

test('reload: what stays on an address that is gone ends, tunnels at the timeout', async () => {
  const world = await openPlan({
    listeners: [
      ['web', A],
      ['old', B],
    ],
    routes: { '*': 'one' },
  });
  const idle = connect(world, B, get());
  const origin = listenOrigin(world.sim, '10.0.0.3:80', {
    onHead: (_r, peer) => peer.send(SWITCHING),
  });
  const services = `[services.tunnel]\nendpoints = ["http://10.0.0.3:80"]\n`;
  const more = `[routes.ws]\npath = "/ws"\nservice = "tunnel"\n${services}`;
  const listeners = [
    ['web', A],
    ['old', B],
  ] as const;
  world.publish(await compilePlan(2, { listeners, routes: { '*': 'one' }, more }));
  const tunnel = connect(world, B, UPGRADE.replace('GET / ', 'GET /ws '));
  assert.match(tunnel.text(), /^HTTP\/1\.1 101 /);
  const after = await compilePlan(3, { listeners: [['web', A]], routes: { '*': 'one' }, more });
  world.publish(after);
  world.advance(7_900);
  assert.equal(isOver(idle), false, 'its client may be about to ask');
  world.advance(200);
  assert.equal(idle.hasEnded, true, 'FIN, not a reset');
  tunnel.send('still here');
  world.advance(0);
  assert.match(origin.peers[0]!.text(), /still here$/);
  world.advance(1_800);
  assert.equal(isOver(tunnel), false);
  world.advance(200);
  assert.equal(tunnel.isClosed, true, 'the drain timeout is over');
  world.assertQuiet();
});

test('reload: a new address is acknowledged when it listens', async () => {
  const world = await openPlan({ listeners: [['web', A]], routes: { '*': 'one' } });
  const after = await compilePlan(2, {
    listeners: [
      ['web', A],
      ['new', B],
    ],
    routes: { '*': 'one' },
  });
  let isLinked = false;
  world.data.publish(after, { listenerFds: {}, changedRoutes: [] }, () => (isLinked = true));
  assert.equal(isLinked, false, 'never inside the call');
  world.advance(0);
  assert.equal(isLinked, true);
  assert.deepEqual(servedBy(connect(world, B, get())), ['one']);
  world.assertQuiet();
});

test('reload: an address that comes back while it drains is listened on anew', async () => {
  const world = await openPlan({
    listeners: [
      ['web', A],
      ['old', B],
    ],
    routes: { '*': 'one' },
  });
  const client = connect(world, B, get());
  world.publish(await compilePlan(2, { listeners: [['web', A]], routes: { '*': 'one' } }));
  const after = await compilePlan(3, {
    listeners: [
      ['web', A],
      ['old', B],
    ],
    routes: { '*': 'two' },
  });
  assert.equal(world.publish(after).isLinked, true);
  assert.deepEqual(servedBy(connect(world, B, get())), ['two']);
  ask(world, client);
  assert.deepEqual(servedBy(client), ['one', 'one'], 'the old connection ends as it would have');
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
});

test('reload: a listener that is gone before it listens holds no acknowledgement up', async () => {
  const world = await openPlan({ listeners: [['web', A]], routes: { '*': 'one' } });
  const linked: number[] = [];
  const with2 = await compilePlan(2, {
    listeners: [
      ['web', A],
      ['new', B],
    ],
    routes: { '*': 'one' },
  });
  const without = await compilePlan(3, { listeners: [['web', A]], routes: { '*': 'one' } });
  const publication = { listenerFds: {}, changedRoutes: [] };
  world.data.publish(with2, publication, () => linked.push(2));
  world.data.publish(without, publication, () => linked.push(3));
  world.advance(0);
  assert.deepEqual(linked.toSorted(), [2, 3]);
  assert.equal(connect(world, B).isOpen, false);
  world.assertQuiet();
});

test('reload: trusted proxies hold from the next request of an open connection on', async () => {
  const routes = { '*': 'one' } as const;
  const world = await openPlan({ listeners: [['web', A]], routes });
  const text = get('/', 'X-Forwarded-For: 203.0.113.9\r\n');
  const client = connect(world, A, text);
  const trusted = 'trusted-proxies = ["10.0.0.0/8", "127.0.0.0/8"]';
  world.publish(await compilePlan(2, { listeners: [['web', A, trusted]], routes }));
  ask(world, client, text);
  world.publish(await compilePlan(3, { listeners: [['web', A]], routes }));
  ask(world, client, text);
  const seen = bodiesOf(client).map((body) => body.includes('203.0.113.9'));
  assert.deepEqual(seen, [false, true, false]);
  world.assertSound();
});

test('reload: head limits hold from the next request on, for either side', async () => {
  const plan = (more: string): Plan => ({ listeners: [['web', A]], routes: { '*': 'one' }, more });
  const world = await openPlan(plan('[limits]\nfield-count = 20'));
  const many = get('/', Array.from({ length: 40 }, (_, i) => `X-${i}: v\r\n`).join(''));
  const statuses = async (generation: number, count: number): Promise<readonly number[]> => {
    world.publish(await compilePlan(generation, plan(`[limits]\nfield-count = ${count}`)));
    const clients = [connect(world, A), connect(world, A)];
    for (const client of clients) ask(world, client, many);
    return clients.flatMap(statusesOf);
  };
  assert.deepEqual(statusesOf(connect(world, A, many)), [431]);
  assert.deepEqual(await statuses(2, 50), [200, 200], 'no exchange of the old size is used again');
  assert.deepEqual(await statuses(3, 30), [431, 431]);
  assert.deepEqual(await statuses(4, 60), [200, 200]);
  world.assertSound();
});

test('reload: the connection limit holds for the next connection', async () => {
  const plan = (count: number): Plan => {
    const more = `[limits]\nconnections = ${count}\nconnections-per-address = ${count}`;
    return { listeners: [['web', A]], routes: { '*': 'one' }, more };
  };
  const world = await openPlan(plan(1));
  const [begin, rest] = [get().slice(0, 10), get().slice(10)];
  const first = connect(world, A, begin); // In the middle of a head, so that it is not idle.
  assert.deepEqual(statusesOf(connect(world, A)), [503]);
  world.publish(await compilePlan(2, plan(2)));
  const second = connect(world, A, begin);
  assert.equal(isOver(second), false);
  world.publish(await compilePlan(3, plan(1)));
  assert.deepEqual(statusesOf(connect(world, A)), [503]);
  for (const client of [first, second]) {
    ask(world, client, rest);
    assert.deepEqual(statusesOf(client), [200], 'nobody is thrown out');
  }
  world.assertSound();
});

test('reload: a process that drains ends the listeners of earlier generations too', async () => {
  const world = await openPlan({
    listeners: [
      ['web', A],
      ['old', B],
    ],
    routes: { '*': 'one' },
  });
  const idle = connect(world, B, get());
  const after = await compilePlan(2, { listeners: [['web', A]], routes: { '*': 'one' } });
  world.publish(after);
  const draining = world.drain();
  assert.equal(draining.isDone, false);
  world.advance(1_100);
  assert.equal(idle.hasEnded, true, 'a stop is sooner than the drain of its listener');
  world.advance(2_000);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('reload: one that comes while the process drains opens nothing', async () => {
  const routes = { '*': 'one' } as const;
  const world = await openPlan({ listeners: [['web', A]], routes });
  const waiting = connect(world, A, get().slice(0, 10));
  const draining = world.drain();
  const after = await compilePlan(2, {
    listeners: [
      ['web', A],
      ['new', B],
    ],
    routes,
  });
  assert.equal(world.publish(after).isLinked, true);
  for (const address of [A, B]) assert.equal(connect(world, address).isOpen, false);
  ask(world, waiting, get().slice(10));
  assert.deepEqual(servedBy(waiting), ['one']);
  waiting.end();
  world.advance(0);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('reload: says how long linking took and what is linked', async () => {
  const world = await openPlan({ listeners: [['web', A]], routes: { '*': 'one' } });
  world.cells[WorkerCell.linkUs] = -1;
  const routes = { '*': 'one', web: 'two' } as const;
  world.publish(await compilePlan(7, { listeners: [['web', A]], routes }));
  assert.ok(world.cells[WorkerCell.linkUs]! >= 0);
  assert.equal(world.cells[WorkerCell.generation], 7);
  assert.equal(world.cells[WorkerCell.routes], 2);
  assert.equal(responsesOf(connect(world, A, get())).length, 1);
  world.assertSound();
});
