import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../contract/fault.ts';
import { ServiceCell } from '../../contract/metric-layout.ts';
import type { BreakerSpec, ConcurrencySpec, RetrySpec } from '../../contract/resilience.ts';
import type { ServiceSpec } from '../../contract/snapshot.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { Outcome } from './circuit-breaker.ts';
import type { Load, PlaceWaiter } from './service-state.ts';
import { ServiceState, WAITING } from './service-state.ts';

const RETRY = { budgetPercent: 20, budgetPerSecond: 10 } as RetrySpec;
const UNLIMITED: ConcurrencySpec = {
  exchangesMax: 0,
  exchangesPerEndpointMax: 0,
  queueMax: 2,
  queueTimeoutMs: 1_000,
  isAdaptive: false,
};
const BREAKER: BreakerSpec = { faultPercentMax: 50, attemptsMin: 2, windowMs: 1_000, openMs: 500 };

function specOf(limits: Partial<ConcurrencySpec>, breaker: BreakerSpec | null = null): ServiceSpec {
  return { retry: RETRY, breaker, concurrency: { ...UNLIMITED, ...limits } } as ServiceSpec;
}

interface Setup {
  readonly sim: Simulation;
  readonly state: ServiceState;
  readonly cells: Float64Array;
  readonly log: string[];
  waiter(name: string, onPlace?: () => void): PlaceWaiter;
}

function setUp(spec: ServiceSpec, workerCount = 1, load: Load = { schedule: [] }): Setup {
  const sim = new Simulation({ seed: 1 });
  const cells = new Float64Array(8);
  const state = new ServiceState({ backend: sim, cells, metricBase: 0, workerCount });
  state.configure(spec, load);
  const log: string[] = [];
  const waiter = (name: string, onPlace?: () => void): PlaceWaiter => ({
    isTrial: false,
    onPlace() {
      log.push(name);
      onPlace?.();
    },
    onPlaceFault: (fault) => log.push(`${name}:${fault}`),
  });
  return { sim, state, cells, log, waiter };
}

const leave = (state: ServiceState): void => state.leave(Outcome.good, false);

test('service state: without limits everybody enters, and is counted', () => {
  const { state, waiter } = setUp(specOf({}));
  for (let i = 0; i < 1_000; i++) assert.equal(state.enter(waiter('a')), Fault.none);
  assert.equal(state.inProgress, 1_000);
  for (let i = 0; i < 1_000; i++) leave(state);
  assert.equal(state.inProgress, 0);
});

test('service state: at the limit requests wait in order, and are refused past the queue', () => {
  const { state, cells, log, waiter } = setUp(specOf({ exchangesMax: 1 }));
  assert.equal(state.enter(waiter('a')), Fault.none);
  assert.equal(state.enter(waiter('b')), WAITING);
  assert.equal(state.enter(waiter('c')), WAITING);
  assert.equal(cells[ServiceCell.queued], 2);
  assert.equal(state.enter(waiter('d')), Fault.queueFull);
  leave(state);
  leave(state);
  assert.deepEqual(log, ['b', 'c']);
  assert.equal(state.inProgress, 1);
  leave(state);
  assert.equal(cells[ServiceCell.queued], 0);
  assert.equal(state.inProgress, 0);
});

test('service state: who waits too long is told so, and who left is not', () => {
  const { sim, state, log, waiter } = setUp(specOf({ exchangesMax: 1 }));
  const left = waiter('left');
  state.enter(waiter('a'));
  state.enter(left);
  state.enter(waiter('late'));
  state.cancel(left);
  sim.advanceMs(999);
  assert.deepEqual(log, []);
  sim.advanceMs(1);
  assert.deepEqual(log, [`late:${Fault.queueTimeout}`]);
  leave(state);
  assert.equal(state.inProgress, 0);
});

test('service state: limits are divided among workers, and none has no place at all', () => {
  const { state, waiter } = setUp(specOf({ exchangesMax: 4, queueMax: 0 }), 2);
  assert.equal(state.enter(waiter('a')), Fault.none);
  assert.equal(state.enter(waiter('b')), Fault.none);
  assert.equal(state.enter(waiter('c')), Fault.queueFull);
  const small = setUp(specOf({ exchangesMax: 1 }), 8);
  assert.equal(small.state.enter(small.waiter('a')), Fault.none);
});

test('service state: waits while every endpoint has as many attempts as it may', () => {
  const endpoints = [{ inFlight: 1 }, { inFlight: 0 }];
  const spec = specOf({ exchangesPerEndpointMax: 1 });
  const { state, log, waiter } = setUp(spec, 1, { schedule: endpoints });
  assert.equal(state.enter(waiter('a')), Fault.none);
  endpoints[1]!.inFlight = 1;
  assert.equal(state.enter(waiter('b')), WAITING);
  endpoints[0]!.inFlight = 0;
  state.wake();
  assert.deepEqual(log, ['b']);
});

test('service state: a service without endpoints lets in, so that it fails at once', () => {
  const { state, waiter } = setUp(specOf({ exchangesPerEndpointMax: 1 }));
  assert.equal(state.enter(waiter('a')), Fault.none);
});

test('service state: waiters that fail at once do not nest', () => {
  const { state, log, waiter } = setUp(specOf({ exchangesMax: 1, queueMax: 100_000 }));
  state.enter(waiter('first'));
  for (let i = 0; i < 50_000; i++) state.enter(waiter('w', () => leave(state)));
  leave(state);
  assert.equal(log.length, 50_000);
  assert.equal(state.inProgress, 0);
});

