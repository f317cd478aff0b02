/**
 * Runs the real binary at half load and says whether its memory and descriptors grow.
 *
 *     npm run test:soak -- [--minutes 10] [--lanes 16] [--rate N] [--report tmp/soak.html]
 *                          [--json]
 *
 * Half load is half of what the client mix reaches on this machine without a limit, measured
 * first; `--rate` sets requests per second instead. Warm-up is the first quarter, at most three
 * minutes. Exit code 1 when a request failed, when the proxy ended, or (from ten minutes on) when
 * the resident set grows by more than 1 %/h beyond twice the standard error of the fit.
 */

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { freePorts } from '../support/free-port.ts';
import { startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { treeUsage } from '../support/process-tree.ts';
import { baseToml, linksToml, startProxy } from '../support/proxy.ts';
import type { Subject } from '../support/subject.ts';
import type { Sample } from './linear-fit.ts';
import { LoadMix } from './load-mix.ts';
import { analyse, growthText, renderReport, type SeriesResult } from './report.ts';

const SAMPLE_MS = 5_000;
const CALIBRATION_MS = 5_000;
const WARM_UP_MAX_S = 180;
const GATE_MINUTES = 10;
const GROWTH_MAX = 1;
const MEGABYTE = 1_048_576;

/** Answers every request with the size of its body and its target, and echoes WebSocket. */
async function startSoakOrigin(): Promise<HttpOrigin> {
  const origin = await startOrigin((request, response) => {
    let size = 0;
    request.on('data', (chunk: Buffer) => (size += chunk.length));
    request.on('end', () => response.end(`${size} ${request.url}\n${'x'.repeat(1_000)}`));
  });
  const sockets = new WebSocketServer({ server: origin.server, path: '/ws' });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data)));
    socket.on('error', () => undefined);
  });
  return origin;
}

interface Samples {
  readonly rss: Sample[];
  readonly heap: Sample[];
  readonly descriptors: Sample[];
}

async function sampleOnce(
  subject: Subject,
  adminPort: number,
  samples: Samples,
  x: number,
): Promise<void> {
  const usage = treeUsage(subject.child.pid);
  samples.rss.push({ x, y: usage.rssSize / MEGABYTE });
  samples.descriptors.push({ x, y: usage.descriptorCount });
  const page = await readMetrics(adminPort).catch(() => '');
  const heap = metricSum(page, 'proxy_now_worker_heap_used_bytes');
  if (heap !== null) samples.heap.push({ x, y: heap / MEGABYTE });
}

interface Run {
  readonly seconds: number;
  readonly lanes: number;
  /** Requests per second; 0 to measure and halve. */
  readonly rate: number;
}

interface Outcome {
  readonly results: readonly SeriesResult[];
  readonly warmUpS: number;
  readonly summary: readonly string[];
  readonly isGood: boolean;
}

async function load(
  subject: Subject,
  ports: readonly [number, number],
  run: Run,
): Promise<Outcome> {
  const [port, adminPort] = ports;
  const mix = new LoadMix(port, run.lanes, 1);
  const fastest = run.rate > 0 ? run.rate * 2 : await mix.run(CALIBRATION_MS);
  mix.pace = Math.max(1, fastest / 2);
  process.stdout.write(`half load: ${Math.round(mix.pace)} requests/s of ${Math.round(fastest)}\n`);
  const samples: Samples = { rss: [], heap: [], descriptors: [] };
  const started = performance.now();
  const sample = (): void => {
    const x = (performance.now() - started) / 1_000;
    void sampleOnce(subject, adminPort, samples, x);
    const rss = samples.rss.at(-1)?.y.toFixed(1) ?? '';
    if (samples.rss.length % 12 === 1) process.stdout.write(`${Math.round(x)} s: ${rss} MB\n`);
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  const rate = await mix.run(run.seconds * 1_000);
  clearInterval(timer);
  const warmUpS = Math.min(WARM_UP_MAX_S, run.seconds / 4);
  const results = [
    { name: 'resident set of all processes', unit: 'MB', samples: samples.rss },
    { name: 'heap used by workers', unit: 'MB', samples: samples.heap },
    { name: 'open descriptors', unit: 'count', samples: samples.descriptors },
  ].map((series) => analyse(series, warmUpS));
  const page = await readMetrics(adminPort).catch(() => '');
  const internal = metricSum(page, 'proxy_now_internal_errors_total');
  const rss = results[0]!;
  const isGated = run.seconds >= GATE_MINUTES * 60;
  const isFlat = rss.growth <= GROWTH_MAX + 2 * rss.growthError;
  const summary = [
    `${Math.round(run.seconds / 60)} min at ${Math.round(rate)} requests/s, ${mix.done} answered`,
    `mix: ${Object.entries(mix.counts)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')}`,
    `${mix.failed} failed${mix.failures.map((text) => `; ${text}`).join('')}`,
    `internal errors: ${internal ?? 'unknown'}`,
    ...results.map((result) => `${result.name}: ${growthText(result)}`),
    isGated ? `gate: ${isFlat ? 'flat' : 'GROWS'}` : 'gate: not judged below ten minutes',
  ];
  const isAlive = subject.child.exit === null;
  const isGood = mix.failed === 0 && isAlive && internal === 0 && (isFlat || !isGated);
  return { results, warmUpS, summary, isGood };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      lanes: { type: 'string', default: '16' },
      rate: { type: 'string', default: '0' },
      report: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const origin = await startSoakOrigin();
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const links = [{ listenPort: port, originPort: origin.port }];
  const toml = baseToml({ admin: `127.0.0.1:${adminPort}`, limits: { 'head-timeout': '30s' } });
  let subject: Subject | null = null;
  try {
    subject = await startProxy(toml + linksToml(links), links);
    const outcome = await load(subject, [port, adminPort], {
      seconds: Number(values.minutes) * 60,
      lanes: Number(values.lanes),
      rate: Number(values.rate),
    });
    if (values.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
    for (const line of outcome.summary) process.stdout.write(`${line}\n`);
    if (values.report !== undefined) {
      fs.mkdirSync(path.dirname(values.report), { recursive: true });
      const page = renderReport(outcome.results, outcome.warmUpS, outcome.summary);
      fs.writeFileSync(values.report, page);
      process.stdout.write(`report: ${values.report}\n`);
    }
    process.exitCode = outcome.isGood ? 0 : 1;
  } finally {
    await subject?.stop();
    await origin.close();
  }
}

await main();
