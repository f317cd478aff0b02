import assert from 'node:assert/strict';
import test from 'node:test';

import type { LimitsSpec } from '../contract/snapshot.ts';
import { limitsNotice, resolveLimits, socketBudget } from './process-limits.ts';

function limits(connectionsMax = 0, connectionsPerAddressMax = 0): LimitsSpec {
  return { connectionsMax, connectionsPerAddressMax } as LimitsSpec;
}

test('process limits: all sockets and own files together stay below the open file limit', () => {
  for (const openFiles of [256, 1_024, 4_096, 20_000, 1_048_576]) {
    for (const workers of [1, 2, 4, 8]) {
      for (const listeners of [1, 2, 10]) {
        const own = 64 + workers * (24 + listeners);
        const { acceptedMax, connectedMax } = socketBudget(workers, listeners, openFiles);
        const isTiny = openFiles - own < 8 * workers;
        const sum = own + workers * (acceptedMax + connectedMax);
        assert.ok(isTiny || sum <= openFiles, `${openFiles} ${workers} ${listeners}: ${sum}`);
        const resolved = resolveLimits(limits(), workers, listeners, openFiles);
        const share = Math.ceil(resolved.connectionsMax / workers);
        assert.ok(share < acceptedMax, 'a refused client still fits');
        assert.ok(connectedMax >= 2);
      }
    }
  }
});

test('process limits: 20,000 files serve 10,000 idle clients, 256 some hundred', () => {
  assert.ok(resolveLimits(limits(), 2, 1, 20_000).connectionsMax >= 10_000);
  const few = resolveLimits(limits(), 2, 1, 256).connectionsMax;
  assert.ok(few >= 80 && few <= 160, String(few));
});

test('process limits: an address gets three quarters, or what is written', () => {
  const automatic = resolveLimits(limits(), 1, 1, 1_024);
  const { connectionsMax } = automatic;
  assert.equal(automatic.connectionsPerAddressMax, Math.ceil(connectionsMax * 0.75));
  assert.equal(resolveLimits(limits(100, 7), 1, 1, 1_024).connectionsPerAddressMax, 7);
});

test('process limits: never promises more connections than descriptors, and says so', () => {
  const asked = limits(100_000);
  const resolved = resolveLimits(asked, 2, 1, 1_024);
  assert.ok(resolved.connectionsMax < 1_024);
  assert.match(limitsNotice(asked, resolved)!, /instead of 100000/);
  assert.equal(limitsNotice(limits(10), resolveLimits(limits(10), 2, 1, 1_024)), null);
  assert.equal(limitsNotice(limits(), resolveLimits(limits(), 2, 1, 1_024)), null);
});
