/**
 * Runs the real binary under mixed load, reloads and faults, and says whether it grows.
 *
 *     npm run test:soak -- [--minutes 10] [--faults | --no-faults] [--rate N]
 *                          [--report tmp/soak.html] [--json]
 *
 * Two loads run: a mixed one of 150 requests per second whose every answer is checked, and plain
 * small requests, so many that the proxy uses 60 % of a core (`--rate` sets their number per
 * second instead). A reload follows every three seconds;
 * faults come in turn, by default from five minutes on. Warm-up is the first quarter, at most
 * three minutes. Exit code 1 when an answer was wrong, a POST was executed twice, something threw,
 * the proxy ended or was replaced, or a request failed that no fault explains; and from ten minutes
 * on when memory, descriptors or timers grow beyond what chance explains.
 */

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ProxyStage } from '../fault/proxy-stage.ts';
import { endOnSignals } from '../support/child.ts';
import { Flood, phaseOf } from '../support/load/processes.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { processTree } from '../support/process-tree.ts';
import { delay } from '../support/wait.ts';
import { makeTurmoil, type Turmoil } from './faults.ts';
import { judgeSeries } from './gate.ts';
import type { Sample } from './linear-fit.ts';
import { analyse, growthText, renderReport, type SeriesResult } from './report.ts';

const SAMPLE_MS = 5_000;
const CALIBRATION_MS = 4_000;
const MIXED_RATE = 150;
const CPU_SHARE = 0.6;
const RATE_MAX = 20_000;
/** Endpoints that are checked often enough to notice the faults, with time for a busy machine. */
const HEALTH = `slow-start = "2s"
[services.all.health-check]
path = "/check?size=1"
interval = "500ms"
timeout = "1500ms"
`;
const WARM_UP_MAX_S = 180;
const FAULT_MINUTES = 5;
const GATE_MINUTES = 10;
/** Per hour: a megabyte or a per cent of what is there, whichever is more. */
const GROWTH_MEGABYTES = 1;
const GROWTH_PERCENT = 1;
/** Connections come and go: two an hour are none. */
const GROWTH_COUNT = 2;
const MEGABYTE = 1_048_576;
/** Share of requests that faults may make fail: answers that had begun, POSTs that were sent. */
const FAILED_SHARE_MAX = 0.02;
/** Failures that nothing may explain. */
const WRONG = /corrupted|foreign|mixed|refused|status-500/;

class Samples {
  readonly rss: Sample[] = [];
  readonly heap: Sample[] = [];
  readonly descriptors: Sample[] = [];
  readonly timers: Sample[] = [];

  async take(stage: ProxyStage, x: number): Promise<void> {
    const usage = stage.usage();
    this.rss.push({ x, y: usage.rssSize / MEGABYTE });
    this.descriptors.push({ x, y: usage.descriptorCount });
    const page = await readMetrics(stage.adminPort).catch(() => '');
    const heap = metricSum(page, 'proxy_now_worker_heap_used_bytes');
    if (heap !== null) this.heap.push({ x, y: heap / MEGABYTE });
    const timers = metricSum(page, 'proxy_now_worker_timers');
    if (timers !== null) this.timers.push({ x, y: timers });
  }

  results(warmUpS: number): SeriesResult[] {
    return [
      { name: 'resident set of all processes', unit: 'MB', samples: this.rss },
      { name: 'heap used by workers', unit: 'MB', samples: this.heap },
      { name: 'open descriptors', unit: 'count', samples: this.descriptors },
      { name: 'timers of workers', unit: 'count', samples: this.timers },
    ].map((series) => analyse(series, warmUpS));
  }
}

/** Plain requests per second with which the proxy uses `CPU_SHARE` of a core. */
async function calibrate(stage: ProxyStage, flood: Flood): Promise<number> {
  let rate = 500;
  for (let round = 0; round < 3; round++) {
    flood.send(stage.port, rate);
    await delay(CALIBRATION_MS / 4);
    const before = flood.done;
    const share = await stage.cpuDuring(() => delay(CALIBRATION_MS));
    const made = ((flood.done - before) * 1_000) / CALIBRATION_MS;
    // What cannot be made is not asked for again.
    rate = Math.min(RATE_MAX, made * Math.min(6, CPU_SHARE / Math.max(share, 0.01)));
  }
  return Math.round(rate);
}

interface Outcome {
  readonly results: readonly SeriesResult[];
  readonly warmUpS: number;
  readonly summary: readonly string[];
  readonly turmoil: Turmoil;
  readonly failures: Readonly<Record<string, number>>;
  /** What is not as it should be; empty when all is well. */
  readonly misses: readonly string[];
}

function growthMisses(results: readonly SeriesResult[]): string[] {
  return results
    .filter((result) => {
      const level = result.fit.intercept;
      const megabytes = Math.max(GROWTH_MEGABYTES, (level * GROWTH_PERCENT) / 100);
      return !judgeSeries(result, result.unit === 'MB' ? megabytes : GROWTH_COUNT);
    })
    .map((result) => `${result.name} grows: ${growthText(result)}`);
}

interface Run {
  readonly seconds: number;
  /** Plain requests per second; 0: to be found. */
  readonly rate: number;
  readonly hasFaults: boolean;
}

