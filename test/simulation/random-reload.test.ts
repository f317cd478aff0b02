/**
 * Reloads, and in half of the runs a drain, at random steps of random traffic in calm weather:
 * every request gets its right answer all the same, and nothing is left over.
 *
 * A failing seed is printed; `SEED=n` in the environment runs that one alone, `SEEDS=n` sets how
 * many a run takes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../src/base/prng.ts';
import { createMetricBuffer, WorkerCell } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import { RandomClient } from './random-client.ts';
import { RandomOrigin } from './random-origin.ts';
import { appToml, compileToml, ORIGIN, World } from './world.ts';

const OTHER_ORIGIN = '10.0.0.2:80';
/** Every client has connected by then. */
const STARTED_MS = 300;
const only = process.env['SEED'];
const seedCount = Number(process.env['SEEDS'] ?? 400);

function extra(name: string, port: number): string {
  return `[listeners.${name}]\naddress = "127.0.0.1:${port}"\n`;
}

function renamed(text: string): string {
  return text.replace('[listeners.web]', '[listeners.site]');
}

/** Configurations that differ in all that a reload can change; the clients' address stays. */
async function compileVariants(): Promise<readonly Snapshot[]> {
  const indexes = new MetricIndexes();
  const timeouts = 'connect-timeout = "1s"\nqueue-timeout = "20s"\nidle-timeout = "5s"';
  const first = `endpoints = ["http://${ORIGIN}"]`;
  const second = `endpoints = ["http://${OTHER_ORIGIN}"]`;
  const both = `endpoints = ["http://${ORIGIN}", "http://${OTHER_ORIGIN}"]`;
  const sections = [
    { transport: timeouts, service: first },
    { transport: timeouts, service: second, more: extra('aside', 8081) },
    { transport: `${timeouts}\nconnections-max = 1`, service: both },
    {
      transport: `${timeouts}\nidle-connections-max = 1`,
      service: `${both}\nbalance = "least-requests"`,
      listener: 'trusted-proxies = ["10.0.0.0/8"]',
      limits: 'field-count = 60\nkeep-alive-exchanges = 3',
      more: extra('a-first', 8082) + extra('aside', 8081),
    },
  ];
  return Promise.all(
    sections.flatMap((section) => [
      compileToml(appToml(section), 1, indexes),
      compileToml(renamed(appToml(section)), 1, indexes),
    ]),
  );
}

interface Totals {
  goodCount: number;
  reloads: number;
}

function runSeed(seed: number, variants: readonly Snapshot[], cells: Float64Array): Totals {
  const prng = new Prng(seed);
  const pick = (): Snapshot => variants[prng.integer(0, variants.length - 1)]!;
  const world = new World(pick(), {
    seed: prng.bits(),
    cells,
    latencyMinMs: 0.1,
    latencyMaxMs: prng.chance(0.2) ? 40 : 2,
    windowSize: [1_500, 8_000, 65_536][prng.integer(0, 2)]!,
    splitChance: [0, 0.2, 0.7][prng.integer(0, 2)]!,
    partialWriteChance: [0, 0.3][prng.integer(0, 1)]!,
    sharedChance: [0, 0.5, 1][prng.integer(0, 2)]!,
  });
  const origins = [ORIGIN, OTHER_ORIGIN].map((address) => {
    return new RandomOrigin(world.sim, address, prng, true);
  });
  const clients = Array.from({ length: prng.integer(1, 6) }, (_, index) => {
    return new RandomClient(world.sim, prng, `${seed}-${index}`, true);
  });
  for (const client of clients) {
    // Connected before a drain can begin, however far away.
    world.sim.world.at(prng.integer(0, STARTED_MS - 100), () => client.start());
  }
  let generation = 1;
  const linked: number[] = [];
  const reload = (): void => {
    const snapshot = { ...pick(), generation: ++generation };
    const publication = { listenerFds: {}, changedRoutes: ['all'] };
    world.data.publish(snapshot, publication, () => linked.push(snapshot.generation));
  };
  const willDrain = prng.chance(0.5);
  const reloadsUntilMs = willDrain ? STARTED_MS : 2_000;
  const reloads = prng.integer(1, 12);
  for (let i = 0; i < reloads; i++) world.sim.world.at(prng.integer(1, reloadsUntilMs), reload);
  let isDrained = false;
  if (willDrain) {
    const atMs = STARTED_MS + prng.integer(1, 400);
    world.sim.world.at(atMs, () => world.data.drain(prng.chance(0.5), () => (isDrained = true)));
  }
  // Pools may be over a limit that was lowered, so their invariants are looked at in the end.
  for (let steps = 0; world.sim.world.step(); steps++) assert.ok(steps < 2_000_000, 'no rest');
  const verdicts = clients.map((client) => client.judge());
  assert.deepEqual(
    verdicts.flatMap(({ mistakes }) => mistakes),
    [],
  );
  assert.deepEqual(
    origins.flatMap(({ origin }) => origin.violations),
    [],
  );
  assert.equal(linked.length, reloads, 'every generation was acknowledged');
  assert.equal(cells[WorkerCell.generation], generation);
  if (willDrain) assert.equal(isDrained, true, 'the drain came to its end');
  world.assertQuiet();
  return { goodCount: verdicts.reduce((sum, { goodCount }) => sum + goodCount, 0), reloads };
}

test('reload at any step: every request gets its right answer', async () => {
  const variants = await compileVariants();
  const cells = new Float64Array(createMetricBuffer());
  const first = only === undefined ? 1 : Number(only);
  const seeds = only === undefined ? seedCount : 1;
  const totals: Totals = { goodCount: 0, reloads: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      const { goodCount, reloads } = runSeed(seed, variants, cells);
      totals.goodCount += goodCount;
      totals.reloads += reloads;
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      assert.fail(`replay with SEED=${seed}\n${text}`);
    }
  }
  if (only !== undefined) return;
  assert.ok(totals.goodCount > seedCount * 4, `${totals.goodCount} good answers`);
  assert.ok(totals.reloads > seedCount * 4, `${totals.reloads} reloads`);
});
