/**
 * Messages between the planes. Versioned by the snapshot they carry; a worker is always of the
 * same build as the control plane that started it, so there is no other negotiation.
 */

import type { EndpointHealth, OutlierReport } from './health.ts';
import type { LogLevel, Snapshot } from './snapshot.ts';
import type { SnapshotUpdate } from './snapshot-update.ts';
import type { CertificateUpdate, ChallengeSpec, TicketSecrets, TlsState } from './tls.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  readonly workerCount: number;
  readonly snapshot: Snapshot;
  /** Endpoints that are not simply up. */
  readonly health: readonly EndpointHealth[];
  /** From `createMetricBuffer`; written by this worker only. */
  readonly metricBuffer: SharedArrayBuffer;
  /** Buffers of the access log, filled here and written to the file by control. */
  readonly accessLogBuffers: readonly SharedArrayBuffer[];
  readonly listenerFds: ListenerFds;
  readonly tls: TlsState;
}

/**
 * Descriptors of listening sockets by listener name. The worker owns them from now on: it closes
 * each one with its listener. The supervisor keeps the sockets themselves open.
 */
export interface ListenerFds {
  readonly [listener: string]: number;
}

/** Control to worker. */
export type ToWorker =
  | {
      readonly type: 'publish';
      readonly update: SnapshotUpdate;
      /** For listeners that are new in this snapshot; those with a known address keep theirs. */
      readonly listenerFds: ListenerFds;
      /** Names of routes that are gone or differ, themselves or by what they refer to. */
      readonly changedRoutes: readonly string[];
    }
  /** What has changed about endpoints; all others stay as they were. */
  | { readonly type: 'health'; readonly endpoints: readonly EndpointHealth[] }
  | { readonly type: 'certificates'; readonly update: CertificateUpdate }
  /** The challenges that are open now, all of them; `challenged` answers when they are. */
  | {
      readonly type: 'challenges';
      readonly revision: number;
      readonly challenges: readonly ChallengeSpec[];
    }
  | { readonly type: 'ticket-secrets'; readonly secrets: TicketSecrets }
  /** Answers `certificate-wanted`: the certificate came before this, or there will be none. */
  | { readonly type: 'certificate-settled'; readonly name: string }
  /** The access log buffer may be filled again. */
  | { readonly type: 'log-written'; readonly buffer: number }
  /**
   * End after the answers in progress. `hasSuccessor`: another worker or process accepts on the
   * same sockets, so idle connections may stay until their next answer.
   */
  | { readonly type: 'drain'; readonly hasSuccessor: boolean }
  | { readonly type: 'abort' };

/** Worker to control. */
export type FromWorker =
  /** Every listener it was started with listens; ports by listener name, as the kernel chose. */
  | { readonly type: 'listening'; readonly ports: { readonly [listener: string]: number } }
  | { readonly type: 'listen-failed'; readonly listener: string; readonly message: string }
  /** The snapshot of that generation routes requests from now on, and its listeners listen. */
  | { readonly type: 'linked'; readonly generation: number }
  | { readonly type: 'challenged'; readonly revision: number }
  /** A client waits for a certificate that may be got on demand. */
  | { readonly type: 'certificate-wanted'; readonly name: string; readonly peerAddress: string }
  | { readonly type: 'outlier'; readonly report: OutlierReport }
  | { readonly type: 'log-filled'; readonly buffer: number; readonly size: number }
  | { readonly type: 'log'; readonly level: LogLevel; readonly message: string }
  /** Something threw where nothing may: the worker should be replaced. */
  | { readonly type: 'broken' }
  | { readonly type: 'drained' };
