/**
 * One seed of the random simulation: a network, origins and clients drawn from it, run until
 * nothing is left to happen, and judged.
 */

import assert from 'node:assert/strict';

import { Prng } from '../../src/base/prng.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import { BAD_BODY_TARGET, RandomClient } from './random-client.ts';
import { RandomOrigin } from './random-origin.ts';
import { appToml, compileToml, LISTENER, ORIGIN, World } from './world.ts';

const OTHER_ORIGIN = '10.0.0.2:80';

export interface RunTotals {
  goodCount: number;
  errorCount: number;
  brokenCount: number;
}

/** Configurations a run chooses from: narrow and wide pools, one or two endpoints. */
export async function compileVariants(): Promise<readonly Snapshot[]> {
  const limits = `head-timeout = "3s"\nbody-progress-timeout = "2s"\nwrite-progress-timeout = "4s"
keep-alive-timeout = "6s"`;
  const transport = `connect-timeout = "1s"\nresponse-head-timeout = "2s"
progress-timeout = "2s"\nqueue-timeout = "20s"\nidle-timeout = "5s"`;
  const both = `endpoints = ["http://${ORIGIN}", "http://${OTHER_ORIGIN}"]`;
  const sections = [
    { limits, transport: `${transport}\nconnections-max = 1` },
    { limits, transport: `${transport}\nconnections-max = 2`, service: both },
    { limits, transport, service: `${both}\nbalance = "least-requests"` },
    {
      limits: `${limits}\nkeep-alive-exchanges = 2`,
      transport: `${transport}\nidle-connections-max = 1\ntotal-timeout = "30s"`,
      service: `${both}\nbalance = "random"`,
    },
  ];
  return Promise.all(sections.map((section) => compileToml(appToml(section))));
}

function openRandomWorld(
  prng: Prng,
  variants: readonly Snapshot[],
  cells: Float64Array,
  isCalm: boolean,
): World {
  const isFar = prng.chance(0.2);
  const isPoor = !isCalm && prng.chance(0.1); // Chunks of one or two sizes only.
  return new World(variants[prng.integer(0, variants.length - 1)]!, {
    seed: prng.bits(),
    cells,
    memoryMax: isPoor ? prng.integer(1, 2) * 1_048_576 : 67_108_864,
    latencyMinMs: 0.1,
    latencyMaxMs: isFar ? 40 : 2,
    windowSize: [1_500, 8_000, 65_536][prng.integer(0, 2)]!,
    splitChance: [0, 0.2, 0.7][prng.integer(0, 2)]!,
    partialWriteChance: [0, 0.3][prng.integer(0, 1)]!,
    sharedChance: [0, 0.5, 1][prng.integer(0, 2)]!,
  });
}

/** Losses of connections, silent or not, at random times. */
function planLosses(world: World, prng: Prng, clients: readonly RandomClient[]): void {
  const { sim } = world;
  const later = (task: () => void): void => sim.world.at(prng.integer(1, 600), task);
  if (prng.chance(0.15)) later(() => sim.dropConnections(ORIGIN));
  if (prng.chance(0.1)) later(() => sim.cut(OTHER_ORIGIN));
  if (prng.chance(0.1)) {
    later(() => sim.blackhole(ORIGIN));
    sim.world.at(1_500, () => sim.heal(ORIGIN));
  }
  if (prng.chance(0.05)) {
    later(() => {
      for (const client of clients) client.lose();
      sim.cut(LISTENER);
    });
  }
}

/**
 * Runs one seed.
 * @param cells shared by many runs; gauges are at zero before and after
 * @throws  an assertion error naming what went wrong
 */
export function runSeed(seed: number, variants: readonly Snapshot[], cells: Float64Array) {
  const prng = new Prng(seed);
  const isCalm = prng.chance(0.25);
  const world = openRandomWorld(prng, variants, cells, isCalm);
  const origins = [ORIGIN, OTHER_ORIGIN]
    .filter((_address, index) => isCalm || index === 0 || prng.chance(0.8))
    .map((address) => new RandomOrigin(world.sim, address, prng, isCalm));
  const clients = Array.from({ length: prng.integer(1, 5) }, (_, index) => {
    return new RandomClient(world.sim, prng, `${seed}-${index}`, isCalm);
  });
  for (const client of clients) world.sim.world.at(prng.integer(0, 300), () => client.start());
  if (!isCalm) planLosses(world, prng, clients);
  world.runOut();
  const totals: RunTotals = { goodCount: 0, errorCount: 0, brokenCount: 0 };
  const mistakes: string[] = [];
  for (const client of clients) {
    const verdict = client.judge();
    mistakes.push(...verdict.mistakes);
    totals.goodCount += verdict.goodCount;
    totals.errorCount += verdict.errorCount;
    totals.brokenCount += verdict.brokenCount;
  }
  mistakes.push(...judgeOrigins(origins, clients));
  assert.deepEqual(mistakes, []);
  world.assertQuiet();
  return totals;
}

/** What reached the origins: whole requests as they were sent, and none too often. */
function judgeOrigins(
  origins: readonly RandomOrigin[],
  clients: readonly RandomClient[],
): readonly string[] {
  const mistakes: string[] = [];
  const seen = origins.flatMap(({ origin }) => origin.requests);
  mistakes.push(...origins.flatMap(({ origin }) => origin.violations));
  for (const asked of clients.flatMap((client) => client.requests)) {
    const arrived = seen.filter((request) => request.target === asked.target);
    const name = `${asked.method} ${asked.target}`;
    if (asked.isMalformed) continue;
    const timesMax = asked.method === 'GET' || asked.method === 'HEAD' ? 2 : 1;
    if (arrived.length > timesMax) mistakes.push(`${name} reached origins ${arrived.length} times`);
    for (const request of arrived) {
      if (request.method !== asked.method) mistakes.push(`${name} arrived as ${request.method}`);
      if (!request.isComplete || asked.text.includes('Upgrade')) continue;
      if (request.body.toString('latin1') !== asked.body) mistakes.push(`${name} arrived changed`);
    }
  }
  const targets = new Set(clients.flatMap((client) => client.requests.map(({ target }) => target)));
  for (const { target, isComplete } of seen) {
    const isOurs = targets.has(target) && !(target === BAD_BODY_TARGET && isComplete);
    if (!isOurs) mistakes.push(`an origin got ${target}, which nobody asked for`);
  }
  return mistakes;
}
