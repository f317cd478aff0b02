/** Runs workloads over peers and gathers the rows. One peer that fails costs only its own row. */

import type { BenchOptions } from './options.ts';
import { SUBJECT } from './gates.ts';
import { measureCpu } from './measure-cpu.ts';
import { measureHeap } from './measure-heap.ts';
import { measureIdle, measureStream } from './measure-memory.ts';
import type { Peer } from './peers/peer.ts';
import { makeRow } from './row.ts';
import type { Row } from './row.ts';
import { checkPeer, startPeer } from './running-peer.ts';
import type { RunningPeer } from './running-peer.ts';
import type { Session } from './session.ts';
import type { Workload } from './workloads.ts';

/** Peers that are here; for each that is not, a line says why. */
export function presentPeers(session: Session, peers: readonly Peer[]): Peer[] {
  return peers.filter((peer) => {
    const why = peer.missing();
    if (why !== null) session.say(`skipped ${peer.name}: ${why}`);
    return why === null;
  });
}

/** Starts and checks one peer. A row instead of a peer tells why it takes no part. */
async function enter(
  session: Session,
  peer: Peer,
  workload: Workload,
): Promise<RunningPeer | Row | null> {
  const fail = (note: string): Row => {
    session.say(`${workload.name} ${peer.name}: ${note}`);
    const line = note.split('\n')[0]!.slice(0, 80);
    return makeRow(workload.name, peer.name, { errors: 1, note: line });
  };
  try {
    const running = await startPeer(session, peer, workload);
    if (running === null) return null;
    const wrong = await checkPeer(running, workload);
    if (wrong === '') return running;
    await session.keeper.stop(running.process);
    return fail(wrong);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** Memory and heap are measured on one peer after the other, so that only one is awake. */
async function measureAlone(
  session: Session,
  workload: Workload,
  peer: RunningPeer,
  seconds: number,
): Promise<Row> {
  try {
    if (workload.kind === 'idle') return await measureIdle(session, peer);
    if (workload.kind === 'stream') return await measureStream(session, workload, peer);
    return await measureHeap(session, peer, seconds);
  } catch (error) {
    return makeRow(workload.name, peer.name, { errors: 1, note: String(error).slice(0, 80) });
  }
}

/** One workload over all peers that take part in it. */
export async function runWorkload(
  session: Session,
  workload: Workload,
  peers: readonly Peer[],
  options: Pick<BenchOptions, 'rounds' | 'seconds'>,
): Promise<Row[]> {
  const chosen = workload.kind === 'heap' ? peers.filter((one) => one.name === SUBJECT) : peers;
  const rows: Row[] = [];
  const running: RunningPeer[] = [];
  for (const peer of chosen) {
    const entered = await enter(session, peer, workload);
    if (entered === null) continue;
    if (!('process' in entered)) {
      rows.push(entered);
    } else if (workload.kind === 'cpu') {
      running.push(entered);
    } else {
      rows.push(await measureAlone(session, workload, entered, options.seconds));
      await session.keeper.stop(entered.process);
    }
  }
  rows.push(...(await measureCpu(session, workload, running, options)));
  for (const peer of running) await session.keeper.stop(peer.process);
  const order = peers.map((peer) => peer.name);
  return rows.toSorted((a, b) => order.indexOf(a.peer) - order.indexOf(b.peer));
}
