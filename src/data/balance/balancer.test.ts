import assert from 'node:assert/strict';
import test from 'node:test';

import type { BalanceMode } from '../../contract/snapshot.ts';
import type { Balancer } from './balancer.ts';
import { linkBalancer, NONE_TRIED, Position } from './balancer.ts';
import { Candidates } from './candidates.ts';
import { Endpoint, RAMP_STEPS } from './endpoint.ts';
import { Sticky } from './sticky.ts';

const MODES = ['round-robin', 'random', 'least-requests'] as const;

/** An endpoint without a pool: balancers look at weight, load, health and key only. */
function endpoint(name: string, weight = 1): Endpoint {
  const outlier = { mute(): void {}, reset(): void {} };
  return new Endpoint({
    spec: { key: name, weight },
    pool: null,
    outlier,
    stickyKey: `key-${name}`,
    metricBase: 0,
    hostLine: new Uint8Array(),
  } as unknown as ConstructorParameters<typeof Endpoint>[0]);
}

function balancer(
  mode: BalanceMode,
  endpoints: readonly Endpoint[] | Candidates,
  draws: number[] = [],
): Balancer {
  const next = draws[Symbol.iterator]();
  const candidates = endpoints instanceof Candidates ? endpoints : new Candidates(endpoints, 0);
  return linkBalancer(mode, candidates, () => (next.next().value as number) ?? 0, new Position());
}

