import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { WorkerCell } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { PENDING_MAX } from '../../src/data/listener/route-changes.ts';
import { bodiesOf, get, isOver, responsesOf, SWITCHING, UPGRADE } from './requests.ts';
import { compileToml, ORIGIN, STILL, World } from './world.ts';

const BEGUN = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n';
const LENGTHY = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun';

function toml(policy: string, more = ''): string {
  const line = policy === '' ? '' : `streams-on-change = "${policy}"`;
  return `[listeners.web]\naddress = "127.0.0.1:8080"\n[admin]\naddress = "off"
[routes.app]\npath = "/*"\nservice = "app"\n${line}\n${more}
[services.app]\nendpoints = ["http://${ORIGIN}"]\n[transports.default]
progress-timeout = "1d"\ntunnel-idle-timeout = "1d"\nresponse-head-timeout = "1h"`;
}

const OTHER_ROUTE = '[routes.other]\npath = "/other/*"\nservice = "app"';

interface Stage {
  readonly world: World;
  /** One per request, in order of their arrival. */
  readonly origins: readonly SimPeer[];
  publish(policy: string, changedRoutes?: readonly string[], more?: string): Promise<void>;
  /** A client and the origin's end of its exchange. */
  open(bytes: string, answer: string): readonly [client: SimPeer, origin: SimPeer];
}

async function openStage(policy: string, more = ''): Promise<Stage> {
  const world = new World(await compileToml(toml(policy, more)), STILL);
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  let generation = 1;
  return {
    world,
    origins: peers,
    async publish(next, changedRoutes = ['app'], nextMore = more) {
      generation++;
      world.publish(await compileToml(toml(next, nextMore), generation), changedRoutes);
    },
    open(bytes, answer) {
      const client = world.client(bytes);
      const origin = peers.at(-1)!;
      if (answer !== '') origin.send(answer);
      world.advance(0);
      return [client, origin];
    },
  };
}

function closedCount(world: World): number {
  return world.cells[WorkerCell.streamsClosed]!;
}

test('streams: stay by default when their route changes', async () => {
  const { world, open, publish } = await openStage('');
  const [tunnel, tunnelOrigin] = open(UPGRADE, SWITCHING);
  const [reader, origin] = open(get(), BEGUN);
  await publish('');
  world.advance(3_600_000);
  origin.send('4\r\nmore\r\n0\r\n\r\n');
  tunnelOrigin.send('hello');
  world.advance(0);
  assert.deepEqual(bodiesOf(reader), ['begunmore']);
  assert.match(tunnel.text(), /hello$/);
  assert.equal(closedCount(world), 0);
  tunnel.end();
  tunnelOrigin.end();
  world.assertQuiet();
});

test('streams: close now ends a tunnel in order on both sides', async () => {
  const { world, open, publish } = await openStage('');
  const [client, origin] = open(UPGRADE, SWITCHING);
  client.send('to the origin');
  origin.send('to the client');
  world.advance(0);
  await publish('close');
  assert.match(client.text(), /to the client$/);
  assert.match(origin.text(), /to the origin$/);
  assert.equal(client.hasEnded, true, 'FIN, not a reset');
  assert.equal(origin.hasEnded, true, 'FIN, not a reset');
  assert.equal(world.tunnels, 0);
  assert.equal(world.faultCount(Fault.routeChanged), 1);
  assert.equal(closedCount(world), 1);
  client.end();
  origin.end();
  world.assertQuiet();
});

test('streams: what is queued in a tunnel that is closed reaches a slow client', async () => {
  const { world, open, publish } = await openStage('');
  const [client, origin] = open(UPGRADE, SWITCHING);
  client.pause();
  origin.send('x'.repeat(200_000));
  world.advance(0);
  await publish('close');
  const taken = world.tunnels;
  client.resume();
  world.advance(1_000);
  assert.equal(taken, 0);
  const body = client.text().slice(client.text().indexOf('\r\n\r\n') + 4);
  assert.ok(body.length > 60_000 && /^x+$/.test(body), `${body.length} bytes`);
  assert.equal(client.hasEnded, true, 'the end comes behind what was queued');
  client.end();
  world.assertQuiet();
});

test('streams: close now breaks a response, which never looks complete', async () => {
  for (const answer of [BEGUN, LENGTHY]) {
    const { world, open, publish } = await openStage('');
    const [client, origin] = open(get(), answer);
    await publish('close');
    assert.equal(isOver(client), true);
    assert.equal(responsesOf(client)[0]!.isComplete, false);
    assert.equal(origin.isClosed, true);
    assert.equal(world.faultCount(Fault.routeChanged), 1);
    client.end();
    world.assertQuiet();
  }
});

