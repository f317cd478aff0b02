/**
 * Health under random fates: checks, outliers, drains, reloads and dying workers, by seed.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../src/base/prng.ts';
import type { ServiceConfig } from '../../src/control/config/config.ts';
import type { Fate } from './health-world.ts';
import { HealthWorld } from './health-world.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 300);
const FIRST_SEED = Number(process.env['SEED'] ?? 1);
const STEPS = 60;
const FATES: readonly Fate[] = ['well', 'dead', 'sick', 'misjudged', 'slow', 'hanging'];
const EJECTION_MAX_MS = 2_000;
const SLOW_START_MS = 1_000;

function pickOne<T>(prng: Prng, values: readonly T[]): T {
  return values[prng.integer(0, values.length - 1)]!;
}

function randomService(prng: Prng, name: string): ServiceConfig {
  const count = prng.integer(1, 6);
  const first = prng.integer(0, 3);
  const endpoints = Array.from({ length: count }, (_, index) => {
    const authority = `10.0.0.${first + index}`;
    const weight = prng.integer(1, 3);
    return {
      key: `http://${authority}`,
      kind: 'tcp',
      host: authority,
      port: 80,
      authority,
      weight,
    };
  });
  const healthCheck = {
    kind: pickOne(prng, ['http', 'tcp']),
    intervalMs: pickOne(prng, [50, 200]),
    timeoutMs: 100,
    upCount: prng.integer(1, 3),
    downCount: prng.integer(1, 3),
    initial: pickOne(prng, ['up', 'down']),
  };
  const outlier = {
    consecutiveFaultsMax: pickOne(prng, [0, 1, 5]),
    faultPercentMax: pickOne(prng, [0, 20, 50]),
    attemptsMin: 10,
    latencyFactorMax: pickOne(prng, [0, 3]),
    windowMs: 1_000,
    statuses: [{ from: 500, to: 599 }],
    ejectionMs: pickOne(prng, [10, 300]),
    ejectionMaxMs: EJECTION_MAX_MS,
    ejectedPercentMax: pickOne(prng, [0, 30, 50, 100]),
  };
  return {
    name,
    endpoints,
    balance: pickOne(prng, ['round-robin', 'random', 'least-requests']),
    healthCheck: prng.chance(0.7) ? healthCheck : null,
    outlier,
    panicPercent: pickOne(prng, [0, 50]),
    slowStartMs: pickOne(prng, [0, SLOW_START_MS]),
  } as unknown as ServiceConfig;
}

/** Some services anew, the others as they are or with other endpoints. */
function nextServices(prng: Prng, before: readonly ServiceConfig[]): ServiceConfig[] {
  return before.map((service) => {
    if (prng.chance(0.3)) return randomService(prng, service.name);
    if (prng.chance(0.5)) return service;
    return { ...service, endpoints: randomService(prng, service.name).endpoints };
  });
}

function step(world: HealthWorld, prng: Prng): void {
  const service = pickOne(prng, world.services);
  const { key } = pickOne(prng, service.endpoints);
  const event = prng.integer(0, 19);
  if (event < 6) world.setFate(key, pickOne(prng, FATES));
  else if (event < 8) world.board.drain(key, prng.chance(0.5) ? service.name : null);
  else if (event < 10) world.board.undrain(key);
  else if (event === 10) world.reload(nextServices(prng, world.services));
  else if (event === 11) world.replaceWorker(prng.integer(0, 1));
  else if (event === 12) world.failToReload(nextServices(prng, world.services));
  for (let i = prng.integer(0, 30); i > 0; i--) {
    pickOne(prng, world.workers).request();
    if (prng.chance(0.2)) world.sim.advanceMs(prng.next() * 10);
    world.check();
  }
  world.sim.advanceMs(prng.next() * 300);
  world.check();
}

/** Everything is well for long enough: everybody is up again and has their share. */
function settle(world: HealthWorld): void {
  for (const { endpoints } of world.services) {
    for (const { key } of endpoints) {
      world.setFate(key, 'well');
      world.board.undrain(key);
    }
  }
  for (let ms = 0; ms < EJECTION_MAX_MS + 5_000; ms += 500) {
    world.sim.advanceMs(500);
    world.check();
  }
  const rows = world.board.rows();
  for (const { endpoint, state, reason } of rows)
    assert.equal(state, 'up', `${endpoint}: ${reason}`);
  for (const worker of world.workers) {
    for (const { candidates, balancer } of worker.current) {
      const { endpoints, schedule } = candidates;
      const served = new Set();
      for (let i = 0; i < endpoints.length * 60; i++) served.add(balancer.pick([]));
      assert.equal(served.size, endpoints.length, 'each of them is chosen');
      for (const endpoint of endpoints) {
        const places = schedule.filter((place) => place === endpoint).length;
        const weight = endpoints.reduce((sum, { spec }) => sum + spec.weight, 0);
        assert.equal(places * weight, endpoint.spec.weight * schedule.length, 'its full share');
      }
    }
  }
}

function run(seed: number): HealthWorld {
  const prng = new Prng(seed);
  const world = new HealthWorld(seed, [randomService(prng, 's0'), randomService(prng, 's1')]);
  for (let i = 0; i < STEPS; i++) step(world, prng);
  settle(world);
  return world;
}

test(`health: board and workers keep their word under ${SEEDS} seeds`, () => {
  let ejections = 0;
  let failed = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      const world = run(seed);
      ejections += world.board.ejectionCount;
      failed += world.prober.failedCount;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  // A run in which nothing happens proves nothing.
  assert.ok(ejections > SEEDS && failed > SEEDS, `${ejections} ejections, ${failed} bad checks`);
});
