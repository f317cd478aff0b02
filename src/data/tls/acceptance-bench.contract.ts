/**
 * A listener on a simulated network, for tests of acceptances.
 */

import assert from 'node:assert/strict';
import { compileCidrSet } from '../../base/cidr.ts';
import type { CidrSet } from '../../base/cidr.ts';
import type { Fault } from '../../contract/fault.ts';
import { ListenerCell, WorkerCell, listenerBase } from '../../contract/metric-layout.ts';
import type { TlsSpec, TlsState } from '../../contract/tls.ts';
import type { Chunk } from '../io/backend.ts';
import { Simulation } from '../io/sim/simulation.ts';
import type { SimPeer } from '../io/sim/sim-peer.ts';
import { Acceptance } from './acceptance.ts';
import type { AcceptanceOwner } from './acceptance-owner.ts';
import type { LinkedPassthrough, ListenerTls } from './linked-tls.ts';
import {
  certificate,
  listenerTls,
  metricCells,
  tlsSpec,
  tlsState,
} from './tls-fixtures.contract.ts';
import { WorkerTls } from './worker-tls.ts';

export const ADDRESS = '127.0.0.1:443';
const BASE = listenerBase(0);
/** Within the validity of the fixtures' certificates. */
const WALL_MS = 1_500;

export interface BenchChanges {
  readonly seed?: number;
  readonly tls?: Partial<TlsSpec> | null;
  readonly state?: Partial<TlsState>;
  readonly proxyPeers?: readonly string[];
  readonly wantsFingerprint?: boolean;
}

/** A listener with one acceptance after the other, and all that they said. */
export class Bench implements AcceptanceOwner {
  readonly sim: Simulation;
  readonly cells = metricCells();
  readonly worker: WorkerTls;
  readonly metricBase = BASE;
  readonly headTimeoutMs = 5_000;
  readonly wantsFingerprint: boolean;
  readonly proxyPeers: CidrSet | null;
  listenerTls: ListenerTls | null;
  readonly said: string[] = [];
  readonly errors: unknown[] = [];
  readonly wanted: string[] = [];
  readonly acceptances: Acceptance[] = [];
  /** Bytes of secure connections. */
  readonly received: number[] = [];
  throwsOnSecure = false;

  constructor(changes: BenchChanges = {}) {
    const { tls = {}, state = {}, proxyPeers } = changes;
    this.sim = new Simulation({ seed: changes.seed ?? 1, wallStartMs: WALL_MS });
    this.wantsFingerprint = changes.wantsFingerprint ?? false;
    this.proxyPeers = proxyPeers === undefined ? null : compileCidrSet(proxyPeers);
    this.listenerTls = tls === null ? null : listenerTls(tlsSpec(tls));
    const certificates = [certificate('a', ['a.test'], { notAfterMs: 9e9 })];
    this.worker = new WorkerTls({
      backend: this.sim,
      cells: this.cells,
      workerCount: 1,
      state: tlsState({ certificates, ...state }),
      report: (message) => void this.said.push(message),
      wantCertificate: (name) => void this.wanted.push(name),
      reportInternal: (error) => void this.errors.push(error),
    });
    const target = { kind: 'tcp', host: '127.0.0.1', port: 443, fd: -1 } as const;
    this.sim.listen(target, {
      onListening() {},
      onAccept: (connection) => {
        const acceptance = new Acceptance(this, this.worker, connection, connection.peerAddress);
        this.acceptances.push(acceptance);
        acceptance.begin();
      },
      onError(message) {
        throw new Error(message);
      },
    });
    this.sim.advanceMs(1);
  }

  onSecure(acceptance: Acceptance): void {
    if (this.throwsOnSecure) throw new Error('owner');
    acceptance.connection.events = {
      onOpen() {},
      onReadable: (chunk, start, end) => {
        this.received.push(...chunk.bytes.subarray(start, end));
      },
      onWritable() {},
      onEnd: () => acceptance.connection.close(),
      onClose() {},
    };
    this.said.push(`secure ${acceptance.serverName} ${acceptance.policy!.spec.name}`);
  }

  onPlain(acceptance: Acceptance, chunk: Chunk, start: number, end: number): void {
    const text = String.fromCharCode(...chunk.bytes.subarray(start, end));
    this.said.push(`plain ${acceptance.peerAddress} ${JSON.stringify(text)}`);
  }

  onPassthrough(
    acceptance: Acceptance,
    { spec }: LinkedPassthrough,
    chunk: Chunk,
    start: number,
    // oxlint-disable-next-line max-params -- as in AcceptanceOwner.
    end: number,
  ): void {
    this.said.push(
      `pass ${acceptance.serverName} ${spec.name} ${end - start} ${chunk.bytes[start]}`,
    );
  }

  onGone(_acceptance: Acceptance, fault: Fault): void {
    this.said.push(`gone ${fault}`);
  }

  /** A client that has sent `bytes`, after some time. */
  send(bytes: Uint8Array, waitMs = 100): SimPeer {
    const peer = this.sim.connectClient(ADDRESS);
    peer.send(bytes);
    this.sim.advanceMs(waitMs);
    return peer;
  }

  counts(): readonly [full: number, resumed: number, failed: number, inProgress: number] {
    const { cells } = this;
    return [
      cells[BASE + ListenerCell.handshakesFull]!,
      cells[BASE + ListenerCell.handshakesResumed]!,
      cells[BASE + ListenerCell.handshakesFailed]!,
      cells[WorkerCell.handshakesInProgress]!,
    ];
  }

  /** Nothing is held, nothing was thrown. */
  check(): void {
    assert.deepEqual(this.errors, []);
    assert.deepEqual(this.sim.chunks.leaks(), []);
    assert.equal(this.cells[WorkerCell.handshakesInProgress], 0);
    assert.equal(this.worker.waiting.count, 0);
  }
}

/** The alert that is all `peer` has received. */
export function alertOf(peer: SimPeer): number {
  const bytes = peer.bytes();
  assert.deepEqual([...bytes.subarray(0, 6)], [21, 3, 3, 0, 2, 2], 'a fatal alert in one record');
  assert.equal(bytes.length, 7);
  return bytes[6]!;
}
