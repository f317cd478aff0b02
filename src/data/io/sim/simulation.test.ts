import assert from 'node:assert/strict';
import test from 'node:test';

import { describeIoBackend } from '../backend.contract.ts';
import type { IoHarness } from '../backend.contract.ts';
import { Simulation } from './simulation.ts';

let seed = 1;

function open(memoryMax = 67_108_864): IoHarness {
  const simulation = new Simulation({
    seed: seed++,
    memoryMax,
    hosts: { localhost: ['127.0.0.1', '::1'] },
  });
  let pathCount = 0;
  return {
    backend: simulation,
    slab: simulation.chunks,
    async until(isDone, what) {
      assert.ok(simulation.runUntil(isDone), `waited for ${what}`);
    },
    async settle() {
      simulation.advanceMs(100);
    },
    unixPath: () => `/sim/${pathCount++}.sock`,
    close() {},
  };
}

describeIoBackend('sim', open);
