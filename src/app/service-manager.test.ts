import assert from 'node:assert/strict';
import test from 'node:test';

import { ServiceManager } from './service-manager.ts';

function world(env: NodeJS.ProcessEnv) {
  const sent: string[] = [];
  const problems: string[] = [];
  const ends: ((problem: string | null) => void)[] = [];
  const clock = { us: 1_000_000n };
  const manager = new ServiceManager({
    env,
    pid: 42,
    nowUs: () => clock.us,
    notify: (assignments, done) => {
      sent.push(assignments.join(' '));
      ends.push(done);
    },
    onProblem: (text) => problems.push(text),
  });
  return { manager, sent, problems, ends, clock };
}

const ON = { NOTIFY_SOCKET: '/run/systemd/notify' };

test('service manager: one message at a time, in order', () => {
  const { manager, sent, ends } = world(ON);
  manager.ready('serving');
  manager.reloading();
  manager.stopping(31_000);
  assert.deepEqual(sent, ['READY=1 STATUS=serving']);
  ends[0]!(null);
  ends[1]!(null);
  assert.deepEqual(sent.slice(1), [
    'RELOADING=1 MONOTONIC_USEC=1000000 STATUS=reloading',
    'STOPPING=1 EXTEND_TIMEOUT_USEC=31000000 STATUS=draining',
  ]);
});

test('service manager: without one nothing is run', () => {
  const { manager, sent } = world({ WATCHDOG_USEC: '30000000' });
  manager.ready('serving');
  manager.alive();
  assert.deepEqual(sent, []);
});

test('service manager: the watchdog hears at half of its time', () => {
  const { manager, sent, ends, clock } = world({ ...ON, WATCHDOG_USEC: '30000000' });
  const beat = (seconds: bigint): number => {
    clock.us = 1_000_000n + seconds * 1_000_000n;
    manager.alive();
    ends.at(-1)!(null);
    return sent.length;
  };
  assert.equal(beat(0n), 1);
  assert.equal(beat(14n), 1);
  assert.equal(beat(15n), 2);
  assert.equal(beat(29n), 2);
  assert.equal(beat(30n), 3);
  assert.deepEqual(new Set(sent), new Set(['WATCHDOG=1']));
});

test('service manager: a watchdog of another process, or none, is not ours to feed', () => {
  for (const env of [
    ON,
    { ...ON, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '41' },
    { ...ON, WATCHDOG_USEC: 'soon' },
  ]) {
    const { manager, sent } = world(env);
    manager.alive();
    assert.deepEqual(sent, []);
  }
});

test('service manager: what cannot be told is a problem once, and the rest is tried', () => {
  const { manager, sent, problems, ends } = world(ON);
  manager.ready('serving');
  manager.status('one');
  ends[0]!('systemd-notify: spawn ENOENT');
  ends[1]!('systemd-notify: spawn ENOENT');
  manager.status('two');
  assert.equal(sent.length, 3);
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /ENOENT/);
});

test('service manager: one that does not answer does not fill the memory', () => {
  const { manager, sent, ends } = world(ON);
  for (let i = 0; i < 100; i++) manager.status(`${i}`);
  for (let i = 0; i < ends.length; i++) ends[i]!(null);
  assert.equal(sent.length, 17);
});
