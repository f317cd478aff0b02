import assert from 'node:assert/strict';

import type { IoHarness, PairTls } from '../backend-pair.contract.ts';
import { describeTls } from '../backend.contract.ts';
import type { IoBackend } from '../backend.ts';
import { SimClientContext, SimServerContext } from './sim-tls.ts';
import { Simulation } from './simulation.ts';

let seed = 1;

function open(memoryMax = 67_108_864): IoHarness {
  const simulation = new Simulation({ seed: seed++, memoryMax });
  return {
    backend: simulation,
    slab: simulation.chunks,
    until: async (isDone, what) => assert.ok(simulation.runUntil(isDone), `waited for ${what}`),
    settle: async () => simulation.advanceMs(100),
    unixPath: () => '/run/none.sock',
    close() {},
  };
}

function makeTls(_backend: IoBackend): PairTls {
  return {
    server: new SimServerContext({ clientAuth: 'none' }),
    alpn: ['http/1.1'],
    client: {
      context: new SimClientContext({ verify: true, cert: '' }),
      serverName: 'app.example',
      alpn: ['http/1.1'],
    },
  };
}

describeTls('sim', open, makeTls);
