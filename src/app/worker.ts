/**
 * Worker: one data-plane thread. Builds the IO backend and the data plane from what control sent,
 * and carries messages between the two.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { getHeapStatistics } from 'node:v8';
import type { HeapInfo } from 'node:v8';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { WorkerCell, resetCounters, resetGauges } from '../contract/metric-layout.ts';
import type { FromWorker, ToWorker, WorkerStart } from '../contract/message.ts';
import type { AccessLogSpec, Snapshot } from '../contract/snapshot.ts';
import { applySnapshotUpdate } from '../contract/snapshot-update.ts';
import { DataPlane } from '../data/listener/data-plane.ts';
import { MemoryGauge } from '../data/io/node/memory-gauge.ts';
import { NodeBackend } from '../data/io/node/node-backend.ts';
import { AccessLog } from '../data/record/access-log.ts';
import { LogLine } from '../data/record/log-line.ts';
import { collectGarbage } from './garbage.ts';
import { OverloadWatch } from './overload-watch.ts';
import { socketBudget } from './process-limits.ts';
import { linkMiddleware } from './registry.ts';

/** How often gauges are sampled and the access log is flushed. */
const TICK_MS = 250;
/** Longest wait at the end for closing connections, and for control to take the last log lines. */
const CLOSING_WAIT_MS = 1_200;
/** After that, longest time until the thread has ended, whatever still holds it. */
const EXIT_WAIT_MS = 2_000;

const start = workerData as WorkerStart;
const port = parentPort!;
const cells = new Float64Array(start.metricBuffer);
resetGauges(cells);
/** Of the worker before this one: a counter never goes back. */
const cpuBeforeUs = cells[WorkerCell.cpuUs]!;

const { listeners } = start.snapshot;
const backend = new NodeBackend({
  memoryMax: start.snapshot.limits.bufferSizeMax,
  ...socketBudget(start.workerCount, listeners.length),
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
    // Without an inherited descriptor a unix socket is one file: the first worker serves it.
    servesListener: (spec, fd) => spec.kind === 'tcp' || fd >= 0 || start.index === 0,
    tls: start.tls,
    wantCertificate: (name, peerAddress) => send({ type: 'certificate-wanted', name, peerAddress }),
    reportInternal,
    reportProblem: (message) => send({ type: 'log', level: 'error', message }),
    reportListenError: (listener, message) => send({ type: 'listen-failed', listener, message }),
    reportOutlier: (report) => send({ type: 'outlier', report }),
  },
  start.snapshot,
);

if (start.health.length > 0) plane.applyHealth(start.health);
let current: Snapshot = start.snapshot;
let linkedGeneration = 0;
let isBroken = false;
let isFinishing = false;

const logBuffers = start.accessLogBuffers.map((buffer) => new Uint8Array(buffer));
const logReturns: (() => void)[] = [];
let accessLog: AccessLog | null = null;
useAccessLog(start.snapshot.observe.accessLog);

const watch = new OverloadWatch({
  plane,
  backend,
  cells,
  memory: new MemoryGauge(),
  collect: collectGarbage,
  nowMs: () => performance.now(),
  warn: (message) => send({ type: 'log', level: 'warn', message }),
});
plane.plane.onBurst = () => watch.check();
backend.chunks.onGrow = () => watch.check();
const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();
setInterval(sample, TICK_MS).unref();
sample();

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'publish':
      publish(message);
      return;
    case 'health':
      plane.applyHealth(message.endpoints);
      return;
    case 'certificates':
      plane.updateCertificates(message.update);
      return;
    case 'challenges':
      plane.setChallenges(message.challenges);
      send({ type: 'challenged', revision: message.revision });
      return;
    case 'ticket-secrets':
      plane.setTicketSecrets(message.secrets);
      return;
    case 'certificate-settled':
      plane.settleCertificate(message.name);
      return;
    case 'log-written':
      logReturns[message.buffer]?.();
      return;
    case 'drain':
      plane.drain(message.hasSuccessor, finish);
      return;
    case 'abort':
      plane.abort();
      finish();
      return;
  }
});

