import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as net from 'node:net';
import test from 'node:test';

import { Fault } from '../../../contract/fault.ts';
import { BackendProbe } from '../backend-probe.contract.ts';
import { open, serve, turn } from './node-harness.contract.ts';

test('node backend: lets the kernel look after silent peers, on both sides', () =>
  serve(open(), async ({ servers, connect: openClient, listening }) => {
    const client = await openClient();
    await turn();
    const ports = [listening.port, client.connection.localPort];
    const timers = ports.map((port) => kernelTimer(port, servers[0]!.connection.localPort));
    assert.deepEqual(timers, [KEEP_ALIVE_TIMER, KEEP_ALIVE_TIMER]);
  }));

/** The timer column of an established connection in proc(5); keep-alive is 2. */
const KEEP_ALIVE_TIMER = '02';

function hex(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

function kernelTimer(localPort: number, listeningPort: number): string {
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const fields = rows
    .map((row) => row.trim().split(/\s+/))
    .find(([, local, remote, state]) => {
      const isOurs = local?.endsWith(hex(localPort)) === true && state === '01';
      return isOurs && (localPort === listeningPort || remote?.endsWith(hex(listeningPort)));
    });
  return fields?.[5]?.slice(0, 2) ?? 'no such connection';
}

test('node backend: closes what it has no room for at once, and takes clients again after', () =>
  serve(open(67_108_864, { acceptedMax: 2 }), async ({ harness, servers, connect: join }) => {
    const { backend } = harness;
    const first = await join();
    const second = await join();
    const turnedAway = new BackendProbe(backend);
    const target = {
      kind: 'tcp',
      host: '127.0.0.1',
      port: first.connection.peerPort,
    } as const;
    turnedAway.connection = backend.connect(target, turnedAway);
    await harness.until(() => turnedAway.hasEnded, 'the end');
    assert.equal(turnedAway.receivedSize, 0);
    assert.equal(backend.turnedAwayCount, 1);
    assert.equal(servers.length, 2);
    turnedAway.connection.abort();
    second.connection.abort();
    servers[1]!.connection.abort();
    await harness.until(() => servers[1]!.closeCount === 1, 'room');
    await join();
    assert.equal(servers.length, 3);
    assert.equal(backend.turnedAwayCount, 1);
  }));

test('node backend: refuses to connect past its limit, and counts what is gone', () =>
  serve(open(67_108_864, { connectedMax: 2 }), async ({ harness, listening, connect: join }) => {
    const { backend } = harness;
    const first = await join();
    await join();
    assert.equal(backend.canConnect, false);
    const third = new BackendProbe(backend);
    const target = { kind: 'tcp', host: '127.0.0.1', port: listening.port } as const;
    third.connection = backend.connect(target, third);
    await harness.until(() => third.closeCount === 1, 'the refusal');
    assert.equal(third.fault, Fault.socketLimit);
    assert.equal(backend.canConnect, false);
    first.connection.abort();
    await harness.until(() => backend.canConnect, 'room');
    await join();
  }));

/** More than the 511 that wait when nothing else is said (listen(2), Node). */
const WAITING = 700;
const SOMAXCONN = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));

/** Opens connections to `port` in another process, and says how many of them opened. */
function openCount(port: number): number {
  const script = `
    const net = require('node:net');
    let count = 0;
    const end = () => process.stdout.write(String(count), () => process.exit());
    for (let i = 0; i < ${WAITING}; i++) {
      net.connect(${port}, '127.0.0.1', () => ++count === ${WAITING} && end());
    }
    setTimeout(end, 10_000);`;
  return Number(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout);
}

// @types/node does not know it.
type BoundSocketClass = new (options: object) => { fd(): number };
const BoundSocket = (net as unknown as { BoundSocket?: BoundSocketClass }).BoundSocket;

test(
  'node backend: as many connections wait on an inherited socket as on one of its own',
  { skip: SOMAXCONN < WAITING || BoundSocket === undefined },
  () => {
    const bound = new BoundSocket!({ host: '127.0.0.1', port: 0 });
    return serve(
      open(),
      async ({ harness, servers, listening }) => {
        assert.equal(openCount(listening.port), WAITING); // Nothing is accepted meanwhile.
        await harness.until(() => servers.length === WAITING, 'all of them');
      },
      { kind: 'tcp', host: '127.0.0.1', port: 0, fd: bound.fd() },
    );
  },
);
