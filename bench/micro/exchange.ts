/**
 * Cost of one whole exchange without a kernel (client bytes in, request out, response in, answer
 * out) and of one `tryAcquire` with its release: nanoseconds and bytes of JavaScript heap each.
 *
 *     node bench/micro/exchange.ts [--json] [--rounds 7]
 *
 * Median of several rounds in which all rows take turns. The backend hands bytes over by calls, so
 * the difference to a measured request is what sockets cost.
 */

import { getHeapStatistics } from 'node:v8';

import { latin1Bytes } from '../../src/base/ascii.ts';
import { createMetricBuffer } from '../../src/contract/metric-layout.ts';
import type { TlsState } from '../../src/contract/tls.ts';
import type { AttemptEvents } from '../../src/data/pool/attempt-events.ts';
import { DataPlane } from '../../src/data/listener/data-plane.ts';
import { appToml, compileToml } from '../../test/simulation/world.ts';
import { DirectBackend } from './direct-backend.ts';

const BATCH = 5_000;
/** Calls before anything counts: past the last tier of the compiler. */
const WARM_UP = 40_000;

interface Row {
  readonly name: string;
  readonly run: () => void;
  readonly ns: number[];
  readonly bytes: number[];
}

const LOAD_TOOL =
  'GET /api/items?id=42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n' +
  'User-Agent: load/1.0\r\nAccept: */*\r\n\r\n';
const UPLOAD =
  'POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1024\r\n\r\n' + 'u'.repeat(1_024);
const SMALL =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n' +
  `Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n${'.'.repeat(63)}\n`;
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  `${(10_240).toString(16)}\r\n${'.'.repeat(10_240)}\r\n0\r\n\r\n`;

const NO_TLS_STATE: TlsState = {
  certificates: [],
  challenges: [],
  ticketSecrets: { current: new Uint8Array(32), previous: null },
};

interface Stage {
  readonly backend: DirectBackend;
  readonly plane: DataPlane;
}

async function openStage(): Promise<Stage> {
  const backend = new DirectBackend();
  const options = {
    backend,
    cells: new Float64Array(createMetricBuffer()),
    workerCount: 1,
    middleware: fail,
    servesListener: () => true,
    tls: NO_TLS_STATE,
    wantCertificate: fail,
    reportInternal: fail,
    reportProblem: fail,
    reportListenError: fail,
    reportOutlier: fail,
  };
  const plane = new DataPlane(options, await compileToml(appToml()));
  plane.listen({}, () => {});
  backend.runDeferred();
  return { backend, plane };
}

function fail(reason: unknown): never {
  throw new Error(`the data plane failed: ${String(reason)}`);
}

/** One exchange after the other on one client connection and one upstream connection. */
async function exchangeRow(name: string, request: string, response: string): Promise<Row> {
  const { backend } = await openStage();
  const requestBytes = latin1Bytes(request);
  const responseBytes = latin1Bytes(response);
  const client = backend.accept();
  const run = (): void => {
    const before = client.writtenSize;
    backend.deliver(client, requestBytes);
    backend.deliver(backend.connections[0]!, responseBytes);
    if (client.writtenSize <= before || client.lastByte !== 0x0a) fail('no whole answer');
  };
  run();
  if (backend.connections.length !== 1) fail('the connection was not reused');
  return { name, run, ns: [], bytes: [] };
}

async function acquireRow(): Promise<Row> {
  const { backend, plane } = await openStage();
  const client = backend.accept();
  backend.deliver(client, latin1Bytes(LOAD_TOOL));
  backend.deliver(backend.connections[0]!, latin1Bytes(SMALL));
  const { pool } = plane.plane.linked.routes[0]!.service.endpoints[0]!;
  const attempt = {} as AttemptEvents; // Nothing is sent, so nothing of it is called.
  const run = (): void => {
    const connection = pool.tryAcquire(attempt);
    if (connection === null) fail('no idle connection');
    pool.release(connection);
  };
  return { name: 'tryAcquire + release', run, ns: [], bytes: [] };
}

function runBatch(run: () => void, count: number): void {
  for (let i = 0; i < count; i++) run();
}

/** Bytes ever allocated on the heap of this isolate. */
function allocatedBytes(): number {
  return (getHeapStatistics() as { total_allocated_bytes?: number }).total_allocated_bytes ?? NaN;
}

function measure(row: Row): void {
  const bytesBefore = allocatedBytes();
  const start = performance.now();
  runBatch(row.run, BATCH);
  row.ns.push(((performance.now() - start) * 1e6) / BATCH);
  row.bytes.push((allocatedBytes() - bytesBefore) / BATCH);
}

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const roundsAt = args.indexOf('--rounds');
  const rounds = Math.min(100, Math.max(1, roundsAt < 0 ? 7 : Number(args[roundsAt + 1]) || 7));
  const rows = [
    await exchangeRow('GET, 64 bytes back', LOAD_TOOL, SMALL),
    await exchangeRow('GET, 10 KB chunked back', LOAD_TOOL, CHUNKED),
    await exchangeRow('POST of 1 KB, 64 bytes back', UPLOAD, SMALL),
    await acquireRow(),
  ];
  for (const row of rows) runBatch(row.run, WARM_UP);
  for (let round = 0; round < rounds; round++) rows.forEach(measure);
  const results = rows.map(({ name, ns, bytes }) => ({
    name,
    ns: Number(median(ns).toFixed(1)),
    heapBytes: Number(median(bytes).toFixed(1)),
  }));
  if (args.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ results })}\n`);
    return;
  }
  process.stdout.write(`${'one of'.padEnd(30)}${'ns'.padStart(10)}${'heap bytes'.padStart(14)}\n`);
  for (const { name, ns, heapBytes } of results) {
    const figures = ns.toFixed(0).padStart(10) + heapBytes.toFixed(0).padStart(14);
    process.stdout.write(`${name.padEnd(30)}${figures}\n`);
  }
}

await main();
