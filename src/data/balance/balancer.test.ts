import assert from 'node:assert/strict';
import test from 'node:test';

import type { BalanceMode } from '../../contract/snapshot.ts';
import type { Balancer } from './balancer.ts';
import { linkBalancer, Position } from './balancer.ts';
import type { Endpoint } from './endpoint.ts';
import { Sticky } from './sticky.ts';

/** An endpoint without a pool: balancers look at weight, load and key only. */
function endpoint(name: string, weight = 1): Endpoint {
  return { spec: { key: name, weight }, inFlight: 0, stickyKey: `key-${name}` } as Endpoint;
}

function balancer(
  mode: BalanceMode,
  endpoints: readonly Endpoint[],
  draws: number[] = [],
): Balancer {
  const next = draws[Symbol.iterator]();
  return linkBalancer(mode, endpoints, () => (next.next().value as number) ?? 0, new Position());
}

test('round-robin: goes through the endpoints by weight', () => {
  const both = balancer('round-robin', [endpoint('a', 2), endpoint('b')]);
  const names = Array.from({ length: 6 }, () => both.pick(null)!.spec.key);
  assert.deepEqual(names, ['a', 'b', 'a', 'a', 'b', 'a']);
});

test('round-robin: goes on where it was when a reload links it again', () => {
  const endpoints = [endpoint('a'), endpoint('b'), endpoint('c')];
  const position = new Position();
  const before = linkBalancer('round-robin', endpoints, () => 0, position);
  assert.equal(before.pick(null)!.spec.key, 'a');
  const after = linkBalancer('round-robin', endpoints, () => 0, position);
  assert.equal(after.pick(null)!.spec.key, 'b');
});

test('every balancer: avoids the endpoint that failed unless it is the only one', () => {
  const [a, b] = [endpoint('a'), endpoint('b')];
  for (const mode of ['round-robin', 'random', 'least-requests'] as const) {
    const both = balancer(mode, [a, b]);
    for (let i = 0; i < 4; i++) assert.equal(both.pick(a), b, mode);
    assert.equal(balancer(mode, [a]).pick(a), a, mode);
    assert.equal(balancer(mode, []).pick(null), null, mode);
  }
});

test('least-requests: takes the less loaded of two, by weight', () => {
  const [a, b] = [endpoint('a'), endpoint('b', 4)];
  a.inFlight = 2;
  b.inFlight = 4;
  assert.equal(balancer('least-requests', [a, b], [0, 0.5]).pick(null), b);
  b.inFlight = 12;
  assert.equal(balancer('least-requests', [a, b], [0, 0.5]).pick(null), a);
});

test('sticky: finds the endpoint a cookie names among hostile ones', () => {
  const [a, b] = [endpoint('a'), endpoint('b')];
  const spec = {
    cookie: 'lb',
    secure: true,
    httpOnly: true,
    sameSite: 'lax',
    maxAgeSeconds: 60,
  } as const;
  const sticky = new Sticky(spec, [a, b]);
  assert.equal(sticky.find('x=1; lb=key-b'), b);
  assert.equal(sticky.find('lb=nobody'), null);
  assert.equal(sticky.find('xlb=key-b; =; ;;lb'), null);
  assert.equal(sticky.find(`${'a=b;'.repeat(100)}lb=key-a`), null, 'only 64 pairs are read');
  const cookie = 'lb=key-a; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax';
  assert.equal(sticky.cookieFor(a), cookie);
});
