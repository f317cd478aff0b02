/**
 * What tests of the worker pool share: a pool whose threads and sockets do what the test says.
 */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';

import type { FromWorker, ToWorker, WorkerStart } from '../contract/message.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { TlsState } from '../contract/tls.ts';
import { createLogger } from '../control/admin/logger.ts';
import { addressKey } from './socket-address.ts';
import type { SocketAddress } from './orders.ts';
import type { SocketGrant, SocketSource } from './broker-client.ts';
import { WorkerPool } from './worker-pool.ts';
import type { WorkerPoolOptions } from './worker-pool.ts';

const NO_TLS_STATE: TlsState = {
  certificates: [],
  challenges: [],
  ticketSecrets: { current: new Uint8Array(32), previous: null },
};

/** A thread that does what the test says. */
export class FakeThread extends EventEmitter {
  readonly start: WorkerStart;
  readonly received: ToWorker[] = [];
  isTerminated = false;

  constructor(start: WorkerStart) {
    super();
    this.start = start;
  }

  postMessage(message: ToWorker): void {
    this.received.push(message);
  }

  terminate(): void {
    this.isTerminated = true;
  }

  say(message: FromWorker): void {
    this.emit('message', message);
  }

  listen(): void {
    this.say({ type: 'listening', ports: { web: 80 } });
  }

  get types(): string[] {
    return this.received.map(({ type }) => type);
  }
}

/** Grants a new number each time; addresses on port 1 are taken. */
export class FakeSockets implements SocketSource {
  readonly open = new Map<number, string>();
  readonly reclaimed: number[] = [];
  retained: readonly SocketAddress[] | null = null;
  /** Answers wait for `release` while true. */
  isHeld = false;
  private held: (() => void)[] = [];
  private next = 100;

  async want(address: SocketAddress, worker: number): Promise<SocketGrant> {
    if (this.isHeld) await new Promise<void>((resolve) => this.held.push(resolve));
    if (address.port === 1) throw new Error('127.0.0.1:1: taken');
    const fd = this.next++;
    this.open.set(fd, `${addressKey(address)} ${worker}`);
    return { fd, port: address.port };
  }

  giveBack({ fd }: SocketGrant): void {
    assert.ok(this.open.delete(fd), 'given back once');
  }

  reclaim({ fd }: SocketGrant): void {
    this.reclaimed.push(fd);
  }

  retain(addresses: readonly SocketAddress[]): void {
    this.retained = addresses;
  }

  release(): void {
    this.isHeld = false;
    for (const resolve of this.held.splice(0)) resolve();
  }
}

export function snapshotOf(generation: number, ports: readonly number[]): Snapshot {
  const listeners = ports.map((port) => {
    return { name: `l${port}`, kind: 'tcp', host: '127.0.0.1', port, metricIndex: 0 };
  });
  return { generation, listeners } as unknown as Snapshot;
}

/** Lets promises settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

export function world(count = 2, options: Partial<WorkerPoolOptions> = {}) {
  const threads: FakeThread[] = [];
  const sockets = new FakeSockets();
  const events: string[] = [];
  const lines: string[] = [];
  const pool = new WorkerPool(
    {
      count,
      sockets,
      logger: createLogger({
        level: 'debug',
        format: 'text',
        wallMs: () => 0,
        write: (line) => lines.push(line),
      }),
      health: () => [],
      tls: () => ({ state: NO_TLS_STATE, challengeRevision: 0 }),
      drainTimeoutMs: () => 60_000,
      onListening: () => events.push('listening'),
      onListenFailed: (listener, message) => events.push(`failed ${listener} ${message}`),
      onOutlier: () => events.push('outlier'),
      onChallenged: () => {},
      onCertificateWanted: () => {},
      onLogFilled: (_bytes, done) => done(),
      onDrained: () => events.push('drained'),
      onHopeless: () => events.push('hopeless'),
      spawn: (start) => {
        const thread = new FakeThread(start);
        threads.push(thread);
        return thread;
      },
      ...options,
    },
    snapshotOf(1, [80]),
  );
  return { pool, threads, sockets, events, lines };
}

export async function listening(count = 2) {
  const all = world(count);
  all.pool.start();
  await settle();
  for (const thread of all.threads) thread.listen();
  return all;
}

export function publish(pool: WorkerPool, snapshot: Snapshot): { isDone: boolean; error: unknown } {
  const outcome: { isDone: boolean; error: unknown } = { isDone: false, error: null };
  pool.publish(snapshot, { kind: 'whole', snapshot }, []).then(
    () => (outcome.isDone = true),
    (error: unknown) => (outcome.error = error),
  );
  return outcome;
}
