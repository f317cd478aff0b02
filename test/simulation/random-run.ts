/**
 * One seed of the random simulation: a network, origins and clients drawn from it, run until
 * nothing is left to happen, and judged.
 */

import assert from 'node:assert/strict';

import { Prng } from '../../src/base/prng.ts';
import type { RetrySpec } from '../../src/contract/resilience.ts';
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

/** A third endpoint, for retries that have a choice. */
const THIRD_ORIGIN = '10.0.0.3:80';
const ADDRESSES = [ORIGIN, OTHER_ORIGIN, THIRD_ORIGIN];

/** Sections of a service that retries, hedges, limits and breaks in every way. */
const RESILIENT = [
  `[services.app.retry]
attempts = 5
statuses = ["503"]
methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]
body-size = "64KiB"
try-timeout = "700ms"`,
  `[services.app.retry]
attempts = 4
statuses = ["500-599"]
methods = ["GET", "PUT"]
body-size = "1KiB"
budget-percent = 0
budget-per-second = 1
[services.app.concurrency]
requests = 2
queue-timeout = "20s"`,
  `[services.app.retry]
hedge-delay = "40ms"
try-timeout = "1s"
[services.app.concurrency]
requests-per-endpoint = 1
queue-timeout = "20s"`,
  `[services.app.retry]
attempts = 10
hedge-delay = "5ms"
body-size = "8KiB"
methods = ["GET", "HEAD", "DELETE", "PUT"]
statuses = ["503"]
[services.app.breaker]
fault-percent = 30
attempts = 3
open = "200ms"
[services.app.concurrency]
adaptive = true
queue-timeout = "20s"`,
  `[services.app.retry]
attempts = 2
on = ["connect"]
[services.app.breaker]
attempts = 2
open = "1s"
[services.app.concurrency]
requests = 1
queue = 1
queue-timeout = "100ms"`,
] as const;

/** Configurations a run chooses from: narrow and wide pools, one to three endpoints. */
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

/** Configurations with retries, hedging, circuit breakers and concurrency limits. */
export async function compileResilientVariants(): Promise<readonly Snapshot[]> {
  const limits = `head-timeout = "3s"\nbody-progress-timeout = "2s"\nwrite-progress-timeout = "4s"
keep-alive-timeout = "6s"`;
  const transport = `connect-timeout = "1s"\nresponse-head-timeout = "2s"
progress-timeout = "2s"\nqueue-timeout = "20s"\nidle-timeout = "5s"`;
  const texts = RESILIENT.flatMap((more, index) => {
    return [1, 3].map((count) => {
      const urls = ADDRESSES.slice(0, count).map((address) => `"http://${address}"`);
      const service = `endpoints = [${urls.join()}]\npass-host = ${index % 2 === 0}`;
      const narrow = count === 3 && index === 3 ? '\nconnections-max = 1' : '';
      return appToml({ limits, transport: transport + narrow, service, more });
    });
  });
  return Promise.all(texts.map((text) => compileToml(text)));
}

function openRandomWorld(
  prng: Prng,
  variants: readonly Snapshot[],
  cells: Float64Array,
  isCalm: boolean,
): World {
  const isFar = prng.chance(0.2);
  const isPoor = !isCalm && prng.chance(0.1); // Chunks of one or two sizes only.
  // In calm weather every answer must be good, so nobody may be turned away.
  const usable = isCalm ? variants.filter((variant) => !isStrict(variant)) : variants;
  return new World(usable[prng.integer(0, usable.length - 1)]!, {
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

/** True for limits that refuse a few requests at a time. */
function isStrict(snapshot: Snapshot): boolean {
  return snapshot.services[0]!.concurrency.queueMax < 10;
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
  const endpointCount = world.endpoints.length;
  const origins = ADDRESSES.slice(0, Math.max(endpointCount, 2))
    .filter((_address, index) => isCalm || index === 0 || prng.chance(0.8))
    .map((address) => new RandomOrigin(world.sim, address, prng, isCalm));
  const clients = Array.from({ length: prng.integer(1, 5) }, (_, index) => {
    return new RandomClient(world.sim, prng, `${seed}-${index}`, isCalm);
  });
  for (const client of clients) world.sim.world.at(prng.integer(0, 300), () => client.start());
  const hasLosses = !isCalm && prng.chance(0.6);
  if (hasLosses) planLosses(world, prng, clients);
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
  const { service } = world.data.plane.linked.routes[0]!;
  const spec = world.data.plane.linked.snapshot.services[0]!;
  mistakes.push(...judgeOrigins(origins, clients, spec.retry));
  const isRoomy = spec.concurrency.exchangesPerEndpointMax === 0;
  if (!hasLosses && isRoomy && origins.length >= endpointCount) {
    mistakes.push(...judgeSpread(origins, clients, endpointCount));
  }
  if (service.state.inProgress !== 0) mistakes.push(`${service.state.inProgress} places kept`);
  assert.deepEqual(mistakes, []);
  world.assertQuiet();
  return totals;
}

/** What reached the origins: whole requests as they were sent, and none too often. */
function judgeOrigins(
  origins: readonly RandomOrigin[],
  clients: readonly RandomClient[],
  retry: RetrySpec,
): readonly string[] {
  const mistakes: string[] = [];
  const seen = origins.flatMap(({ origin }) => origin.requests);
  mistakes.push(...origins.flatMap(({ origin }) => origin.violations));
  for (const asked of clients.flatMap((client) => client.requests)) {
    const arrived = seen.filter((request) => request.target === asked.target);
    const name = `${asked.method} ${asked.target}`;
    if (asked.isMalformed) continue;
    const isListed = retry.methods.includes(asked.method);
    // Once more on a kept connection that was closed, whatever the policy.
    const timesMin = asked.method === 'GET' || asked.method === 'HEAD' ? 2 : 1;
    const timesMax = isListed ? Math.max(retry.attemptsMax, timesMin) : timesMin;
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

/** A request that was sent again went to every endpoint once before it went to one twice. */
function judgeSpread(
  origins: readonly RandomOrigin[],
  clients: readonly RandomClient[],
  endpointCount: number,
): readonly string[] {
  const mistakes: string[] = [];
  for (const { target, isMalformed } of clients.flatMap((client) => client.requests)) {
    if (isMalformed) continue;
    const counts = origins.map(({ origin }) => {
      return origin.requests.filter((request) => request.target === target).length;
    });
    const arrivals = counts.reduce((sum, count) => sum + count, 0);
    const distinct = counts.filter((count) => count > 0).length;
    if (distinct < Math.min(arrivals, endpointCount)) {
      mistakes.push(`${target} reached endpoints ${counts.join()} times`);
    }
  }
  return mistakes;
}