test('streams: a response without a length is reset, for its end would look complete', async () => {
  const { world, open, publish } = await openStage('');
  const [client] = open('GET / HTTP/1.0\r\nHost: a.test\r\n\r\n', BEGUN);
  await publish('close');
  assert.equal(client.isClosed, true);
  assert.equal(client.hasEnded, false, 'no FIN');
  world.assertQuiet();
});

test('streams: a policy with a delay lets short ones finish and ends the others', async () => {
  const { world, open, publish } = await openStage('');
  const [tunnel, tunnelOrigin] = open(UPGRADE, SWITCHING);
  const [short, shortOrigin] = open(get(), BEGUN);
  const [long] = open(get(), BEGUN);
  await publish('10s');
  const [later] = open(get(), BEGUN);
  world.advance(9_000);
  shortOrigin.send('0\r\n\r\n');
  world.advance(0);
  assert.deepEqual(bodiesOf(short), ['begun']);
  short.send(get()); // Routed by the new generation, on the same connection.
  world.advance(0);
  assert.equal(isOver(tunnel), false);
  world.advance(1_100);
  assert.equal(tunnel.hasEnded, true);
  assert.equal(isOver(long), true);
  assert.equal(responsesOf(long)[0]!.isComplete, false);
  assert.equal(isOver(later), false, 'begun on the new generation');
  assert.equal(isOver(short), false, 'begun on the new generation');
  assert.equal(closedCount(world), 2);
  tunnelOrigin.end();
  world.assertSound();
});

test('streams: one that begins to answer after its route changed ends too', async () => {
  const { world, open, publish } = await openStage('');
  const [quick, quickOrigin] = open(get('/quick'), '');
  const [stream, streamOrigin] = open(get('/stream'), '');
  await publish('close');
  assert.equal(isOver(quick), false, 'it may be short');
  quickOrigin.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  streamOrigin.send(BEGUN);
  world.advance(0);
  assert.deepEqual(bodiesOf(quick), ['ok']);
  world.advance(1_100);
  assert.equal(isOver(stream), true);
  assert.equal(responsesOf(stream)[0]!.isComplete, false);
  assert.equal(closedCount(world), 1);
  stream.end();
  world.assertQuiet();
});

test('streams: those of routes that did not change are not touched', async () => {
  const { world, open, publish } = await openStage('close', OTHER_ROUTE);
  const [tunnel] = open(UPGRADE, SWITCHING);
  await publish('close', ['other']);
  world.advance(60_000);
  assert.equal(isOver(tunnel), false);
  await publish('close', []);
  world.advance(60_000);
  assert.equal(isOver(tunnel), false);
  world.assertSound();
});

test('streams: a route that is gone has the policy it had', async () => {
  const closing = OTHER_ROUTE + '\nstreams-on-change = "close"';
  for (const [more, isClosed] of [
    [OTHER_ROUTE, false],
    [closing, true],
  ] as const) {
    const { world, open, publish } = await openStage('', more);
    const [tunnel] = open(UPGRADE.replace('GET / ', 'GET /other/ws '), SWITCHING);
    await publish('', ['other'], '');
    world.advance(0);
    assert.equal(isOver(tunnel), isClosed, more);
    world.assertSound();
  }
});

test('streams: on an address that is gone they follow the policy as well', async () => {
  const { world, open } = await openStage('');
  const [tunnel] = open(UPGRADE, SWITCHING);
  const elsewhere = toml('close').replace(':8080', ':8099');
  world.publish(await compileToml(elsewhere, 2), ['app']);
  world.advance(0);
  assert.equal(tunnel.hasEnded, true);
  tunnel.end();
  world.advance(2_000);
  world.assertSound();
});

test('streams: past the most changes that can wait, the last ones share their time', async () => {
  const { world, open } = await openStage('');
  const base: Snapshot = await compileToml(toml('1h'), 2);
  let generation = 1;
  const change = (): void => {
    generation++;
    world.publish({ ...base, generation }, ['app']);
    world.advance(1_000);
  };
  const hourMs = 3_600_000;
  const [first] = open(UPGRADE, SWITCHING);
  for (let count = 0; count < PENDING_MAX - 1; count++) change();
  const [last] = open(UPGRADE, SWITCHING); // Ended by the change that fills the table …
  change();
  const [joined] = open(UPGRADE, SWITCHING); // … and by the one that finds it full.
  change();
  world.advance(hourMs - (PENDING_MAX + 1) * 1_000 - 100);
  assert.equal(isOver(first), false);
  world.advance(200);
  assert.equal(isOver(first), true, 'an hour after the first change');
  world.advance((PENDING_MAX - 1) * 1_000);
  assert.equal(isOver(last), false, 'its hour is over, but it waits for the other');
  world.advance(1_000);
  assert.equal(isOver(last), true);
  assert.equal(isOver(joined), true);
  world.assertSound();
});