// A rejection or exception nobody expected is a bug: what it left half done is not known. The
// worker serves on until control has put another in its place.
process.on('uncaughtException', reportBroken);
process.on('unhandledRejection', reportBroken);

plane.listen(start.listenerFds, (ports) => send({ type: 'listening', ports }));

function publish(message: Extract<ToWorker, { type: 'publish' }>): void {
  const { accessLog: logBefore } = current.observe;
  const { update } = message;
  current = applySnapshotUpdate(current, update);
  if (update.kind === 'delta') for (const block of update.recycled) resetCounters(cells, block);
  const { generation, observe } = current;
  if (!isSameLog(logBefore, observe.accessLog)) useAccessLog(observe.accessLog);
  backend.setMemoryMax(current.limits.bufferSizeMax);
  plane.publish(current, message, () => {
    if (generation < linkedGeneration) return; // Its listeners took longer than the next one's.
    linkedGeneration = generation;
    send({ type: 'linked', generation });
  });
}

/** Lines written so far go out first: they belong to the file and format there were. */
function useAccessLog(spec: AccessLogSpec | null): void {
  accessLog?.flush();
  if (spec === null || logBuffers.length === 0) {
    plane.setAccessLog(null);
    return;
  }
  const line = new LogLine(spec);
  if (accessLog === null) accessLog = openAccessLog(line);
  else accessLog.useLine(line);
  plane.setAccessLog(accessLog);
}

function openAccessLog(line: LogLine): AccessLog {
  return new AccessLog({
    line,
    cells,
    buffers: logBuffers,
    sink: {
      write(bytes, done) {
        const buffer = logBuffers.findIndex((own) => own.buffer === bytes.buffer);
        logReturns[buffer] = done;
        send({ type: 'log-filled', buffer, size: bytes.length });
      },
    },
  });
}

function isSameLog(one: AccessLogSpec | null, other: AccessLogSpec | null): boolean {
  if (one === null || other === null) return one === other;
  const isSameLine = one.format === other.format && one.template === other.template;
  return isSameLine && one.path === other.path;
}

function sample(): void {
  const heap: HeapInfo & { total_allocated_bytes?: number } = getHeapStatistics();
  cells[WorkerCell.beats]!++;
  cells[WorkerCell.heapUsedBytes] = heap.used_heap_size;
  cells[WorkerCell.heapAllocatedBytes] = heap.total_allocated_bytes ?? 0;
  cells[WorkerCell.eventLoopLagMs] = delay.max / 1e6;
  cells[WorkerCell.timers] = backend.timerCount;
  cells[WorkerCell.connections] = plane.connectionCount;
  const cpu = process.threadCpuUsage();
  cells[WorkerCell.cpuUs] = cpuBeforeUs + cpu.user + cpu.system;
  cells[WorkerCell.chunkBytes] = backend.chunks.usedSize;
  delay.reset();
  watch.sample(heap.used_heap_size / heap.heap_size_limit);
  accessLog?.flush();
}

/**
 * Nothing is left to serve: lets connections linger, so that no last answer is lost to a reset,
 * hands over the last log lines, reports, and lets the thread end.
 */
function finish(): void {
  if (isFinishing) return;
  isFinishing = true;
  plane.closePools();
  waitUntilClosed(performance.now() + CLOSING_WAIT_MS, () => {
    sample();
    send({ type: 'drained' });
    port.unref();
    setTimeout(() => process.exit(0), EXIT_WAIT_MS).unref();
  });
}

function waitUntilClosed(deadlineMs: number, done: () => void): void {
  accessLog?.flush();
  const isWritten = accessLog === null || accessLog.isDrained;
  const isClosed = isWritten && backend.acceptedCount === 0;
  if (isClosed || performance.now() >= deadlineMs) done();
  else setTimeout(waitUntilClosed, 10, deadlineMs, done);
}

function reportInternal(error: unknown): void {
  cells[WorkerCell.internalErrors]!++;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  send({ type: 'log', level: 'error', message: `internal error: ${text}` });
}

function reportBroken(error: unknown): void {
  reportInternal(error);
  if (isBroken) return;
  isBroken = true;
  send({ type: 'broken' });
}

function send(message: FromWorker): void {
  port.postMessage(message);
}
