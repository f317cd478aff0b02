import assert from 'node:assert/strict';
import test from 'node:test';

import type { EndpointSpec } from '../../contract/snapshot.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { EndpointAddresses } from './endpoint-addresses.ts';

const INTERVAL_MS = 10_000;

interface Setup {
  readonly sim: Simulation;
  /** Queries asked so far. */
  queryCount(): number;
  /** Asks for a target. @returns its host now, `...` while it is not known, `none` for no target */
  ask(): { host: string };
}

function setUp(host: string, addresses: readonly string[], kind: 'tcp' | 'unix' = 'tcp'): Setup {
  const sim = new Simulation({ seed: 1, hosts: { [host]: addresses } });
  let count = 0;
  const resolve = sim.resolve.bind(sim);
  sim.resolve = (name, done) => {
    count++;
    resolve(name, done);
  };
  const spec = { kind, host, port: kind === 'tcp' ? 80 : 0 } as EndpointSpec;
  const known = new EndpointAddresses(sim, spec, INTERVAL_MS);
  const ask = (): { host: string } => {
    const answer = { host: '...' };
    known.next((target) => {
      assert.equal(answer.host, '...', 'an answer comes once');
      if (target !== null) assert.deepEqual([target.kind, target.port], [kind, spec.port]);
      answer.host = target?.host ?? 'none';
    });
    return answer;
  };
  return { sim, queryCount: () => count, ask };
}

test('addresses: a numeric host or a unix path is never resolved', () => {
  for (const host of ['10.0.0.1', '::1', '2001:db8::1']) {
    const { ask, queryCount } = setUp(host, []);
    assert.equal(ask().host, host);
    assert.equal(queryCount(), 0);
  }
  assert.equal(setUp('/run/app.sock', [], 'unix').ask().host, '/run/app.sock');
});

test('addresses: all who ask at first share one query', () => {
  const { sim, ask, queryCount } = setUp('app.test', ['10.0.0.1', '10.0.0.2']);
  const answers = [ask(), ask(), ask()];
  assert.deepEqual(
    answers.map(({ host }) => host),
    ['...', '...', '...'],
  );
  sim.advanceMs(100);
  assert.equal(new Set(answers.map(({ host }) => host)).size, 2, 'addresses take turns');
  assert.equal(queryCount(), 1);
  assert.notEqual(ask().host, '...', 'known from now on');
  assert.equal(queryCount(), 1);
});

test('addresses: a name that cannot be resolved is asked for anew each time', () => {
  const { sim, ask, queryCount } = setUp('app.test', []);
  const first = ask();
  sim.advanceMs(100);
  assert.equal(first.host, 'none');
  sim.hosts.set('app.test', ['10.0.0.1']);
  const second = ask();
  sim.advanceMs(100);
  assert.equal(second.host, '10.0.0.1');
  assert.equal(queryCount(), 2);
});

test('addresses: are resolved again after the interval, on both sides of its edge', () => {
  const { sim, ask, queryCount } = setUp('app.test', ['10.0.0.1']);
  ask();
  sim.runUntil(() => false, 5);
  const resolvedAtMs = sim.nowMs();
  sim.hosts.set('app.test', ['10.0.0.2']);
  sim.advanceMs(resolvedAtMs + INTERVAL_MS - 1 - sim.nowMs());
  assert.equal(ask().host, '10.0.0.1');
  assert.equal(queryCount(), 1);
  sim.advanceMs(1);
  assert.equal(ask().host, '10.0.0.1', 'the old one serves while the query runs');
  assert.equal(ask().host, '10.0.0.1');
  assert.equal(queryCount(), 2, 'one query at a time');
  sim.advanceMs(100);
  assert.equal(ask().host, '10.0.0.2');
});

test('addresses: the last known ones serve on when a later query fails', () => {
  const { sim, ask } = setUp('app.test', ['10.0.0.1']);
  ask();
  sim.advanceMs(100);
  sim.hosts.clear();
  sim.advanceMs(INTERVAL_MS);
  ask();
  sim.advanceMs(100);
  assert.equal(ask().host, '10.0.0.1');
});

test('addresses: fewer of them than before are no reason to stumble', () => {
  const { sim, ask } = setUp('app.test', ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  ask();
  sim.advanceMs(100);
  for (let i = 0; i < 4; i++) ask();
  sim.hosts.set('app.test', ['10.0.0.9']);
  sim.advanceMs(INTERVAL_MS);
  ask();
  sim.advanceMs(100);
  assert.equal(ask().host, '10.0.0.9');
  assert.equal(ask().host, '10.0.0.9');
});
