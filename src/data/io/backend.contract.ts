/**
 * What every `IoBackend` promises, as tests. Each backend's test file calls it once.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { CLOSING_CHECKS } from './backend-closing.contract.ts';
import { FLOW_CHECKS, checkMemoryLimit, exchangeBytes } from './backend-flow.contract.ts';
import { LOOPBACK, isOver, withPair } from './backend-pair.contract.ts';
import type { MakeTls, OpenHarness } from './backend-pair.contract.ts';
import { TLS_CHECKS } from './backend-tls.contract.ts';
import { WORLD_CHECKS } from './backend-world.contract.ts';
import type { ListenTarget } from './backend.ts';

/** Runs the suite on the backend that `open` makes; a fresh one for each test. */
export function describeIoBackend(name: string, open: OpenHarness): void {
  for (const [does, check] of [...FLOW_CHECKS, ...CLOSING_CHECKS]) {
    test(`${name} backend: ${does}`, () => withPair(open, LOOPBACK, check));
  }
  test(`${name} backend: carries bytes both ways when the socket is a unix one`, async () => {
    const harness = await open();
    const target: ListenTarget = { kind: 'unix', host: harness.unixPath(), port: 0, fd: -1 };
    await withPair(
      () => harness,
      target,
      async (pair) => {
        assert.equal(pair.server.connection.peerAddress, '');
        assert.equal(pair.server.connection.peerPort, 0);
        await exchangeBytes(pair, 1_000_000);
        pair.client.call((connection) => connection.reset()); // There is no RST: it just closes.
        await pair.harness.until(() => pair.server.hasEnded || isOver(pair.server), 'the end');
      },
    );
  });
  for (const [does, check] of WORLD_CHECKS) {
    test(`${name} backend: ${does}`, async () => {
      const harness = await open();
      try {
        await check(harness);
        assert.deepEqual(harness.slab.leaks(), []);
      } finally {
        await harness.close();
      }
    });
  }
  test(`${name} backend: closes with memoryLimit when nothing is left to queue in`, () =>
    withPair(() => open(1_048_576), LOOPBACK, checkMemoryLimit));
}

/** The same promises with TLS, and those of TLS. `makeTls` gives both ends what they need. */
export function describeTls(name: string, open: OpenHarness, makeTls: MakeTls): void {
  for (const [does, check] of [...FLOW_CHECKS, ...CLOSING_CHECKS]) {
    test(`${name} backend with TLS: ${does}`, () => withPair(open, LOOPBACK, check, makeTls));
  }
  for (const [does, check] of TLS_CHECKS) {
    test(`${name} backend with TLS: ${does}`, async () => {
      const harness = await open();
      try {
        await check(harness, makeTls(harness.backend));
        assert.deepEqual(harness.slab.leaks(), []);
        assert.equal(harness.slab.misuseCount, 0);
      } finally {
        await harness.close();
      }
    });
  }
  test(`${name} backend with TLS: closes with memoryLimit when nothing is left to queue in`, () =>
    withPair(() => open(1_048_576), LOOPBACK, checkMemoryLimit, makeTls));
}
