import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../../contract/fault.ts';
import type { IoHarness } from '../backend-pair.contract.ts';
import { BackendProbe } from '../backend-probe.contract.ts';
import { describeIoBackend } from '../backend.contract.ts';
import { Simulation } from './simulation.ts';

let seed = 1;

function open(memoryMax = 67_108_864): IoHarness {
  const simulation = new Simulation({
    seed: seed++,
    memoryMax,
    hosts: { localhost: ['127.0.0.1', '::1'] },
  });
  let pathCount = 0;
  return {
    backend: simulation,
    slab: simulation.chunks,
    async until(isDone, what) {
      assert.ok(simulation.runUntil(isDone), `waited for ${what}`);
    },
    async settle() {
      simulation.advanceMs(100);
    },
    unixPath: () => `/sim/${pathCount++}.sock`,
    close() {},
  };
}

describeIoBackend('sim', open);

const ORIGIN = '10.0.0.1:80';
const TARGET = { kind: 'tcp', host: '10.0.0.1', port: 80 } as const;

function connect(simulation: Simulation): BackendProbe {
  const probe = new BackendProbe(simulation);
  probe.connection = simulation.connect(TARGET, probe);
  return probe;
}

/** Talks to an echoing origin and notes when what arrived. */
function record(seedOfRun: number): string {
  const simulation = new Simulation({ seed: seedOfRun });
  simulation.listenOrigin(ORIGIN, () => ({ onBytes: (peer, bytes) => peer.send(bytes) }));
  const log: string[] = [];
  const probe = connect(simulation);
  probe.onBytes = (_chunk, start, end) => log.push(`${simulation.nowMs()}:${end - start}`);
  simulation.runUntil(() => probe.isOpen);
  probe.send(1, 300_000);
  simulation.runUntil(() => probe.receivedSize === 300_000);
  return log.join(' ');
}

test('sim: runs the same when the seed is the same, and differently when it is not', () => {
  assert.equal(record(5), record(5));
  assert.notEqual(record(5), record(6));
});

test('sim: nothing happens unless time is moved, and the clock ends where it was sent', () => {
  const simulation = new Simulation({ seed: 1 });
  simulation.listenOrigin(ORIGIN);
  const probe = connect(simulation);
  assert.equal(probe.isOpen, false);
  assert.equal(simulation.nowMs(), 0);
  simulation.advanceMs(10);
  assert.equal(probe.isOpen, true);
  assert.equal(simulation.nowMs(), 10);
  assert.equal(simulation.wallMs(), 1_800_000_000_010);
});

test('sim: a timer fires at its millisecond, not one before', () => {
  const simulation = new Simulation({ seed: 1 });
  let fired = 0;
  const timer = simulation.timer(() => fired++);
  timer.set(5_000);
  simulation.advanceMs(4_999);
  assert.equal(fired, 0);
  timer.set(5_000);
  timer.set(100);
  simulation.advanceMs(99);
  assert.equal(fired, 0);
  simulation.advanceMs(1);
  assert.equal(fired, 1);
  simulation.advanceMs(10_000);
  assert.equal(fired, 1);
});

test('sim: a blackhole answers nothing until it is healed', () => {
  const simulation = new Simulation({ seed: 1 });
  simulation.listenOrigin(ORIGIN);
  simulation.blackhole(ORIGIN);
  const lost = connect(simulation);
  simulation.advanceMs(600_000);
  assert.equal(lost.isOpen, false);
  assert.equal(lost.closeCount, 0);
  lost.call((connection) => connection.abort());
  simulation.heal(ORIGIN);
  const found = connect(simulation);
  simulation.advanceMs(100);
  assert.equal(lost.fault, Fault.aborted);
  assert.equal(found.isOpen, true);
});

test('sim: an origin that stops listening refuses', () => {
  const simulation = new Simulation({ seed: 1 });
  const origin = simulation.listenOrigin(ORIGIN);
  origin.close();
  const probe = connect(simulation);
  simulation.advanceMs(100);
  assert.equal(probe.fault, Fault.connectRefused);
});

