import assert from 'node:assert/strict';
import test from 'node:test';

import type { ToWorker } from '../contract/message.ts';
import type { ChallengeSpec } from '../contract/tls.ts';
import { ChallengeRelay } from './challenge-relay.ts';

const FIRST: ChallengeSpec = {
  kind: 'http-01',
  host: 'a.example.com',
  token: 'one',
  keyAuthorization: 'one.key',
};
const SECOND: ChallengeSpec = { kind: 'tls-alpn-01', host: 'b.example.com', cert: 'c', key: 'k' };

class Reader {
  isReading = true;
  challengeRevision = 0;
  readonly received: ToWorker[] = [];

  post(message: ToWorker): void {
    this.received.push(message);
  }
}

function world(count: number) {
  const readers = Array.from({ length: count }, () => new Reader());
  const timers: (() => void)[] = [];
  const log: string[] = [];
  const relay = new ChallengeRelay({
    readers: () => readers,
    setTimer: (_delayMs, task) => {
      timers.push(task);
      return () => void timers.splice(timers.indexOf(task), 1);
    },
    onLate: () => log.push('late'),
  });
  return { readers, timers, log, relay };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

test('a challenge is presented when every worker has acknowledged it (Y1)', async () => {
  const { readers, timers, log, relay } = world(2);
  void relay.present(FIRST).then(() => log.push('presented'));
  assert.deepEqual(readers[1]!.received, [
    { type: 'challenges', revision: 1, challenges: [FIRST] },
  ]);
  readers[0]!.challengeRevision = 1;
  relay.check();
  await settle();
  assert.equal(log.length, 0);
  readers[1]!.challengeRevision = 1;
  relay.check();
  await settle();
  assert.deepEqual(log, ['presented']);
  assert.equal(timers.length, 0);
});

test('later changes count for earlier ones, and what was removed is gone', async () => {
  const { readers, log, relay } = world(1);
  void relay.present(FIRST).then(() => log.push('first'));
  void relay.present(SECOND).then(() => log.push('second'));
  relay.remove(FIRST);
  relay.remove(FIRST);
  assert.equal(readers[0]!.received.length, 3);
  assert.deepEqual(relay.challenges, [SECOND]);
  readers[0]!.challengeRevision = 3;
  relay.check();
  await settle();
  assert.deepEqual(log, ['first', 'second']);
});

test('a worker that ends, does not run yet, or is silent is not waited for (Y3)', async () => {
  const { readers, timers, log, relay } = world(2);
  readers[0]!.isReading = false;
  void relay.present(FIRST).then(() => log.push('presented'));
  await settle();
  assert.equal(log.length, 0);
  readers[1]!.isReading = false;
  relay.check();
  await settle();
  assert.deepEqual(log, ['presented']);

  readers[1]!.isReading = true;
  void relay.present(SECOND).then(() => log.push('gone on'));
  timers[0]!();
  await settle();
  assert.deepEqual(log, ['presented', 'late', 'gone on']);
});

test('the same question twice is one challenge', () => {
  const { relay } = world(1);
  void relay.present(FIRST);
  const changed = { ...FIRST, keyAuthorization: 'other' };
  void relay.present(changed);
  void relay.present({ ...FIRST, token: 'two' });
  assert.deepEqual(
    relay.challenges.map((one) => (one.kind === 'http-01' ? one.keyAuthorization : '')),
    ['other', 'one.key'],
  );
});
