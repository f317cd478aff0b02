/**
 * Proxy Now and its peers under the same load and the same changes, side by side.
 *
 *     node test/fault/compare.ts [--peers nginx,haproxy,caddy] [--seconds 60] [--reloads 200]
 *                                [--rate 300] [--sockets 20] [--json] [--only proxy-now]
 *     node test/fault/compare.ts --upgrades 10     binary upgrades of Proxy Now under load
 *     node test/fault/compare.ts --kills 10        SIGKILL of the proxy process under load
 *     node test/fault/compare.ts --endpoints       endpoints killed, stopped, slow, flapping
 *
 * A peer that is not installed is left out and named. Exit code 1 when Proxy Now misses one of
 * its own bars; what peers do never fails a run.
 */

import { parseArgs } from 'node:util';
import { endOnSignals } from '../support/child.ts';
import { endpointPeers, type EndpointPeer } from './contender/endpoint-peers.ts';
import { CONTENDERS } from './contender/all.ts';
import type { Contender } from './contender/contender.ts';
import { compareProcess, missesOfProcess, type ProcessResult } from './compare-process.ts';
import { compareReload, type ReloadResult } from './compare-reload.ts';
import { proxyNow } from './contender/proxy-now.ts';
import { endpointEvents, missesOfEndpoints, QUICK_HEALTH } from './endpoint-events.ts';
import type { EndpointResult } from './endpoint-events.ts';
import { ProxyStage } from './proxy-stage.ts';
import { megabytes, milliseconds, percent, renderTable, type Row } from './table.ts';

const P99_FACTOR_MAX = 2;
/** Below this a p99 is a matter of timer and scheduler, not of the proxy. */
const P99_FLOOR_MS = 5;
const RSS_GROWTH_MAX = 0.05;
const KILL_EVERY_MS = 5_000;

/** What Proxy Now misses of its own bars. */
export function missesOfReload(result: ReloadResult): string[] {
  const misses: string[] = [];
  const none = (count: number, what: string): void => {
    if (count > 0) misses.push(`${count} ${what}`);
  };
  none(result.failedNew, 'failed new requests');
  none(result.abortedInFlight, 'aborted in flight');
  none(result.resetIdle, 'idle connections reset');
  none(result.closedSockets, 'WebSockets closed');
  none(result.mixed, 'answers from a mix of generations');
  none(result.otherFailures, 'other failures');
  none(result.duplicatedPosts, 'POSTs executed twice');
  none(result.missed, 'reloads without effect');
  const p99Max = Math.max(P99_FLOOR_MS, result.p99Baseline * P99_FACTOR_MAX);
  if (result.p99 > p99Max) misses.push(`p99 ${result.p99} ms, over ${p99Max.toFixed(1)} ms`);
  const growth = result.rssAfter / result.rssBefore - 1;
  if (growth > RSS_GROWTH_MAX) misses.push(`memory grew by ${percent(growth)}`);
  return misses;
}

function reloadRows(results: readonly ReloadResult[]): Row[] {
  const row = (title: string, cell: (result: ReloadResult) => string): Row => ({
    title,
    cells: results.map(cell),
  });
  return [
    row('version', ({ version }) => version),
    row('reloads', ({ reloads }) => String(reloads)),
    row('  without effect in 3 s', ({ missed }) => String(missed)),
    row('  in seconds', ({ seconds }) => seconds.toFixed(0)),
    row('  to effect, median', ({ reloadMsMedian }) => milliseconds(reloadMsMedian)),
    row('  to effect, longest', ({ reloadMsMax }) => milliseconds(reloadMsMax)),
    row('requests', ({ requests }) => String(requests)),
    row('failed new', ({ failedNew }) => String(failedNew)),
    row('aborted in flight', ({ abortedInFlight }) => String(abortedInFlight)),
    row('reset idle connections', ({ resetIdle }) => String(resetIdle)),
    row('closed WebSockets', ({ closedSockets }) => String(closedSockets)),
    row('mixed generations', ({ mixed }) => String(mixed)),
    row('other failures', ({ otherFailures }) => String(otherFailures)),
    row('POSTs executed twice', ({ duplicatedPosts }) => String(duplicatedPosts)),
    row('idle connections closed', ({ closedIdle }) => String(closedIdle)),
    row('p50 before / during', (r) => `${r.p50Baseline} / ${r.p50} ms`),
    row('p99 before / during', (r) => `${r.p99Baseline} / ${r.p99} ms`),
    row('CPU before / during', (r) => `${percent(r.cpuBaseline)} / ${percent(r.cpu)}`),
    row('memory before', ({ rssBefore }) => megabytes(rssBefore)),
    row('memory peak', ({ rssPeak }) => megabytes(rssPeak)),
    row('memory after', ({ rssAfter }) => megabytes(rssAfter)),
    row('memory growth', (r) => percent(r.rssAfter / r.rssBefore - 1)),
  ];
}

function choose(peers: string, only: string | undefined): Contender[] {
  const names = only === undefined ? ['proxy-now', ...peers.split(',')] : only.split(',');
  const chosen = CONTENDERS.filter(({ name }) => names.includes(name));
  return chosen.filter((contender) => {
    if (contender.command() !== null) return true;
    process.stderr.write(`${contender.name} is not installed: left out\n`);
    return false;
  });
}

interface Values {
  readonly peers: string;
  readonly only?: string;
  readonly seconds: string;
  readonly baseline: string;
  readonly reloads: string;
  readonly rate: string;
  readonly sockets: string;
  readonly json: boolean;
}