test('sim: bytes of a cut connection vanish and nobody is told', () => {
  const simulation = new Simulation({ seed: 1 });
  const origin = simulation.listenOrigin(ORIGIN);
  const probe = connect(simulation);
  simulation.advanceMs(100);
  simulation.cut(ORIGIN);
  probe.write(1, 100);
  origin.peers[0]!.send('hello');
  simulation.advanceMs(60_000);
  assert.equal(origin.peers[0]!.receivedSize, 0);
  assert.equal(probe.receivedSize, 0);
  assert.equal(probe.closeCount + (origin.peers[0]!.isClosed ? 1 : 0), 0);
});

test('sim: dropped connections are reset on both ends', () => {
  const simulation = new Simulation({ seed: 1 });
  const origin = simulation.listenOrigin(ORIGIN);
  const probe = connect(simulation);
  simulation.advanceMs(100);
  simulation.dropConnections(ORIGIN);
  simulation.advanceMs(1);
  assert.equal(probe.fault, Fault.upstreamReset);
  assert.equal(origin.peers[0]!.fault, Fault.upstreamReset);
});

test('sim: a scripted client and a scripted origin talk through a listener of the product', () => {
  const simulation = new Simulation({ seed: 3 });
  const origin = simulation.listenOrigin('unix:/run/app.sock', () => ({
    onOpen: (peer) => peer.send('220 hello\n'),
    onBytes(peer) {
      if (peer.text().endsWith('quit\n')) peer.end();
    },
  }));
  simulation.listen(
    { kind: 'tcp', host: '0.0.0.0', port: 8080, fd: -1 },
    {
      onListening() {},
      onAccept(near) {
        const target = { kind: 'unix', host: '/run/app.sock', port: 0 } as const;
        const left = new BackendProbe(simulation);
        const right = new BackendProbe(simulation);
        left.connection = near;
        right.connection = simulation.connect(target, right);
        near.events = left;
        left.onBytes = (chunk, start, end) => right.connection.write(chunk, start, end);
        right.onBytes = (chunk, start, end) => left.connection.write(chunk, start, end);
        right.onEnded = () => left.connection.close();
        left.onClosed = () => right.connection.close();
        near.resume();
      },
      onError: (message) => assert.fail(message),
    },
  );
  simulation.advanceMs(1);
  const client = simulation.connectClient('192.0.2.9:8080', {
    onOpen: (peer) => peer.send('quit\n'),
    onEnd: (peer) => peer.end(),
  });
  simulation.advanceMs(10_000);
  assert.equal(client.text(), '220 hello\n');
  assert.equal(client.hasEnded, true);
  assert.equal(client.fault, Fault.none);
  assert.equal(origin.peers[0]!.take(), 'quit\n');
  assert.equal(origin.peers[0]!.receivedSize, 0);
  assert.deepEqual(simulation.chunks.leaks(), []);
});

test('sim: the shared chunk is overwritten behind the callback', () => {
  const simulation = new Simulation({ seed: 1, sharedChance: 1 });
  const origin = simulation.listenOrigin(ORIGIN, () => ({ onOpen: (peer) => peer.send('abc') }));
  const probe = connect(simulation);
  const seen: Uint8Array[] = [];
  probe.onBytes = (chunk, start, end) => seen.push(chunk.bytes.subarray(start, end));
  simulation.advanceMs(100);
  assert.equal(origin.peers.length, 1);
  assert.ok(seen.length > 0);
  for (const bytes of seen) assert.ok(bytes.every((byte) => byte === 0xa5));
});

test('sim: resolves from its table, later', () => {
  const simulation = new Simulation({ seed: 1, hosts: { 'app.test': ['10.0.0.1', '10.0.0.2'] } });
  const answers: (readonly string[])[] = [];
  simulation.resolve('APP.test', (found) => answers.push(found));
  simulation.resolve('other.test', (found) => answers.push(found));
  assert.equal(answers.length, 0);
  simulation.advanceMs(100);
  assert.deepEqual(answers, [['10.0.0.1', '10.0.0.2'], []]);
});
