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
    const wrong = await checkPeer(running);
    if (wrong === '') return running;
    await session.keeper.stop(running.process);
    return fail(wrong);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** Memory and heap are measured on one peer after the other, so that only one is awake. */
async function measureAlone(session: Session, peer: RunningPeer, seconds: number): Promise<Row> {
  const { workload } = peer;
  try {
    if (workload.kind === 'idle') return await measureIdle(session, peer);
    if (workload.kind === 'stream') return await measureStream(session, peer);
    return await measureHeap(session, peer, seconds);
  } catch (error) {
    return makeRow(workload.name, peer.name, { errors: 1, note: String(error).slice(0, 80) });
  }
}

/** The workloads of one group over all peers that take part, in the order of both lists. */
export async function runGroup(
  session: Session,
  workloads: readonly Workload[],
  peers: readonly Peer[],
  options: Pick<BenchOptions, 'rounds' | 'seconds'>,
): Promise<Row[]> {
  const rows: Row[] = [];
  const running: RunningPeer[] = [];
  for (const workload of workloads) {
    session.say(`${workload.name}: ${workload.about}`);
    const chosen = workload.kind === 'heap' ? peers.filter((one) => one.name === SUBJECT) : peers;
    for (const peer of chosen) {
      const entered = await enter(session, peer, workload);
      if (entered === null) continue;
      if (!('process' in entered)) {
        rows.push(entered);
      } else if (workload.kind === 'cpu') {
        running.push(entered);
      } else {
        rows.push(await measureAlone(session, entered, options.seconds));
        await session.keeper.stop(entered.process);
      }
    }
  }
  rows.push(...(await measureCpu(session, running, options)));
  for (const peer of running) await session.keeper.stop(peer.process);
  return workloads.flatMap((workload) =>
    peers.flatMap((peer) =>
      rows.filter((row) => row.workload === workload.name && row.peer === peer.name),
    ),
  );
}
