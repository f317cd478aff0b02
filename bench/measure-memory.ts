/**
 * Memory of a peer: per idle connection, and at its peak during slow downloads. Resident memory
 * holds nothing of the kernel's socket buffers, so what grows here is the peer's own.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseResult } from './load/result-line.ts';
import { runWrk } from './measure-cpu.ts';
import { REPLY_SIZES } from './origin/fixed-origin.ts';
import { isRunning } from './process-keeper.ts';
import type { KeptProcess } from './process-keeper.ts';
import { makeRow } from './row.ts';
import type { Row } from './row.ts';
import { memoryOf, usageOf } from './running-peer.ts';
import type { RunningPeer } from './running-peer.ts';
import type { Session } from './session.ts';
import { plainGet } from './load/wrk.ts';
import { IDLE_CONNECTIONS, STREAMS, STREAM_RATE } from './workloads.ts';
import type { Workload } from './workloads.ts';

const POLL_MS = 100;
const IDLE_TIMEOUT_MS = 60_000;
const STREAM_TIMEOUT_MS = 180_000;
/** After the last connection, before memory is read: what is freed late is freed by then. */
const SETTLE_MS = 3000;

/** Waits for the client's `RESULT` line. null: it ended without one, or time ran out. */
async function waitForResult<T>(
  kept: KeptProcess,
  timeoutMs: number,
  onPoll: () => void,
): Promise<T | null> {
  const started = performance.now();
  while (performance.now() - started < timeoutMs) {
    onPoll();
    const isLast = !isRunning(kept);
    const result = parseResult<T>(readFileSync(kept.logPath, 'utf8'));
    if (result !== null || isLast) return result;
    await delay(POLL_MS);
  }
  return null;
}

/** Bytes of resident memory one idle kept-alive connection adds. */
export async function measureIdle(session: Session, peer: RunningPeer): Promise<Row> {
  await runWrk(session, peer, plainGet('/64'), { seconds: 2, connections: 64 });
  await delay(SETTLE_MS);
  const before = usageOf(peer).residentBytes;
  const program = 'load/idle-client.ts';
  const command = session.ownProgram(program, [peer.setup.port, IDLE_CONNECTIONS]);
  const client = session.startLoad({ name: 'idle-client', command });
  const result = await waitForResult<{ open: number; errors: number }>(
    client,
    IDLE_TIMEOUT_MS,
    () => {},
  );
  await delay(SETTLE_MS);
  const memory = memoryOf(peer);
  const after = memory.residentBytes;
  const lost = readFileSync(client.logPath, 'utf8').split('LOST').length - 1;
  await session.keeper.stop(client);
  session.say(`h ${peer.name}: ${before} bytes before, ${after} after, ${lost} lost`);
  return makeRow('h', peer.name, {
    figure: result === null ? Number.NaN : (after - before) / result.open,
    unit: 'B/conn',
    ...memory,
    errors: result === null ? 1 : result.errors + lost,
  });
}

/** The client that moves the bodies of a stream workload. */
function streamCommand(session: Session, workload: Workload, port: number): string[] {
  const { path, uploadSize } = workload.request;
  if (uploadSize > 0) {
    return session.ownProgram('load/fast-writer.ts', [port, STREAMS, uploadSize]);
  }
  const size = REPLY_SIZES[path as keyof typeof REPLY_SIZES];
  return session.ownProgram('load/slow-reader.ts', [port, path, STREAMS, size, STREAM_RATE]);
}

/** Highest resident memory, in megabytes, while one side of large transfers is slow. */
export async function measureStream(session: Session, peer: RunningPeer): Promise<Row> {
  const { workload } = peer;
  const command = streamCommand(session, workload, peer.setup.port);
  const before = usageOf(peer).cpuSeconds;
  const client = session.startLoad({ name: 'stream-client', command });
  let peak = 0;
  const result = await waitForResult<{ done: number; errors: number }>(
    client,
    STREAM_TIMEOUT_MS,
    () => (peak = Math.max(peak, usageOf(peer).residentBytes)),
  );
  const used = usageOf(peer).cpuSeconds - before;
  const memory = memoryOf(peer);
  await session.keeper.stop(client);
  const cpu = used.toFixed(1);
  const megabytes = (peak / 1e6).toFixed(1);
  session.say(`${workload.name} ${peer.name}: ${megabytes} MB at the peak, ${cpu} s of CPU`);
  return makeRow(workload.name, peer.name, {
    figure: result === null ? Number.NaN : peak / 1e6,
    unit: 'MB peak',
    ...memory,
    errors: result === null ? 1 : result.errors,
  });
}
