import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../base/prng.ts';
import type { HealthCheckConfig, ServiceConfig } from '../config/config.ts';
import type { RunCheck, Verdict } from './check.ts';
import { CHECKS_MAX, Prober } from './prober.ts';

function service(
  name: string,
  hosts: readonly string[],
  check: Partial<HealthCheckConfig> | null = {},
): ServiceConfig {
  const endpoints = hosts.map((host) => {
    const key = `http://${host}`;
    return { key, kind: 'tcp', host, port: 80, authority: host, weight: 1 };
  });
  const healthCheck = {
    kind: 'http',
    intervalMs: 1_000,
    timeoutMs: 2_000,
    initial: 'up',
    upCount: 2,
  };
  return {
    name,
    endpoints,
    healthCheck: check === null ? null : { ...healthCheck, ...check },
  } as unknown as ServiceConfig;
}

interface Running {
  readonly host: string;
  /** Ends the check. */
  readonly answer: (verdict: Verdict) => void;
}

/** A prober on a clock the test turns, whose checks the test answers. */
function open() {
  const clock = { ms: 0 };
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  const running: Running[] = [];
  const starts: { readonly host: string; readonly ms: number }[] = [];
  const results: string[] = [];
  const random = new Prng(1);
  const run: RunCheck = (target, _config, done) => {
    const remove = (): void => void running.splice(running.indexOf(check), 1);
    const check: Running = {
      host: target.host,
      answer(verdict) {
        remove();
        done(verdict);
      },
    };
    running.push(check);
    starts.push({ host: target.host, ms: clock.ms });
    return () => {
      if (running.includes(check)) remove();
    };
  };
  const prober = new Prober({
    nowMs: () => clock.ms,
    random: () => random.next(),
    setTimer(delayMs, callback) {
      const timer = { atMs: clock.ms + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    onCheck: (name, endpoint, { isGood, reason, latencyMs }) =>
      results.push(`${name} ${endpoint} ${isGood ? 'good' : reason} ${latencyMs}`),
    run: { http: run, tcp: run },
  });
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
  return { prober, advance, running, starts, results, timers, clock };
}

test('prober: the first check comes at a random time within the interval', () => {
  const hosts = Array.from({ length: 50 }, (_, index) => `h${index}`);
  const { prober, advance, starts } = open();
  prober.configure([service('s', hosts)]);
  assert.equal(starts.length, 0);
  advance(1_000);
  assert.equal(starts.length, 50);
  const early = starts.filter(({ ms }) => ms < 500).length;
  assert.ok(early > 10 && early < 40, `${early} of 50 in the first half`);
});

test('prober: endpoints that wait for their first check are asked at once', () => {
  const { prober, advance, starts } = open();
  prober.configure([service('s', ['a', 'b'], { initial: 'down' })]);
  advance(0);
  assert.deepEqual(starts, [
    { host: 'a', ms: 0 },
    { host: 'b', ms: 0 },
  ]);
});

test('prober: asks again after the interval, give or take a tenth, from begin to begin', () => {
  const { prober, advance, starts, running } = open();
  prober.configure([service('s', ['a'], { initial: 'down' })]);
  for (let i = 0; i < 1_000; i++) {
    advance(100);
    running[0]?.answer('');
  }
  const gaps = starts.slice(1).map(({ ms }, index) => ms - starts[index]!.ms);
  assert.ok(gaps.length >= 90 && gaps.length <= 111);
  for (const gap of gaps) assert.ok(gap >= 900 && gap <= 1_100, `${gap} ms`);
  assert.ok(new Set(gaps).size > 50, 'they differ');
});

test('prober: tells the verdict, how long it took and counts', () => {
  const { prober, advance, results, running } = open();
  prober.configure([service('s', ['a'], { initial: 'down' })]);
  advance(30);
  running[0]!.answer('connection refused');
  advance(1_200);
  running[0]!.answer('');
  assert.equal(results[0], 's http://a connection refused 30');
  assert.match(results[1]!, /^s http:\/\/a good \d/);
  assert.equal(prober.checkCount, 2);
  assert.equal(prober.failedCount, 1);
});

test('prober: stops a check that lasts too long, and begins the next', () => {
  const { prober, advance, results, running, starts } = open();
  prober.configure([service('s', ['a'], { initial: 'down', timeoutMs: 2_000 })]);
  advance(1_999);
  assert.equal(running.length, 1, 'one in progress, though the interval is over');
  assert.deepEqual(results, []);
  advance(1);
  assert.deepEqual(results, ['s http://a no answer within 2s 2000']);
  assert.equal(starts.length, 2);
  assert.equal(running.length, 1);
});

test('prober: a verdict that is not about the endpoint is not told, and checks go on', () => {
  const { prober, advance, results, running, starts } = open();
  prober.configure([service('s', ['a'], { initial: 'down' })]);
  advance(0);
  running[0]!.answer(null);
  advance(1_100);
  assert.deepEqual(results, []);
  assert.equal(prober.checkCount, 0);
  assert.equal(starts.length, 2);
});

test('prober: no more checks at a time than allowed; the others wait in order', () => {
  const hosts = Array.from({ length: CHECKS_MAX + 10 }, (_, index) => `h${index}`);
  const { prober, advance, running, starts } = open();
  prober.configure([service('s', hosts, { initial: 'down' })]);
  advance(0);
  assert.equal(running.length, CHECKS_MAX);
  running[5]!.answer('');
  assert.equal(running.length, CHECKS_MAX);
  assert.equal(starts.at(-1)!.host, `h${CHECKS_MAX}`);
  while (running.length > 0) running[0]!.answer('');
  assert.deepEqual(
    starts.map(({ host }) => host),
    hosts,
  );
});

test('prober: a reload leaves checks alone that did not change', () => {
  const { prober, advance, running, starts, results } = open();
  const before = [service('s', ['a', 'b', 'c'], { initial: 'down' })];
  prober.configure(before);
  advance(100);
  prober.configure([
    service('s', ['c', 'b'], { initial: 'down' }),
    service('t', ['a'], { initial: 'up' }),
  ]);
  assert.deepEqual(
    running.map(({ host }) => host),
    ['b', 'c'],
    'that of the endpoint that is gone was stopped',
  );
  while (running.length > 0) running[0]!.answer('');
  assert.deepEqual(results, ['s http://b good 100', 's http://c good 100']);
  advance(700);
  const again = starts.slice(3).filter(({ host }) => host !== 'a');
  assert.deepEqual(again, [], 'their interval goes on');
});

test('prober: a reload begins a check anew whose settings changed', () => {
  const { prober, advance, running, results } = open();
  prober.configure([service('s', ['a'], { initial: 'down', path: '/wrong' })]);
  advance(10);
  const stale = running[0]!;
  prober.configure([service('s', ['a'], { initial: 'down', path: '/right' })]);
  assert.equal(running.includes(stale), false);
  advance(0);
  running[0]!.answer('');
  assert.deepEqual(results, ['s http://a good 0']);
});

test('prober: endpoints that are gone while they wait are not asked', () => {
  const hosts = Array.from({ length: CHECKS_MAX + 1 }, (_, index) => `h${index}`);
  const { prober, advance, running, starts } = open();
  prober.configure([service('s', hosts, { initial: 'down' })]);
  advance(0);
  prober.configure([service('s', hosts.slice(0, CHECKS_MAX), { initial: 'down' })]);
  while (running.length > 0) running[0]!.answer('');
  assert.equal(starts.length, CHECKS_MAX);
});

test('prober: after close nothing runs and no timer is left', () => {
  const { prober, advance, running, timers, results } = open();
  prober.configure([service('s', ['a', 'b', 'c'], { initial: 'down' }), service('t', ['d'], null)]);
  advance(0);
  running[0]!.answer('');
  results.length = 0;
  prober.close();
  assert.equal(running.length, 0);
  assert.equal(timers.size, 0);
  assert.deepEqual(results, []);
});

test('prober: while in doubt it asks every second, then as seldom as before', () => {
  const { prober, advance, running, starts } = open();
  prober.configure([service('s', ['a'], { initial: 'down', intervalMs: 60_000, upCount: 2 })]);
  const verdicts = ['', 'refused', 'refused', '', '', ''];
  for (const verdict of verdicts) {
    while (running.length === 0) advance(10);
    running[0]!.answer(verdict);
  }
  const gaps = starts.slice(1).map(({ ms }, index) => ms - starts[index]!.ms);
  const isShort = gaps.map((gap) => gap >= 900 && gap <= 1_110);
  assert.deepEqual(isShort, [false, true, true, true, false], String(gaps));
});

test('prober: tries a connection once, for endpoints without checks as well', () => {
  const { prober, advance, running, timers, results } = open();
  prober.configure([service('s', ['a'], null)]);
  const verdicts: Verdict[] = [];
  const keep = (verdict: Verdict): unknown => verdicts.push(verdict);
  prober.tryConnect('s', 'http://a', keep);
  running[0]!.answer('connection refused');
  prober.tryConnect('s', 'http://a', keep);
  running[0]!.answer('');
  prober.tryConnect('s', 'http://a', keep);
  advance(1_000);
  prober.tryConnect('s', 'http://nobody', keep);
  assert.deepEqual(verdicts, ['connection refused', '', 'no answer within 1s', null]);
  assert.equal(timers.size, 0);
  assert.deepEqual(results, [], 'these are no checks');
  assert.equal(prober.checkCount, 0);
});