/** How often each endpoint is picked, by name. */
function shares(chooser: Balancer, count: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { key } = chooser.pick(NONE_TRIED)!.spec;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Draws spread evenly over [0, 1). */
function evenDraws(count: number): number[] {
  return Array.from({ length: count }, (_, index) => ((index * 7_919) % count) / count);
}

test('round-robin: goes through the endpoints by weight', () => {
  const both = balancer('round-robin', [endpoint('a', 2), endpoint('b')]);
  const names = Array.from({ length: 6 }, () => both.pick(NONE_TRIED)!.spec.key);
  assert.deepEqual(names, ['a', 'b', 'a', 'a', 'b', 'a']);
});

test('round-robin: goes on where it was when a reload links it again', () => {
  const candidates = new Candidates([endpoint('a'), endpoint('b'), endpoint('c')], 0);
  const position = new Position();
  const before = linkBalancer('round-robin', candidates, () => 0, position);
  assert.equal(before.pick(NONE_TRIED)!.spec.key, 'a');
  const after = linkBalancer('round-robin', candidates, () => 0, position);
  assert.equal(after.pick(NONE_TRIED)!.spec.key, 'b');
});

test('round-robin: stays in range when the schedule gets shorter', () => {
  const endpoints = [endpoint('a'), endpoint('b'), endpoint('c')];
  const candidates = new Candidates(endpoints, 0);
  const chooser = balancer('round-robin', candidates);
  shares(chooser, 3);
  endpoints[2]!.setState('down');
  candidates.refresh();
  assert.deepEqual(shares(chooser, 4), { a: 2, b: 2 });
});

test('every balancer: never repeats an endpoint while there is another', () => {
  const endpoints = Array.from({ length: 10 }, (_, index) => endpoint(`${index}`, index + 1));
  for (const mode of MODES) {
    const chooser = balancer(mode, endpoints, evenDraws(97));
    const tried: Endpoint[] = [];
    while (tried.length < 10) {
      const picked = chooser.pick(tried)!;
      assert.ok(!tried.includes(picked), mode);
      tried.push(picked);
    }
    assert.ok(chooser.pick(tried) !== null, `${mode}: all were tried, so any will do`);
    assert.equal(balancer(mode, []).pick(NONE_TRIED), null, mode);
  }
});

test('least-requests: takes the less loaded of two, by weight', () => {
  const [a, b] = [endpoint('a'), endpoint('b', 4)];
  a.inFlight = 2;
  b.inFlight = 4;
  assert.equal(balancer('least-requests', [a, b], [0, 0.5]).pick(NONE_TRIED), b);
  b.inFlight = 12;
  assert.equal(balancer('least-requests', [a, b], [0, 0.5]).pick(NONE_TRIED), a);
});

test('candidates: neither down nor draining ones, whatever balances', () => {
  for (const mode of MODES) {
    const endpoints = ['a', 'b', 'c', 'd'].map((name) => endpoint(name));
    const candidates = new Candidates(endpoints, 0);
    const chooser = balancer(mode, candidates, evenDraws(400));
    endpoints[0]!.setState('down');
    endpoints[1]!.setState('draining');
    endpoints[2]!.setState('out');
    candidates.refresh();
    assert.deepEqual(shares(chooser, 50), { d: 50 }, mode);
    assert.equal(candidates.availableCount, 1);
    endpoints[3]!.setState('down');
    candidates.refresh();
    assert.equal(chooser.pick(NONE_TRIED), null, mode);
    for (const each of endpoints) each.setState('up');
    candidates.refresh();
    assert.equal(Object.keys(shares(chooser, 100)).length, 4, mode);
  }
});

test('candidates: below the panic share health is ignored, draining is not', () => {
  const endpoints = ['a', 'b', 'c', 'd', 'e'].map((name) => endpoint(name));
  const candidates = new Candidates(endpoints, 50);
  endpoints[4]!.setState('draining');
  for (const index of [0, 1]) endpoints[index]!.setState('down');
  candidates.refresh();
  assert.equal(candidates.isPanic, false, 'two of four are half');
  assert.deepEqual(shares(balancer('round-robin', candidates), 4), { c: 2, d: 2 });
  endpoints[2]!.setState('down');
  candidates.refresh();
  assert.equal(candidates.isPanic, true);
  assert.deepEqual(shares(balancer('round-robin', candidates), 4), { a: 1, b: 1, c: 1, d: 1 });
  endpoints[0]!.setState('out');
  candidates.refresh();
  assert.deepEqual(shares(balancer('round-robin', candidates), 3), { b: 1, c: 1, d: 1 });
  candidates.configure(0);
  assert.equal(candidates.isPanic, false, 'a reload turned it off');
});

test('slow start: the share grows with its steps, for every balancer', () => {
  for (const mode of MODES) {
    const [a, b] = [endpoint('a'), endpoint('b')];
    const candidates = new Candidates([a, b], 0);
    let before = 0;
    for (const step of [1, 5, RAMP_STEPS]) {
      a.ramp(step);
      candidates.refresh();
      const counts = shares(balancer(mode, candidates, evenDraws(2_200)), 1_100);
      const count = counts['a'] ?? 0;
      assert.ok(count > before, `${mode}: ${count} of 1100 at step ${step}`);
      before = count;
      if (mode === 'round-robin') {
        assert.ok(Math.abs(count - (1_100 * step) / (step + RAMP_STEPS)) < 12);
      }
    }
  }
});

const STICKY = {
  cookie: 'lb',
  secure: true,
  httpOnly: true,
  sameSite: 'lax',
  maxAgeSeconds: 60,
} as const;

test('sticky: finds the endpoint a cookie names among hostile ones', () => {
  const [a, b] = [endpoint('a'), endpoint('b')];
  const sticky = new Sticky(STICKY, new Candidates([a, b], 0));
  assert.equal(sticky.find('x=1; lb=key-b'), b);
  assert.equal(sticky.find('lb=nobody'), null);
  assert.equal(sticky.find('xlb=key-b; =; ;;lb'), null);
  assert.equal(sticky.find(`${'a=b;'.repeat(100)}lb=key-a`), null, 'only 64 pairs are read');
  const cookie = 'lb=key-a; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax';
  assert.equal(sticky.cookieFor(a), cookie);
});

test('sticky: stays on a draining endpoint, leaves one that is down unless in a panic', () => {
  const [a, b] = [endpoint('a'), endpoint('b')];
  const candidates = new Candidates([a, b], 60);
  const sticky = new Sticky(STICKY, candidates);
  a.setState('draining');
  candidates.refresh();
  assert.equal(sticky.find('lb=key-a'), a);
  a.setState('out');
  candidates.refresh();
  assert.equal(sticky.find('lb=key-a'), null);
  candidates.configure(0);
  a.setState('down');
  candidates.refresh();
  assert.equal(sticky.find('lb=key-a'), null);
  candidates.configure(60);
  assert.ok(candidates.isPanic);
  assert.equal(sticky.find('lb=key-a'), a);
});
