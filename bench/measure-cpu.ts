/**
 * CPU time per request under saturation: interleaved rounds, every peer once in each, the order
 * rotated, so that what else the machine does falls on all alike.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseWrk, wrkCommand, wrkScript } from './load/wrk.ts';
import type { LoadResult, WrkRequest } from './load/wrk.ts';
import { makeRow } from './row.ts';
import { handshakeCommand, parseHandshakes } from './load/handshakes.ts';
import type { Row } from './row.ts';
import { memoryOf, usageOf } from './running-peer.ts';
import type { MemoryUse, RunningPeer } from './running-peer.ts';
import type { Session } from './session.ts';
import { median, rotate, spread } from './statistics.ts';

/** How long and how often. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Seconds of load before anything counts: compilers and pools settle. */
const WARM_UP_SECONDS = 2;
/** The same where a request takes a full handshake: there are far fewer in a second. */
const HANDSHAKE_WARM_UP_SECONDS = 8;
/** Connections at half of saturation; each asks rarely, so requests arrive evenly. */
const PACED_CONNECTIONS = 256;
const PATIENCE_MS = 30_000;

/** The load of the peer's workload, for `seconds`. null: it printed no sums. */
export async function runWorkload(
  session: Session,
  peer: RunningPeer,
  seconds: number,
): Promise<LoadResult | null> {
  const { workload } = peer;
  if (!workload.isHandshake) {
    return runWrk(session, peer, workload.request, { seconds, connections: workload.connections });
  }
  const run = { seconds, port: peer.setup.port, path: workload.request.path };
  const spec = { name: 's_time', command: handshakeCommand(run) };
  const finished = await session.runLoad(spec, seconds * 1000 + PATIENCE_MS);
  return parseHandshakes(finished.output, seconds);
}

/** One run of wrk against a peer. null: it printed no sums. */
export async function runWrk(
  session: Session,
  peer: RunningPeer,
  request: WrkRequest,
  run: { seconds: number; connections: number },
): Promise<LoadResult | null> {
  const script = join(session.folder('script'), 'request.lua');
  writeFileSync(script, wrkScript(request));
  const command = wrkCommand(request, { ...run, port: peer.setup.port, script });
  const spec = { name: 'wrk', command };
  const finished = await session.runLoad(spec, run.seconds * 1000 + PATIENCE_MS);
  return parseWrk(finished.output);
}

/** What the rounds of one peer gave. */
class Samples {
  readonly peer: RunningPeer;
  readonly cpuUs: number[] = [];
  readonly rates: number[] = [];
  readonly p50Us: number[] = [];
  readonly p99Us: number[] = [];
  readonly halfP99Us: number[] = [];
  errors = 0;
  memory: MemoryUse = { residentBytes: 0, proportionalBytes: 0 };

  constructor(peer: RunningPeer) {
    this.peer = peer;
  }

  row(): Row {
    return makeRow(this.peer.workload.name, this.peer.name, {
      figure: median(this.cpuUs),
      spread: this.cpuUs.length > 1 ? spread(this.cpuUs) : null,
      requestsPerSecond: median(this.rates),
      p50Us: median(this.p50Us),
      p99Us: median(this.p99Us),
      halfP99Us: this.halfP99Us.length > 0 ? median(this.halfP99Us) : null,
      ...this.memory,
      errors: this.errors,
    });
  }
}

async function saturate(session: Session, samples: Samples, seconds: number): Promise<void> {
  const { workload } = samples.peer;
  const before = usageOf(samples.peer).cpuSeconds;
  const result = await runWorkload(session, samples.peer, seconds);
  const used = usageOf(samples.peer).cpuSeconds - before;
  if (result === null || result.requests === 0) {
    samples.errors++;
    return;
  }
  const cpuUs = (used * 1e6) / result.requests;
  samples.cpuUs.push(cpuUs);
  samples.rates.push(result.requests / result.seconds);
  samples.p50Us.push(result.p50Us);
  samples.p99Us.push(result.p99Us);
  samples.errors += result.errors;
  session.say(
    `${workload.name} ${samples.peer.name}: ${cpuUs.toFixed(1)} us/req, ` +
      `${(result.requests / result.seconds).toFixed(0)} req/s, ${result.errors} errors`,
  );
}

/** The same request at half the rate this peer reached. */
async function pace(session: Session, samples: Samples, seconds: number): Promise<void> {
  const { workload } = samples.peer;
  const half = median(samples.rates) / 2;
  if (!(half > 0)) return;
  const request = { ...workload.request, pauseMs: (PACED_CONNECTIONS * 1000) / half };
  const run = { seconds, connections: PACED_CONNECTIONS };
  const result = await runWrk(session, samples.peer, request, run);
  samples.errors += result === null ? 1 : result.errors;
  if (result === null) return;
  samples.halfP99Us.push(result.p99Us);
  session.say(
    `${workload.name} ${samples.peer.name} at half: p99 ${result.p99Us} us, ` +
      `${(result.requests / result.seconds).toFixed(0)} of ${half.toFixed(0)} req/s`,
  );
}

/**
 * Drives all `peers`, which run already, each with its own workload. What is to be compared with
 * each other belongs in one call. @returns one row each, in their order
 */
export async function measureCpu(
  session: Session,
  peers: readonly RunningPeer[],
  effort: Effort,
): Promise<Row[]> {
  const all = peers.map((peer) => new Samples(peer));
  for (const { peer } of all) {
    const { isHandshake } = peer.workload;
    await runWorkload(session, peer, isHandshake ? HANDSHAKE_WARM_UP_SECONDS : WARM_UP_SECONDS);
  }
  for (let round = 0; round < effort.rounds; round++) {
    for (const samples of rotate(all, round)) await saturate(session, samples, effort.seconds);
  }
  for (const samples of all) samples.memory = memoryOf(samples.peer);
  const paced = all.filter((samples) => samples.peer.workload.isPaced);
  for (let round = 0; round < effort.rounds; round++) {
    for (const samples of rotate(paced, round)) await pace(session, samples, effort.seconds);
  }
  return all.map((samples) => samples.row());
}
