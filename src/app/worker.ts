/**
 * Worker: one data-plane thread. Builds the IO backend and the data plane from what control sent,
 * and carries messages between the two.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { getHeapStatistics } from 'node:v8';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { WorkerCell, resetGauges } from '../contract/metric-layout.ts';
import type { FromWorker, ToWorker, WorkerStart } from '../contract/message.ts';
import { DataPlane } from '../data/listener/data-plane.ts';
import { NodeBackend } from '../data/io/node/node-backend.ts';
import { AccessLog } from '../data/record/access-log.ts';
import { LogLine } from '../data/record/log-line.ts';
import { linkMiddleware } from './registry.ts';

/** How often gauges are sampled and the access log is flushed. */
const TICK_MS = 250;

const start = workerData as WorkerStart;
const port = parentPort!;
const cells = new Float64Array(start.metricBuffer);
resetGauges(cells);

const backend = new NodeBackend({
  memoryMax: start.snapshot.limits.bufferSizeMax,
  wallMs: () => Date.now(),
  random: () => Math.random(),
  reusePort: start.workerCount > 1,
});

const plane = new DataPlane(
  {
    backend,
    cells,
    workerCount: start.workerCount,
    middleware: linkMiddleware,
    listenerFd: (name) => start.listenerFds[name] ?? -1,
    // A unix socket is one file: the first worker serves it.
    servesListener: (spec) => spec.kind === 'tcp' || start.index === 0,
    reportInternal,
    reportListenError: (listener, message) => send({ type: 'listen-failed', listener, message }),
  },
  start.snapshot,
);

const logReturns: (() => void)[] = [];
const accessLog = openAccessLog();
plane.setAccessLog(accessLog);

const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();
setInterval(sample, TICK_MS).unref();
sample();

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'publish':
      plane.publish(message.snapshot);
      send({ type: 'linked', generation: message.snapshot.generation });
      return;
    case 'log-written':
      logReturns[message.buffer]?.();
      return;
    case 'drain':
      plane.drain(finish);
      return;
    case 'abort':
      plane.abort();
      finish();
      return;
  }
});

// A rejection or exception nobody expected is a bug; it costs one exchange, never the worker.
process.on('uncaughtException', reportInternal);
process.on('unhandledRejection', reportInternal);

plane.listen((ports) => send({ type: 'listening', ports }));

function openAccessLog(): AccessLog | null {
  const spec = start.snapshot.observe.accessLog;
  if (spec === null) return null;
  const buffers = start.accessLogBuffers.map((buffer) => new Uint8Array(buffer));
  return new AccessLog({
    line: new LogLine(spec),
    cells,
    buffers,
    sink: {
      write(bytes, done) {
        const buffer = buffers.findIndex((own) => own.buffer === bytes.buffer);
        logReturns[buffer] = done;
        send({ type: 'log-filled', buffer, size: bytes.length });
      },
    },
  });
}

function sample(): void {
  const heap = getHeapStatistics() as { used_heap_size: number; total_allocated_bytes?: number };
  cells[WorkerCell.heapUsedBytes] = heap.used_heap_size;
  cells[WorkerCell.heapAllocatedBytes] = heap.total_allocated_bytes ?? 0;
  cells[WorkerCell.eventLoopLagMs] = delay.max / 1e6;
  cells[WorkerCell.timers] = backend.timerCount;
  cells[WorkerCell.chunkBytes] = backend.chunks.memorySize;
  delay.reset();
  accessLog?.flush();
}

function finish(): void {
  accessLog?.flush();
  sample();
  send({ type: 'drained' });
}

function reportInternal(error: unknown): void {
  cells[WorkerCell.internalErrors]!++;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  send({ type: 'log', level: 'error', message: `internal error: ${text}` });
}

function send(message: FromWorker): void {
  port.postMessage(message);
}
