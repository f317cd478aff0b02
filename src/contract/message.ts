/**
 * Messages between the planes. Versioned by the snapshot they carry; a worker is always of the
 * same build as the control plane that started it, so there is no other negotiation.
 */

import type { LogLevel, Snapshot } from './snapshot.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  readonly workerCount: number;
  readonly snapshot: Snapshot;
  /** From `createMetricBuffer`; written by this worker only. */
  readonly metricBuffer: SharedArrayBuffer;
  /** Buffers of the access log, filled here and written to the file by control. */
  readonly accessLogBuffers: readonly SharedArrayBuffer[];
  /** Descriptors of inherited listening sockets, by listener name. */
  readonly listenerFds: { readonly [listener: string]: number };
}

/** Control to worker. */
export type ToWorker =
  | { readonly type: 'publish'; readonly snapshot: Snapshot }
  /** The access log buffer may be filled again. */
  | { readonly type: 'log-written'; readonly buffer: number }
  | { readonly type: 'drain' }
  | { readonly type: 'abort' };

/** Worker to control. */
export type FromWorker =
  | { readonly type: 'listening'; readonly ports: readonly number[] }
  | { readonly type: 'listen-failed'; readonly listener: string; readonly message: string }
  | { readonly type: 'linked'; readonly generation: number }
  | { readonly type: 'log-filled'; readonly buffer: number; readonly size: number }
  | { readonly type: 'log'; readonly level: LogLevel; readonly message: string }
  | { readonly type: 'drained' };

/** A listening socket the supervisor holds for one worker: several descriptors of the same. */
export interface InheritedSocket {
  readonly listener: string;
  readonly worker: number;
  readonly fds: readonly number[];
}