async function soak(stage: ProxyStage, flood: Flood, run: Run): Promise<Outcome> {
  const { seconds, hasFaults } = run;
  const client = await stage.load(MIXED_RATE);
  const rate = run.rate > 0 ? run.rate : await calibrate(stage, flood);
  flood.send(stage.port, rate);
  process.stdout.write(`load: ${rate} plain requests/s, faults: ${hasFaults ? 'yes' : 'no'}\n`);
  await client.mark('soak');
  const tree = processTree(stage.child.pid).join();
  const samples = new Samples();
  const startedMs = performance.now();
  const doneBefore = flood.done;
  const lostBefore = flood.lost;
  const cpuBefore = stage.usage().cpuTicks;
  const sample = (): void => {
    const x = (performance.now() - startedMs) / 1_000;
    void samples.take(stage, x);
    const { rss } = samples;
    if (rss.length % 12 === 1) {
      const failed = client.current?.failed ?? 0;
      process.stdout.write(
        `${Math.round(x)} s: ${rss.at(-1)!.y.toFixed(1)} MB, ${failed} failed\n`,
      );
    }
  };
  const timer = setInterval(sample, SAMPLE_MS);
  const turmoil = await makeTurmoil(stage, seconds * 1_000, hasFaults);
  clearInterval(timer);
  const cpu = ((stage.usage().cpuTicks - cpuBefore) * 10) / (performance.now() - startedMs);
  const page = await readMetrics(stage.adminPort).catch(() => '');
  const isSame = processTree(stage.child.pid).join() === tree;
  const report = await client.stop();
  const whole = phaseOf(report, 'soak');
  const lost = flood.lost - lostBefore;
  const warmUpS = Math.min(WARM_UP_MAX_S, seconds / 4);
  const results = samples.results(warmUpS);
  const duplicated = stage.executed().duplicated.length;
  const internal = metricSum(page, 'proxy_now_internal_errors_total');
  const restarts = metricSum(page, 'proxy_now_worker_restarts_total');
  const wrong = Object.entries(whole.failures).filter(([key]) => WRONG.test(key));
  const failedMax = hasFaults ? (whole.ok + whole.failed) * FAILED_SHARE_MAX : 0;
  const misses = [
    ...wrong.map(([key, count]) => `${count} ${key}`),
    ...(whole.failed > failedMax ? [`${whole.failed} requests failed`] : []),
    ...(lost > 0 ? [`${lost} plain requests lost`] : []),
    ...(duplicated > 0 ? [`${duplicated} POSTs executed twice`] : []),
    ...(internal === 0 ? [] : [`internal errors: ${internal ?? 'unknown'}`]),
    ...(restarts === 0 && isSame ? [] : ['a process or worker was replaced']),
    ...(seconds >= GATE_MINUTES * 60 ? growthMisses(results) : []),
  ];
  const summary = [
    `${(seconds / 60).toFixed(0)} min, ${(cpu * 100).toFixed(0)} % of a core`,
    `${flood.done - doneBefore} plain requests (${rate}/s asked for), ${lost} lost`,
    `${whole.ok} answered: ${JSON.stringify(whole.done)}`,
    `${whole.failed} failed: ${JSON.stringify(whole.failures)}`,
    `p50 ${whole.latency.p50} ms, p99 ${whole.latency.p99} ms`,
    `${turmoil.reloads} reloads; faults: ${JSON.stringify(turmoil.faults)}`,
    `${duplicated} POSTs executed twice; internal errors: ${internal ?? 'unknown'}`,
    ...results.map((result) => `${result.name}: ${growthText(result)}`),
    ...(seconds >= GATE_MINUTES * 60 ? [] : ['growth is not judged below ten minutes']),
    ...misses.map((miss) => `✖ ${miss}`),
  ];
  return { results, warmUpS, summary, turmoil, failures: whole.failures, misses };
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      minutes: { type: 'string', default: '10' },
      faults: { type: 'boolean' },
      rate: { type: 'string', default: '0' },
      report: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const hasFaults = values.faults ?? minutes >= FAULT_MINUTES;
  const ends: (() => unknown)[] = [];
  const flood = await Flood.start();
  ends.push(() => flood.kill());
  try {
    const stage = await ProxyStage.open(
      { after: (run) => ends.push(run) },
      {
        service: HEALTH,
        sockets: 10,
        prefixes: ['/all', '/one'],
        tables:
          `[routes.flood]\npath = "/flood/*"\nservice = "flood"\n` +
          `[services.flood]\nendpoints = ["http://127.0.0.1:${flood.originPort}"]\n`,
      },
    );
    const run = { seconds: minutes * 60, rate: Number(values.rate), hasFaults };
    const outcome = await soak(stage, flood, run);
    if (values.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
    for (const line of outcome.summary) process.stdout.write(`${line}\n`);
    if (values.report !== undefined) {
      fs.mkdirSync(path.dirname(values.report), { recursive: true });
      const page = renderReport(outcome.results, outcome.warmUpS, outcome.summary);
      fs.writeFileSync(values.report, page);
      process.stdout.write(`report: ${values.report}\n`);
    }
    process.exitCode = outcome.misses.length === 0 ? 0 : 1;
  } finally {
    for (const end of ends) await end();
  }
}

await main();