test('service state: a higher limit of a new generation lets those in who wait', () => {
  const { state, log, waiter } = setUp(specOf({ exchangesMax: 1 }));
  state.enter(waiter('a'));
  state.enter(waiter('b'));
  state.configure(specOf({ exchangesMax: 2 }), { schedule: [] });
  assert.deepEqual(log, ['b']);
  assert.equal(state.inProgress, 2);
});

test('service state: a limit that comes later counts those who entered before', () => {
  const { state, waiter } = setUp(specOf({}));
  state.enter(waiter('a'));
  state.configure(specOf({ exchangesMax: 1 }), { schedule: [] });
  assert.equal(state.enter(waiter('b')), WAITING);
});

test('service state: without limits again, those who wait enter', () => {
  const { state, log, waiter } = setUp(specOf({ exchangesMax: 1 }));
  state.enter(waiter('a'));
  state.enter(waiter('b'));
  state.configure(specOf({}), { schedule: [] });
  assert.deepEqual(log, ['b']);
  leave(state);
  leave(state);
  assert.equal(state.inProgress, 0);
});

test('service state: an open circuit refuses new requests and those who wait', () => {
  const { sim, state, cells, log, waiter } = setUp(specOf({ exchangesMax: 2 }, BREAKER));
  state.enter(waiter('a'));
  state.enter(waiter('b'));
  state.enter(waiter('c'));
  state.leave(Outcome.bad, false);
  assert.deepEqual(log, ['c']);
  state.enter(waiter('d'));
  state.leave(Outcome.bad, false);
  assert.deepEqual(log, ['c', `d:${Fault.circuitOpen}`]);
  assert.equal(state.enter(waiter('e')), Fault.circuitOpen);
  assert.equal(cells[ServiceCell.circuitOpen], 1);
  leave(state);
  assert.equal(state.inProgress, 0);
  sim.advanceMs(500);
  const trial = waiter('trial');
  assert.equal(state.enter(trial), Fault.none);
  assert.equal(trial.isTrial, true);
  assert.equal(cells[ServiceCell.circuitOpen], 0.5);
  state.endTrial(Outcome.good);
  assert.equal(state.enter(waiter('next')), Fault.none, 'its answer was enough');
});

test('service state: an adaptive limit is exported, and none once it is switched off', () => {
  const { state, cells } = setUp(specOf({ isAdaptive: true }));
  assert.equal(state.isGuarded, true);
  assert.equal(cells[ServiceCell.concurrencyLimit], 3, 'it measures first');
  state.configure(specOf({}), { schedule: [] });
  assert.equal(cells[ServiceCell.concurrencyLimit], 0);
  assert.equal(state.isGuarded, false);
});

test('service state: a measurement that nobody answers does not hold up those who wait', () => {
  const { sim, state, log, waiter } = setUp(specOf({ isAdaptive: true, queueTimeoutMs: 60_000 }));
  for (let i = 0; i < 3; i++) assert.equal(state.enter(waiter('first')), Fault.none);
  assert.equal(state.enter(waiter('waiting')), WAITING);
  sim.advanceMs(1_000);
  assert.equal(state.enter(waiter('next')), Fault.none);
  assert.deepEqual(log, ['waiting']);
});

test('service state: at most one trial, also when those who wait come first', () => {
  const { sim, state, log, waiter } = setUp(specOf({ exchangesMax: 3 }, BREAKER));
  for (const name of ['a', 'b', 'c', 'd']) state.enter(waiter(name));
  state.configure(specOf({ exchangesMax: 1 }, BREAKER), { schedule: [] });
  state.leave(Outcome.bad, false);
  state.leave(Outcome.bad, false);
  assert.equal(state.enter(waiter('open')), Fault.circuitOpen, 'd waits: there is no place');
  sim.advanceMs(500);
  state.inProgress = 0; // Places come about by themselves where limits follow something else.
  assert.equal(state.enter(waiter('e')), Fault.circuitOpen);
  assert.deepEqual(log, ['d'], 'the trial');
});

test('service state: a waiter that throws does not stop those behind it for good', () => {
  const { state, log, waiter } = setUp(specOf({ exchangesMax: 1 }));
  state.enter(waiter('a'));
  state.enter(
    waiter('broken', () => {
      throw new Error('broken');
    }),
  );
  state.enter(waiter('c'));
  assert.throws(() => leave(state), /broken/);
  leave(state);
  assert.deepEqual(log, ['broken', 'c']);
});

test('service state: an adaptive limit counts no request that has its head', () => {
  const { state, log, waiter } = setUp(specOf({ isAdaptive: true, exchangesMax: 5 }));
  for (let i = 0; i < 3; i++) assert.equal(state.enter(waiter('first')), Fault.none);
  assert.equal(state.enter(waiter('second')), WAITING);
  state.onHead();
  assert.deepEqual(log, ['second']);
  state.onHead();
  assert.equal(state.enter(waiter('third')), Fault.none);
  assert.equal(state.enter(waiter('fourth')), WAITING);
  state.onHead();
  assert.deepEqual(log, ['second'], 'the ceiling counts all');
  state.leave(Outcome.good, false, true);
  assert.equal(state.answered, 2);
  assert.deepEqual(log, ['second', 'fourth']);
});
