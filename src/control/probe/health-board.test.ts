import assert from 'node:assert/strict';
import test from 'node:test';

import type { EndpointHealth } from '../../contract/health.ts';
import type { OutlierSpec } from '../../contract/resilience.ts';
import type { HealthCheckConfig, ServiceConfig } from '../config/config.ts';
import { HealthBoard, RETURN_INTERVAL_MS } from './health-board.ts';

const CHECK: HealthCheckConfig = {
  kind: 'http',
  path: '/',
  method: 'GET',
  host: null,
  port: null,
  headers: [],
  statuses: [{ from: 200, to: 399 }],
  body: null,
  intervalMs: 1_000,
  timeoutMs: 500,
  upCount: 2,
  downCount: 3,
  initial: 'up',
};

const OUTLIER: OutlierSpec = {
  consecutiveFaultsMax: 5,
  faultPercentMax: 50,
  attemptsMin: 20,
  latencyFactorMax: 0,
  windowMs: 10_000,
  statuses: [],
  ejectionMs: 1_000,
  ejectionMaxMs: 3_500,
  ejectedPercentMax: 50,
};

interface Wanted {
  readonly name?: string;
  readonly endpoints?: readonly string[];
  readonly check?: Partial<HealthCheckConfig> | null;
  readonly outlier?: Partial<OutlierSpec>;
}

function service(wanted: Wanted = {}): ServiceConfig {
  const { name = 's', endpoints = ['a', 'b', 'c'], check = {}, outlier = {} } = wanted;
  return {
    name,
    endpoints: endpoints.map((key) => ({ key, weight: 1 })),
    healthCheck: check === null ? null : { ...CHECK, ...check },
    outlier: { ...OUTLIER, ...outlier },
    slowStartMs: 7_000,
  } as unknown as ServiceConfig;
}

