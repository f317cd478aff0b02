import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { benchRoute, benchRoutes, sampleRoutes } from './bench-routes.ts';

test('bench-routes: no two routes are the same', () => {
  const routes = benchRoutes(1234).map((route) => route.host + route.prefix);
  assert.equal(new Set(routes).size, 1234);
});

test('bench-routes: a sample holds the first and the last route and no route twice', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 2, max: 99 }), (n, k) => {
      const sample = sampleRoutes(n, k);
      assert.equal(sample.length, Math.min(n, k));
      assert.deepEqual(sample[0], benchRoute(0));
      assert.deepEqual(sample.at(-1), benchRoute(n - 1));
      assert.equal(new Set(sample.map((route) => route.host + route.prefix)).size, sample.length);
    }),
  );
});
