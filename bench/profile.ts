/**
 * `node bench/profile.ts`: where the time of Proxy Now goes under workload a, by self time of
 * functions; or, with --deopts, whether steady state still deoptimises.
 *
 * Exit code: 0 measured (and, with --deopts, steady); 1 not; 2 the arguments make no sense.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { runWorkload } from './measure-cpu.ts';
import { commandPeer } from './peers/command.ts';
import type { Peer } from './peers/peer.ts';
import { proxyNowPeer } from './peers/proxy-now.ts';
import { countDeopts } from './profile/deopts.ts';
import { selfTimes } from './profile/self-time.ts';
import type { CpuProfile } from './profile/self-time.ts';
import { startPeer } from './running-peer.ts';
import type { RunningPeer } from './running-peer.ts';
import { Session } from './session.ts';
import { alignColumns } from './table.ts';
import { WORKLOADS } from './workloads.ts';
import type { Workload } from './workloads.ts';

const USAGE = `node bench/profile.ts [options]
  --deopts           count deoptimisations in steady state instead of time
  --workload NAME    a workload of the bench (default a)
  --seconds N        seconds under measurement (default 10)
  --top N            functions to show (default 30)
  --keep FOLDER      leave the .cpuprofile files there
  --command COMMAND  profile this Node program; {port} and {origin} are filled in
`;

/** Deoptimisations in the measured time that still count as none. */
const DEOPTS_MAX = 3;
const WARM_UP_SECONDS = 5;
const WRITE_TIMEOUT_MS = 10_000;
const PRELOAD = new URL('profile/preload.ts', import.meta.url).href;

interface ProfileOptions {
  readonly isDeopts: boolean;
  readonly workload: Workload;
  readonly seconds: number;
  readonly top: number;
  readonly keep: string | null;
  readonly command: string | null;
}

function readOptions(args: string[]): ProfileOptions {
  const { values } = parseArgs({
    args,
    options: {
      deopts: { type: 'boolean', default: false },
      workload: { type: 'string', default: 'a' },
      seconds: { type: 'string', default: '10' },
      top: { type: 'string', default: '30' },
      keep: { type: 'string' },
      command: { type: 'string' },
    },
  });
  const workload = WORKLOADS.find((one) => one.name === values.workload && one.kind === 'cpu');
  const [seconds, top] = [Number(values.seconds), Number(values.top)];
  if (workload === undefined) throw new Error(`no load is called '${values.workload}'`);
  if (!(seconds >= 2 && seconds <= 600)) throw new Error('--seconds takes 2 to 600');
  if (!(top >= 1)) throw new Error('--top takes a number from 1');
  const [keep, command] = [values.keep ?? null, values.command ?? null];
  return { isDeopts: values.deopts, workload, seconds, top, keep, command };
}

/** Drives load for `seconds`; the count of answered requests. */
async function drive(session: Session, peer: RunningPeer, seconds: number): Promise<number> {
  const result = await runWorkload(session, peer, seconds);
  if (result === null) throw new Error('the load generator printed no sums');
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`);
  return result.requests;
}

/** Waits until as many profiles lie in `dir` as threads answered, or none comes any more. */
async function collect(dir: string): Promise<{ name: string; profile: CpuProfile }[]> {
  const started = performance.now();
  let names: string[] = [];
  while (performance.now() - started < WRITE_TIMEOUT_MS) {
    await delay(1000); // Longer than a thread takes from `stop` to its file.
    const now = readdirSync(dir).filter((name) => name.endsWith('.cpuprofile'));
    const isWriting = existsSync(dir) && readdirSync(dir).some((name) => name.endsWith('.part'));
    if (now.length > 0 && now.length === names.length && !isWriting) break;
    names = now;
  }
  return names.map((name) => ({
    name,
    profile: JSON.parse(readFileSync(join(dir, name), 'utf8')) as CpuProfile,
  }));
}

async function profileTime(session: Session, peer: Peer, options: ProfileOptions): Promise<number> {
  const dir = options.keep === null ? session.folder('profiles') : resolve(options.keep);
  mkdirSync(dir, { recursive: true });
  if (readdirSync(dir).length > 0) throw new Error(`${dir} is not empty`);
  const env = { NODE_OPTIONS: `--import=${PRELOAD}`, PROXY_NOW_PROFILE_DIR: dir };
  const running = await startPeer(session, peer, options.workload, env);
  if (running === null) throw new Error('this program cannot be driven so');
  await drive(session, running, WARM_UP_SECONDS);
  writeFileSync(join(dir, 'start'), '');
  const requests = await drive(session, running, options.seconds);
  writeFileSync(join(dir, 'stop'), '');
  const threads = await collect(dir);
  if (threads.length === 0) throw new Error('no thread wrote a profile');
  const all = selfTimes(threads.map((one) => one.profile));
  const total = all.reduce((sum, one) => sum + one.us, 0);
  const lines = all
    .slice(0, options.top)
    .map(({ name, place, us }) => [
      name,
      place,
      `${((us * 100) / total).toFixed(1)} %`,
      (us / requests).toFixed(2),
    ]);
  process.stdout.write(`${requests} requests, ${threads.length} threads, `);
  process.stdout.write(`${(total / requests).toFixed(1)} us busy per request while profiled\n`);
  process.stdout.write(alignColumns([['function', 'place', 'self', 'us/req'], ...lines], 2));
  return 0;
}

/** The same peer with line-buffered stdout: V8 writes its trace there. */
function lineBuffered(peer: Peer): Peer {
  return {
    ...peer,
    plan(setup) {
      const plan = peer.plan(setup);
      return plan && { ...plan, command: ['stdbuf', '-oL', ...plan.command] };
    },
  };
}

async function profileDeopts(
  session: Session,
  peer: Peer,
  options: ProfileOptions,
): Promise<number> {
  const env = { NODE_OPTIONS: `--import=${PRELOAD}`, PROXY_NOW_TRACE_DEOPT: '1' };
  const running = await startPeer(session, lineBuffered(peer), options.workload, env);
  if (running === null) throw new Error('this program cannot be driven so');
  const read = (): string => readFileSync(running.process.logPath, 'utf8');
  // Twice, so that the ways connections open and close under load are warm too.
  for (let run = 0; run < 2; run++) {
    await drive(session, running, options.seconds);
  }
  const warm = read();
  await drive(session, running, options.seconds);
  const early = countDeopts(warm).reduce((sum, one) => sum + one.count, 0);
  const late = countDeopts(read().slice(warm.length));
  const count = late.reduce((sum, one) => sum + one.count, 0);
  const lines = late
    .slice(0, options.top)
    .map((one) => [one.name, one.kind, one.reason, String(one.count)]);
  process.stdout.write(`${early} deoptimisations while warming up, ${count} after\n`);
  if (early === 0) throw new Error('not even the warm-up deoptimised: the trace is not seen');
  if (count > 0) {
    process.stdout.write(alignColumns([['function', 'kind', 'reason', 'count'], ...lines], 3));
  }
  return count <= DEOPTS_MAX ? 0 : 1;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<number> {
  let options: ProfileOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  const session = new Session({ env: process.env, say });
  session.endOnSignals();
  try {
    session.prepare();
    const { command } = options;
    const peer = command === null ? proxyNowPeer() : commandPeer({ name: 'command', command });
    const missing = peer.missing();
    if (missing !== null) throw new Error(missing);
    const measure = options.isDeopts ? profileDeopts : profileTime;
    return await measure(session, peer, options);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await session.end();
  }
}

process.exitCode = await main();
