/**
 * `npm run bench`: Proxy Now beside its peers on the same machine in the same run.
 *
 * Progress goes to stderr, the report to stdout. The exit code says whether everything could be
 * measured without errors, never whether it was fast: 0 yes, 1 no, 2 the arguments make no sense.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { judgeAll } from './gates.ts';
import { parseOptions, USAGE } from './options.ts';
import type { BenchOptions } from './options.ts';
import { caddyPeer } from './peers/caddy.ts';
import { commandPeer } from './peers/command.ts';
import { haproxyPeer } from './peers/haproxy.ts';
import { nginxPeer } from './peers/nginx.ts';
import type { Peer } from './peers/peer.ts';
import { proxyNowPeer } from './peers/proxy-now.ts';
import { traefikPeer } from './peers/traefik.ts';
import type { Row } from './row.ts';
import { presentPeers, runGroup } from './run.ts';
import { Session } from './session.ts';
import { formatRows, formatVerdicts } from './table.ts';
import { WORKLOADS } from './workloads.ts';

const RESULTS = new URL('results/', import.meta.url);

function allPeers(options: BenchOptions, searchPath: string): Peer[] {
  const builtIn = [
    nginxPeer(searchPath),
    haproxyPeer(searchPath),
    caddyPeer(searchPath),
    traefikPeer(process.env['TRAEFIK_BIN'] ?? 'traefik', searchPath),
    proxyNowPeer(),
  ];
  const chosen = builtIn.filter((peer) => options.peers.includes(peer.name));
  return [...chosen, ...options.extraPeers.map(commandPeer)];
}

/** First line a peer's version command prints, on whichever stream; empty when it has none. */
function versionOf(peer: Peer): string {
  if (peer.versionCommand === null) return '';
  try {
    const command = ['-c', '"$@" 2>&1', 'sh', ...peer.versionCommand];
    return execFileSync('sh', command, { encoding: 'utf8', timeout: 10_000 }).split('\n')[0]!;
  } catch {
    return '';
  }
}

function report(options: BenchOptions, peers: readonly Peer[], rows: readonly Row[]): void {
  const verdicts = judgeAll(rows);
  const data = {
    machine: { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release() },
    node: process.version,
    rounds: options.rounds,
    seconds: options.seconds,
    peers: Object.fromEntries(peers.map((peer) => [peer.name, versionOf(peer)])),
    rows,
    gates: verdicts.map((one) => ({ ...one.gate, value: one.value, outcome: one.outcome })),
  };
  const json = `${JSON.stringify(data, null, 2)}\n`;
  if (options.isSaved) {
    mkdirSync(RESULTS, { recursive: true });
    writeFileSync(new URL('latest.json', RESULTS), json);
  }
  const table = `${formatRows(rows, verdicts)}\n${formatVerdicts(verdicts)}`;
  process.stdout.write(options.isJson ? json : table);
}

async function measure(session: Session, options: BenchOptions): Promise<boolean> {
  const peers = presentPeers(session, allPeers(options, session.searchPath));
  const rows: Row[] = [];
  const chosen = WORKLOADS.filter((workload) => options.workloads.includes(workload.name));
  for (const group of Map.groupBy(chosen, (workload) => workload.group).values()) {
    rows.push(...(await runGroup(session, group, peers, options)));
  }
  report(options, peers, rows);
  return rows.every((row) => row.errors === 0);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<number> {
  let options: BenchOptions;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.isHelp) {
    process.stdout.write(USAGE);
    return 0;
  }
  const session = new Session({ env: process.env, say });
  session.endOnSignals();
  try {
    session.prepare();
    return (await measure(session, options)) ? 0 : 1;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await session.end();
  }
}

process.exitCode = await main();
