import test from 'node:test';
import assert from 'node:assert/strict';
import { Simulation } from '../io/sim/simulation.ts';
import { NAMES_MAX, REFUSED_MS, WAITERS_MAX, WaitingNames } from './waiting-names.ts';

class Waiter {
  settled = 0;
  onSettled(): void {
    this.settled++;
  }
}

function setup(): { sim: Simulation; names: WaitingNames; asked: string[] } {
  const sim = new Simulation({ seed: 1 });
  const asked: string[] = [];
  const names = new WaitingNames(sim, (name, address) => void asked.push(`${name} ${address}`));
  return { sim, names, asked };
}

test('waiting-names: asks once for all who wait, and tells each of them once', () => {
  const { names, asked } = setup();
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of waiters) assert.equal(names.wait('a.test', '192.0.2.1', waiter), true);
  names.leave('a.test', waiters[2]!);
  assert.deepEqual(asked, ['a.test 192.0.2.1']);
  names.settle('b.test', false);
  assert.equal(waiters[0]!.settled, 0);
  names.settle('a.test', false);
  names.settle('a.test', false);
  assert.deepEqual(
    waiters.map((waiter) => waiter.settled),
    [1, 1, 0],
  );
});

test('waiting-names: remembers for a while which names got nothing', () => {
  const { sim, names, asked } = setup();
  names.wait('a.test', '', new Waiter());
  names.settle('a.test', true);
  assert.equal(names.wait('a.test', '', new Waiter()), false);
  sim.advanceMs(REFUSED_MS - 1);
  assert.equal(names.wait('a.test', '', new Waiter()), false);
  sim.advanceMs(1);
  assert.equal(names.wait('a.test', '', new Waiter()), true);
  assert.equal(asked.length, 2);
});

test('waiting-names: a certificate that comes later ends the refusal', () => {
  const { names } = setup();
  names.settle('a.test', true);
  names.settle('a.test', false);
  assert.equal(names.wait('a.test', '', new Waiter()), true);
});

test('waiting-names: has limits on waiters and names', () => {
  const { names, asked } = setup();
  for (let i = 0; i < NAMES_MAX; i++) {
    assert.equal(names.wait(`${i}.test`, '', new Waiter()), true);
  }
  assert.equal(names.wait('more.test', '', new Waiter()), false);
  const waiters: Waiter[] = [];
  for (let i = NAMES_MAX; i < WAITERS_MAX; i++) {
    waiters.push(new Waiter());
    assert.equal(names.wait('0.test', '', waiters.at(-1)!), true);
  }
  assert.equal(names.wait('0.test', '', new Waiter()), false);
  names.leave('0.test', waiters[0]!);
  names.leave('0.test', waiters[0]!);
  assert.equal(names.wait('0.test', '', new Waiter()), true);
  assert.equal(names.wait('0.test', '', new Waiter()), false, 'leaving twice frees one place');
  assert.equal(asked.length, NAMES_MAX);
  names.settle('0.test', false);
  assert.equal(names.wait('more.test', '', new Waiter()), true);
});

test('waiting-names: questions that are never answered make room', () => {
  const { sim, names, asked } = setup();
  for (let i = 0; i < NAMES_MAX; i++) {
    const waiter = new Waiter();
    names.wait(`${i}.test`, '', waiter);
    names.leave(`${i}.test`, waiter);
  }
  assert.equal(names.wait('more.test', '', new Waiter()), false);
  sim.advanceMs(300_000);
  assert.equal(names.wait('more.test', '', new Waiter()), true);
  assert.equal(asked.length, NAMES_MAX + 1);
});