/** Prints a result, or it as JSON, and what Proxy Now misses. */
function finish(result: object, text: string, misses: readonly string[], isJson: boolean): void {
  process.stdout.write(isJson ? `${JSON.stringify({ ...result, misses }, null, 2)}\n` : text);
  for (const miss of misses) process.stderr.write(`✖ proxy-now: ${miss}\n`);
  if (misses.length > 0) process.exitCode = 1;
}

async function compareReloads(values: Values): Promise<void> {
  const results: ReloadResult[] = [];
  const options = {
    reloads: Number(values.reloads),
    seconds: Number(values.seconds),
    baselineSeconds: Number(values.baseline),
    rate: Number(values.rate),
    sockets: Number(values.sockets),
  };
  for (const contender of choose(values.peers, values.only)) {
    process.stderr.write(`${contender.name} …\n`);
    try {
      const result = await compareReload(contender, options);
      results.push(result);
      const failures = JSON.stringify(result.failures);
      process.stderr.write(`${contender.name}: ${result.reloads} reloads, ${failures}\n`);
    } catch (error) {
      process.stderr.write(`${contender.name}: ${String(error)}\n`);
      if (contender.name === 'proxy-now') process.exitCode = 1;
    }
  }
  const own = results.find(({ name }) => name === 'proxy-now');
  const names = results.map(({ name }) => name);
  const samples = results.flatMap(({ name, samples }) =>
    samples.slice(0, 5).map((sample) => `${name}: ${sample}\n`),
  );
  const text = `${renderTable(names, reloadRows(results))}\n${samples.join('')}`;
  finish({ results }, text, own === undefined ? [] : missesOfReload(own), values.json);
}

function processText(result: ProcessResult): string {
  const rows: (readonly [string, string | number])[] = [
    [`${result.kind}s`, result.count],
    ['requests', result.requests],
    ['refused', result.refused],
    ['failed new', result.failedNew],
    ['aborted in flight', result.abortedInFlight],
    ['lost on idle connections', result.resetIdle],
    ['idle connections closed', result.closedIdle],
    ['WebSockets ended', result.closedSockets],
    ['POSTs executed twice', result.duplicatedPosts],
    ['ms until serving', result.milliseconds.join(', ')],
    ['ms until the old one had gone', result.drainMilliseconds.join(', ')],
  ];
  const cells = rows.map(([title, cell]) => ({ title, cells: [String(cell)] }));
  const samples = result.samples.slice(0, 5).map((sample) => `${sample}\n`);
  const failures = JSON.stringify(result.failures);
  return `${renderTable(['proxy-now'], cells)}\nfailures: ${failures}\n${samples.join('')}`;
}

async function endpointsOf(peer: EndpointPeer | null, rate: number): Promise<EndpointResult> {
  const ends: (() => unknown)[] = [];
  try {
    const stage = await ProxyStage.open(
      { after: (run) => ends.push(run) },
      { rate, service: QUICK_HEALTH, ...(peer === null ? {} : { peer }) },
    );
    return await endpointEvents(stage);
  } finally {
    for (const end of ends) await end();
  }
}

function endpointText(name: string, result: EndpointResult): string {
  const row = (title: string, cell: (event: EndpointResult['events'][number]) => unknown): Row => ({
    title,
    cells: result.events.map((event) => String(cell(event))),
  });
  const rows = [
    row('requests', ({ requests }) => requests),
    row('failed GETs', ({ failedGets }) => failedGets),
    row('failed POSTs', ({ failedPosts }) => failedPosts),
    row('answers cut that had begun', ({ cutAnswers }) => cutAnswers),
    row('p99', ({ p99 }) => milliseconds(p99)),
    row('ejected after', ({ ejectedMs }) => (ejectedMs < 0 ? '' : milliseconds(ejectedMs))),
    row('back after', ({ backMs }) => milliseconds(backMs)),
  ];
  const names = result.events.map(({ kind }) => kind);
  const failures = result.events.map((event) => `${event.kind}: ${JSON.stringify(event.failures)}`);
  return (
    `${name}\n${renderTable(names, rows)}\n${failures.join('\n')}\n` +
    `POSTs executed twice: ${result.duplicatedPosts}\n\n`
  );
}

async function compareEndpoints(values: Values): Promise<void> {
  const rate = Number(values.rate);
  const results = new Map([['proxy-now', await endpointsOf(null, rate)]]);
  for (const peer of endpointPeers()) {
    if (!values.peers.split(',').includes(peer.name)) continue;
    results.set(peer.name, await endpointsOf(peer, rate));
  }
  const texts = [...results].map(([name, result]) => endpointText(name, result));
  const misses = missesOfEndpoints(results.get('proxy-now')!);
  finish(Object.fromEntries(results), texts.join(''), misses, values.json);
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: 'nginx,haproxy,caddy' },
      only: { type: 'string' },
      seconds: { type: 'string', default: '60' },
      baseline: { type: 'string', default: '20' },
      reloads: { type: 'string', default: '200' },
      rate: { type: 'string', default: '300' },
      sockets: { type: 'string', default: '20' },
      upgrades: { type: 'string' },
      kills: { type: 'string' },
      endpoints: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.endpoints) return compareEndpoints(values);
  const count = values.upgrades ?? values.kills;
  if (count === undefined) return compareReloads(values);
  const kind = values.upgrades === undefined ? 'kill' : 'upgrade';
  const result = await compareProcess(proxyNow, kind, {
    count: Number(count),
    rate: Number(values.rate),
    sockets: Number(values.sockets),
    killEveryMs: KILL_EVERY_MS,
  });
  finish(result, processText(result), missesOfProcess(result), values.json);
}

if (import.meta.main) await main();