/** A board on a clock the test turns, with everything it says. */
function open(...services: ServiceConfig[]) {
  const clock = { ms: 0 };
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  const told: string[] = [];
  const log: string[] = [];
  /** Endpoints that accept no connection. */
  const refused = new Set<string>();
  const board = new HealthBoard({
    nowMs: () => clock.ms,
    wallMs: () => 1_000_000 + clock.ms,
    setTimer(delayMs, callback) {
      // Like those of Node: up to a millisecond early on a clock with fractions.
      const timer = { atMs: Math.max(clock.ms, Math.floor(clock.ms + delayMs)), callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    tryConnect: (_service, endpoint, done) =>
      done(refused.has(endpoint) ? 'connection refused' : ''),
    publish: (endpoints) => told.push(...endpoints.map(short)),
    onChange: ({ endpoint, state, reason }) => log.push(`${endpoint} ${state}: ${reason}`),
  });
  board.configure(services);
  told.length = 0;
  const advance = (ms: number): void => {
    const endMs = clock.ms + ms;
    for (;;) {
      const due = [...timers].filter(({ atMs }) => atMs <= endMs);
      const next = due.toSorted((x, y) => x.atMs - y.atMs)[0];
      if (next === undefined) break;
      timers.delete(next);
      clock.ms = next.atMs;
      next.callback();
    }
    clock.ms = endMs;
  };
  return {
    board,
    log,
    timers,
    refused,
    advance,
    /** What workers were told since the last call. */
    told: () => told.splice(0),
    check: (endpoint: string, isGood: boolean, reason = 'status 503 instead of 200-399') =>
      board.onCheck('s', endpoint, { isGood, reason: isGood ? '' : reason, latencyMs: 4 }),
    outlier: (endpoint: string, name = 's') =>
      board.onOutlier({ service: name, endpoint, cause: 'consecutive-faults' }),
    state: (endpoint: string) => board.rows().find((row) => row.endpoint === endpoint)!.state,
  };
}

function short({ service: name, endpoint, state, slowStartMs }: EndpointHealth): string {
  return `${name === 's' ? '' : `${name}/`}${endpoint} ${state}${slowStartMs > 0 ? ' slowly' : ''}`;
}

test('health board: a new endpoint is told once, whatever its state', () => {
  const { board, told } = open();
  board.configure([service({ endpoints: ['a'] }), service({ name: 't', check: null })]);
  assert.deepEqual(told(), ['a up', 't/a up', 't/b up', 't/c up']);
  board.configure([service({ endpoints: ['a', 'b'], check: { initial: 'down' } })]);
  assert.deepEqual(told(), ['b out'], 'and one in service does not begin to wait');
});

test('health board: checks take down at the threshold and bring back slowly', () => {
  const { check, told, board } = open(service());
  check('a', false);
  check('a', false);
  check('a', true);
  check('a', false);
  check('a', false);
  assert.deepEqual(told(), [], 'never three in a row');
  check('a', false, 'connection refused');
  assert.deepEqual(told(), ['a down']);
  assert.equal(board.rows()[0]!.reason, 'check: connection refused');
  check('a', true);
  check('a', false);
  check('a', true);
  assert.deepEqual(told(), [], 'never two in a row');
  assert.equal(board.rows()[0]!.reason, 'check: good again, but not often enough yet');
  check('a', true);
  assert.deepEqual(told(), ['a up slowly']);
  assert.equal(board.rows()[0]!.reason, '');
});

test('health board: an endpoint that waits gets traffic with its first good check, at once', () => {
  const { check, told, board } = open(service({ check: { initial: 'down' } }));
  assert.deepEqual(board.health().map(short), ['a out', 'b out', 'c out']);
  for (let i = 0; i < 10; i++) check('a', false, 'connection refused');
  assert.deepEqual(told(), []);
  assert.equal(
    board.rows()[0]!.reason,
    'waits for its first good check; check: connection refused',
  );
  check('a', true);
  assert.deepEqual(told(), ['a up'], 'not a return: no slow start');
});

test('health board: without a verdict yet, one good check is enough', () => {
  const { check, told } = open(service());
  check('a', true);
  check('a', false);
  check('a', false);
  check('a', false);
  assert.deepEqual(told(), ['a down']);
});

test('health board: an ejection ends by itself; those in a row last longer, to a limit', () => {
  const { outlier, told, advance, board } = open(service());
  for (const lengthMs of [1_000, 2_000, 3_000, 3_500, 3_500]) {
    outlier('a');
    assert.deepEqual(told(), ['a down']);
    advance(lengthMs - 1);
    assert.deepEqual(told(), [], `${lengthMs} ms are not over`);
    advance(1);
    assert.deepEqual(told(), ['a up slowly']);
  }
  assert.equal(board.rows()[0]!.ejections, 5);
  assert.equal(board.ejectionCount, 5);
});

test('health board: a good time as long as an ejection was forgives it', () => {
  const { outlier, told, advance } = open(service());
  outlier('a');
  advance(1_000);
  outlier('a');
  advance(2_000 + 1_999);
  outlier('a');
  advance(2_999);
  assert.deepEqual(told(), ['a down', 'a up slowly', 'a down', 'a up slowly', 'a down']);
  advance(1);
  told();
  advance(3_000 + 2_000 + 1_000);
  outlier('a');
  advance(1_000);
  assert.deepEqual(told(), ['a down', 'a up slowly'], 'all three are forgiven');
});

test('health board: reports about an endpoint that is down change nothing', () => {
  const { outlier, told, advance, board, check } = open(service());
  outlier('a');
  outlier('a');
  advance(1_000);
  assert.deepEqual(told(), ['a down', 'a up slowly']);
  for (let i = 0; i < 3; i++) check('b', false);
  outlier('b');
  assert.equal(board.ejectionCount, 1);
  outlier('nobody');
  outlier('a', 'nowhere');
  board.onCheck('s', 'nobody', { isGood: false, reason: 'x', latencyMs: 1 });
});

test('health board: never ejects past the ceiling, nor a single endpoint', () => {
  const cases = [
    { count: 1, percent: 100, most: 0 },
    { count: 2, percent: 0, most: 1 },
    { count: 2, percent: 100, most: 1 },
    { count: 3, percent: 50, most: 1 },
    { count: 4, percent: 50, most: 2 },
    { count: 10, percent: 29, most: 2 },
    { count: 10, percent: 100, most: 9 },
  ];
  for (const { count, percent, most } of cases) {
    const endpoints = Array.from({ length: count }, (_, index) => `e${index}`);
    const { board, outlier, advance } = open(
      service({ endpoints, outlier: { ejectedPercentMax: percent } }),
    );
    for (const endpoint of endpoints) outlier(endpoint);
    assert.equal(board.health().length, most, `${percent} % of ${count}`);
    advance(1_000);
    assert.equal(board.health().length, 0);
    outlier(endpoints.at(-1)!);
    assert.equal(board.health().length, Math.min(1, most), 'free places are given again');
  }
});

test('health board: never ejects the only one the checks left', () => {
  const { check, outlier, told } = open(service());
  for (const endpoint of ['a', 'b']) for (let i = 0; i < 3; i++) check(endpoint, false);
  outlier('c');
  assert.deepEqual(told(), ['a down', 'b down']);
});

test('health board: checks that recover end an ejection; checks that were good do not', () => {
  const { check, outlier, told, timers } = open(service());
  check('a', true);
  outlier('a');
  check('a', true);
  check('a', true);
  assert.deepEqual(told(), ['a down']);
  for (let i = 0; i < 3; i++) check('a', false);
  check('a', true);
  assert.deepEqual(told(), []);
  check('a', true);
  assert.deepEqual(told(), ['a up slowly']);
  assert.equal(timers.size, 0);
});

test('health board: an ejection that ends does not bring back what checks call bad', () => {
  const { check, outlier, told, advance } = open(service());
  outlier('a');
  for (let i = 0; i < 3; i++) check('a', false);
  advance(10_000);
  assert.deepEqual(told(), ['a down']);
});

test('health board: draining is told apart from being down, and both together', () => {
  const { board, check, told, state } = open(service());
  assert.equal(board.drain('a'), 1);
  assert.equal(board.drain('a'), 1, 'again changes nothing');
  for (let i = 0; i < 3; i++) check('a', false);
  assert.equal(board.rows()[0]!.reason.startsWith('drained by an operator; check: '), true);
  check('a', true);
  check('a', true);
  assert.deepEqual(told(), ['a draining', 'a out', 'a draining']);
  assert.equal(board.undrain('a'), 1);
  assert.deepEqual(told(), ['a up slowly'], 'it was down since it was last up');
  assert.equal(state('a'), 'up');
  board.drain('a');
  board.undrain('a');
  assert.deepEqual(told(), ['a draining', 'a up']);
});

test('health board: drains in one service or in all, and knows no others', () => {
  const { board, told } = open(service(), service({ name: 't' }));
  assert.equal(board.drain('a'), 2);
  assert.equal(board.drain('b', 't'), 1);
  assert.equal(board.drain('nobody'), 0);
  assert.equal(board.drain('a', 'nowhere'), 0);
  assert.deepEqual(told(), ['a draining', 't/a draining', 't/b draining']);
  assert.deepEqual(board.draining(), ['s\na', 't\na', 't\nb']);
});

test('health board: a successor drains what its predecessor did', () => {
  const { board } = open(service(), service({ name: 't' }));
  board.drain('a', 't');
  const { board: next, told } = open(service(), service({ name: 't' }));
  next.restore([...board.draining(), 't\nnobody']);
  assert.deepEqual(told(), ['t/a draining']);
  assert.deepEqual(next.draining(), ['t\na']);
});

test('health board: a reload resets nothing of an endpoint that stays', () => {
  const { board, check, outlier, told, advance, state } = open(service());
  for (let i = 0; i < 3; i++) check('a', false);
  outlier('b');
  board.drain('c');
  told();
  board.configure([service({ endpoints: ['d', 'c', 'b', 'a'], check: { intervalMs: 2_000 } })]);
  assert.deepEqual(told(), ['d up']);
  assert.deepEqual(['a', 'b', 'c'].map(state), ['down', 'down', 'draining']);
  advance(1_000);
  assert.deepEqual(told(), ['b up slowly'], 'its ejection ended in time');
});

test('health board: forgets endpoints that are gone, with their timers', () => {
  const { board, outlier, told, timers } = open(service(), service({ name: 't' }));
  outlier('a');
  outlier('b', 't');
  board.drain('b', 's');
  assert.equal(timers.size, 2);
  board.configure([service({ endpoints: ['c', 'd'] })]);
  assert.equal(timers.size, 0);
  told();
  board.configure([service(), service({ name: 't' })]);
  assert.deepEqual(told(), ['a up', 'b up', 't/a up', 't/b up', 't/c up']);
  assert.deepEqual(board.draining(), []);
});

test('health board: a reload that takes endpoints away keeps the ceiling', () => {
  const endpoints = ['a', 'b', 'c', 'd'];
  const { board, outlier, told, advance } = open(service({ endpoints }));
  outlier('a');
  advance(10);
  outlier('b');
  told();
  board.configure([service({ endpoints: ['a', 'b', 'c'] })]);
  assert.deepEqual(told(), ['a up slowly'], 'the one that would have returned first');
  board.configure([service({ endpoints: ['b'] })]);
  assert.deepEqual(told(), ['b up slowly']);
});

test('health board: without checks, what checks said no longer counts', () => {
  const { board, check, told } = open(service());
  for (let i = 0; i < 3; i++) check('a', false);
  board.configure([service({ check: null })]);
  assert.deepEqual(told(), ['a down', 'a up slowly']);
  check('a', false);
  board.configure([service()]);
  assert.deepEqual(told(), []);
});

test('health board: says when and why a state changed', () => {
  const { board, outlier, log, advance } = open(service());
  advance(50);
  outlier('b');
  assert.deepEqual(log, ['b down: ejected: too many faults in a row']);
  const row = board.rows()[1]!;
  assert.equal(row.sinceMs, 1_000_050);
  assert.equal(row.latencyMs, -1);
  advance(1_000);
  assert.equal(log.at(-1), 'b up: ');
});

test('health board: a configuration that is taken back leaves no trace', () => {
  const { board, check, outlier, told, advance, timers, state } = open(service());
  for (let i = 0; i < 3; i++) check('a', false);
  outlier('b');
  board.drain('c');
  advance(400);
  told();
  const takeBack = board.configure([service({ endpoints: ['a', 'd'], check: null })]);
  assert.equal(timers.size, 0);
  told();
  takeBack();
  assert.deepEqual(told(), ['a down', 'b down', 'c draining']);
  advance(599);
  assert.equal(state('b'), 'down');
  advance(1);
  assert.equal(state('b'), 'up', 'its ejection went on meanwhile');
  check('a', true);
  check('a', true);
  assert.equal(state('a'), 'up', 'its checks count again');
});

test('health board: what happens to an unchanged service meanwhile is not taken back', () => {
  const same = service();
  const { board, check, outlier, state, timers } = open(same, service({ name: 't' }));
  outlier('b');
  const takeBack = board.configure([same]);
  for (let i = 0; i < 3; i++) check('a', false);
  assert.equal(timers.size, 1);
  takeBack();
  assert.equal(state('a'), 'down');
  assert.equal(timers.size, 1);
});

test('health board: a drain while a configuration is tried outlives its failure', () => {
  const { board, state } = open(service());
  const takeBack = board.configure([service({ endpoints: ['a', 'd'] })]);
  board.drain('a');
  takeBack();
  assert.equal(state('a'), 'draining');
});

test('health board: an ejection does not end while connections are refused', () => {
  const { board, outlier, told, advance, refused, timers } = open(service({ check: null }));
  refused.add('a');
  advance(0.6);
  outlier('a');
  advance(1_000 + 10 * RETURN_INTERVAL_MS - 2);
  assert.deepEqual(told(), ['a down']);
  assert.equal(
    board.rows()[0]!.reason,
    'ejected: too many faults in a row, and still connection refused',
  );
  refused.delete('a');
  advance(2);
  assert.deepEqual(told(), ['a up slowly']);
  assert.equal(timers.size, 0);
  outlier('a');
  assert.equal(board.rows()[0]!.reason, 'ejected: too many faults in a row');
});
