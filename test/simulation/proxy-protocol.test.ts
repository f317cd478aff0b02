import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { latin1Bytes } from '../../src/base/ascii.ts';
import { proxyHeaderBytes } from '../../src/data/codec/proxy-protocol/proxy-header.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { fieldValues } from '../support/strict-head.ts';
import { get, isOver, statusesOf } from './requests.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import { answering, listenOrigin } from './scripted-origin.ts';
import { openTlsWorld } from './tls-world.ts';
import type { World } from './world.ts';
import { ORIGIN } from './world.ts';

const TRUSTED = ['127.0.0.0/8'];

interface Stage {
  readonly world: World;
  readonly origin: ScriptedOrigin;
}

/** A listener without TLS that believes PROXY headers of `trusted`. */
async function openStage(trusted: readonly string[] = TRUSTED, limits = ''): Promise<Stage> {
  const world = await openTlsWorld({ listener: { tls: -1, proxyProtocol: trusted } }, { limits });
  return { world, origin: listenOrigin(world.sim, ORIGIN, answering()) };
}

function header(version: 'v1' | 'v2', sourceAddress = '192.0.2.9'): Uint8Array {
  return proxyHeaderBytes(version, {
    sourceAddress,
    sourcePort: 5_000,
    destinationAddress: '203.0.113.1',
    destinationPort: 443,
  });
}

function clientWith(world: World, bytes: Uint8Array, request = get()): SimPeer {
  const client = world.client();
  client.send(bytes);
  client.send(request);
  world.advance(0);
  return client;
}

for (const version of ['v1', 'v2'] as const) {
  test(`proxy protocol: a ${version} header names the client and what it wanted`, async () => {
    const { world, origin } = await openStage();
    const client = clientWith(world, header(version), get('/1') + get('/2'));
    assert.deepEqual(statusesOf(client), [200, 200]);
    for (const { fields } of origin.requests) {
      assert.deepEqual(fieldValues(fields, 'x-forwarded-for'), ['192.0.2.9']);
      assert.deepEqual(fieldValues(fields, 'x-real-ip'), ['192.0.2.9']);
      assert.deepEqual(fieldValues(fields, 'x-forwarded-port'), ['443']);
      assert.deepEqual(fieldValues(fields, 'x-forwarded-proto'), ['http']);
    }
    client.end();
    world.assertQuiet();
  });

  test(`proxy protocol: a ${version} header may be split anywhere`, async () => {
    const bytes = header(version);
    for (let size = 1; size < bytes.length; size++) {
      const { world } = await openStage();
      const client = world.client();
      client.send(bytes.subarray(0, size));
      world.advance(1);
      client.send(new Uint8Array([...bytes.subarray(size), ...latin1Bytes(get())]));
      world.advance(1);
      assert.deepEqual(statusesOf(client), [200], `after ${size} bytes`);
      client.end();
      world.assertQuiet();
    }
  });
}

test('proxy protocol: who must send a header and does not is closed without a word', async () => {
  const { world, origin } = await openStage();
  const client = world.client(get());
  assert.equal(isOver(client), true);
  assert.equal(client.receivedSize, 0);
  assert.equal(world.faultCount(Fault.proxyHeaderInvalid), 1);
  assert.equal(origin.requests.length, 0);
  world.assertQuiet();
});

test('proxy protocol: from everybody else a header is no request', async () => {
  const { world } = await openStage(['10.0.0.0/8']);
  assert.deepEqual(statusesOf(clientWith(world, header('v1'))), [400]);
  assert.deepEqual(statusesOf(clientWith(world, header('v2'))), [400]);
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [200], 'who sends none is served');
  client.end();
  world.assertQuiet();
});

test('proxy protocol: a header that does not come has the time of a head', async () => {
  const { world } = await openStage(TRUSTED, 'head-timeout = "2s"');
  const silent = world.client();
  const slow = world.client('PROXY TCP4 1');
  world.advance(1_999);
  assert.equal(isOver(silent) || isOver(slow), false);
  world.advance(1);
  assert.equal(isOver(silent) && isOver(slow), true);
  world.assertQuiet();
});

test('proxy protocol: the limit per address counts clients, not their proxy', async () => {
  const { world } = await openStage(TRUSTED, 'connections = 100\nconnections-per-address = 2');
  const of = (address: string): SimPeer => clientWith(world, header('v1', address));
  const first = [of('192.0.2.1'), of('192.0.2.1')];
  const others = [of('192.0.2.2'), of('192.0.2.3')];
  for (const client of [...first, ...others]) assert.deepEqual(statusesOf(client), [200]);
  const refused = of('192.0.2.1');
  assert.deepEqual(statusesOf(refused), [429]);
  assert.equal(world.faultCount(Fault.addressConnectionLimit), 1);
  first[0]!.end();
  world.advance(1);
  const again = of('192.0.2.1');
  assert.deepEqual(statusesOf(again), [200], 'a place is free again');
  for (const client of [first[1]!, ...others, again]) client.end();
  world.assertQuiet();
});

test("proxy protocol: a proxy's own connection has the proxy's address", async () => {
  const { world, origin } = await openStage();
  const client = clientWith(world, latin1Bytes('PROXY UNKNOWN\r\n'));
  assert.deepEqual(statusesOf(client), [200]);
  const { fields } = origin.requests[0]!;
  assert.deepEqual(fieldValues(fields, 'x-forwarded-for'), ['127.0.0.1']);
  client.end();
  world.assertQuiet();
});
