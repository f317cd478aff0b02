/**
 * Everything at once: random traffic in bad weather while reloads change retries, limits and
 * endpoints, health comes and goes, memory and descriptors run short, and the worker drains.
 * Nothing can be said about which answer is due; but no answer is wrong, no POST is sent twice,
 * nobody waits for ever, and nothing is left over.
 *
 * A failing seed is printed; `SEED=n` in the environment runs that one alone, `SEEDS=n` sets how
 * many a run takes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../src/base/prng.ts';
import type { EndpointState } from '../../src/contract/health.ts';
import { createMetricBuffer } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import type { Endpoint } from '../../src/data/balance/endpoint.ts';
import { OverloadLevel } from '../../src/data/overload/overload-level.ts';
import type { ServiceState } from '../../src/data/service/service-state.ts';
import { RandomClient } from './random-client.ts';
import { RandomOrigin } from './random-origin.ts';
import { compileResilientVariants, compileVariants } from './random-run.ts';
import { ORIGIN, World } from './world.ts';

const ADDRESSES = [ORIGIN, '10.0.0.2:80', '10.0.0.3:80'];
const STATES: readonly EndpointState[] = ['up', 'down', 'draining', 'out', 'up'];
const LEVELS = Object.values(OverloadLevel);
/** From then on nothing is short any more. */
const CALM_MS = 1_600;
const only = process.env['SEED'];
const seedCount = Number(process.env['SEEDS'] ?? 500);

/** What a run must not leave anything in, of every generation. */
interface Seen {
  readonly endpoints: Set<Endpoint>;
  readonly services: Set<ServiceState>;
}

function note({ endpoints, services }: Seen, world: World): void {
  for (const { service } of world.data.plane.linked.routes) {
    services.add(service.state);
    for (const endpoint of service.endpoints) endpoints.add(endpoint);
  }
}

/** Plans what happens beside the traffic. */
function planTurmoil(world: World, prng: Prng, variants: readonly Snapshot[], seen: Seen): void {
  const { sim, data } = world;
  const some = (max: number, chance: number, task: () => void): void => {
    if (!prng.chance(chance)) return;
    for (let i = prng.integer(1, max); i > 0; i--) sim.world.at(prng.integer(1, 1_500), task);
  };
  let generation = 1;
  some(8, 0.8, () => {
    const snapshot = variants[prng.integer(0, variants.length - 1)]!;
    const changedRoutes = prng.chance(0.5) ? ['all'] : [];
    const publication = { listenerFds: {}, changedRoutes };
    data.publish({ ...snapshot, generation: ++generation }, publication, () => {});
    note(seen, world);
  });
  some(12, 0.8, () => {
    const { name, endpoints } = data.plane.linked.snapshot.services[0]!;
    const endpoint = endpoints[prng.integer(0, endpoints.length - 1)]!.key;
    const state = STATES[prng.integer(0, STATES.length - 1)]!;
    const slowStartMs = prng.chance(0.5) ? 0 : 500;
    data.applyHealth([{ service: name, endpoint, state, slowStartMs }]);
  });
  some(5, 0.3, () => data.setOverload(LEVELS[prng.integer(0, LEVELS.length - 1)]!));
  some(1, 0.2, () => void (sim.canConnect = false));
  some(1, 0.3, () => data.drain(prng.chance(0.5), () => {}));
  some(1, 0.05, () => data.abort());
  some(1, 0.15, () => sim.dropConnections(ORIGIN));
  some(1, 0.1, () => sim.cut(ADDRESSES[1]!));
  some(1, 0.1, () => sim.blackhole(ORIGIN));
  sim.world.at(CALM_MS, () => {
    sim.canConnect = true;
    sim.heal(ORIGIN);
    data.setOverload(OverloadLevel.calm);
  });
  for (let atMs = 100; atMs < 2 * CALM_MS; atMs += 250) sim.world.at(atMs, () => data.relieve());
}

function openWorld(prng: Prng, snapshot: Snapshot, cells: Float64Array): World {
  return new World(snapshot, {
    seed: prng.bits(),
    cells,
    memoryMax: prng.chance(0.1) ? prng.integer(1, 2) * 1_048_576 : 67_108_864,
    latencyMinMs: 0.1,
    latencyMaxMs: prng.chance(0.2) ? 40 : 2,
    windowSize: [1_500, 8_000, 65_536][prng.integer(0, 2)]!,
    splitChance: [0, 0.2, 0.7][prng.integer(0, 2)]!,
    partialWriteChance: [0, 0.3][prng.integer(0, 1)]!,
    sharedChance: [0, 0.5, 1][prng.integer(0, 2)]!,
  });
}

/** @returns answers that were good */
function runSeed(seed: number, variants: readonly Snapshot[], cells: Float64Array): number {
  const prng = new Prng(seed);
  const world = openWorld(prng, variants[prng.integer(0, variants.length - 1)]!, cells);
  const origins = ADDRESSES.filter((_address, index) => index === 0 || prng.chance(0.8)).map(
    (address) => new RandomOrigin(world.sim, address, prng, false),
  );
  const clients = Array.from({ length: prng.integer(1, 8) }, (_, index) => {
    return new RandomClient(world.sim, prng, `${seed}-${index}`, false);
  });
  for (const client of clients) world.sim.world.at(prng.integer(0, 300), () => client.start());
  const seen: Seen = { endpoints: new Set(), services: new Set() };
  note(seen, world);
  planTurmoil(world, prng, variants, seen);
  // Pools may be over a limit that was lowered, so their invariants are looked at in the end.
  for (let steps = 0; world.sim.world.step(); steps++) assert.ok(steps < 2_000_000, 'no rest');
  const verdicts = clients.map((client) => client.judge());
  const mistakes = verdicts.flatMap((verdict) => verdict.mistakes);
  const arrived = origins.flatMap(({ origin }) => origin.requests);
  mistakes.push(...origins.flatMap(({ origin }) => origin.violations));
  for (const asked of clients.flatMap((client) => client.requests)) {
    const same = arrived.filter(({ target }) => target === asked.target);
    if (asked.method === 'POST' && same.length > 1) mistakes.push(`${asked.target} sent twice`);
  }
  for (const { inProgress, answered } of seen.services) {
    if (inProgress !== 0 || answered !== 0) mistakes.push(`places: ${inProgress}, ${answered}`);
  }
  for (const { spec, inFlight, pool } of seen.endpoints) {
    const left = inFlight + pool.openCount + pool.queueCount;
    if (left !== 0) mistakes.push(`${spec.key}: ${left} attempts or connections left`);
  }
  if (world.data.plane.keptMemory.size !== 0) mistakes.push('kept bodies are left');
  assert.deepEqual(mistakes, []);
  world.assertQuiet();
  return verdicts.reduce((sum, { goodCount }) => sum + goodCount, 0);
}

test('turmoil: no answer is wrong, no POST goes twice, and nothing is left over', async () => {
  const variants = [...(await compileResilientVariants()), ...(await compileVariants())];
  const cells = new Float64Array(createMetricBuffer());
  const first = only === undefined ? 1 : Number(only);
  const seeds = only === undefined ? seedCount : 1;
  let goodCount = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      goodCount += runSeed(seed, variants, cells);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      assert.fail(`replay with SEED=${seed}\n${text}`);
    }
  }
  if (only === undefined) assert.ok(goodCount > seedCount, `${goodCount} good answers`);
});
