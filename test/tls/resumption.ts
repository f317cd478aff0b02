/**
 * Session resumption across workers: connections that bring a ticket of an earlier one, spread by
 * the kernel over all workers, and how many of them the proxy takes up again.
 *
 *   node test/tls/resumption.ts                      2 workers, 500 connections per version, table
 *   node test/tls/resumption.ts --connections 5000   more of them
 *   node test/tls/resumption.ts --workers 4 --json
 *
 * Exit code 1 when less than 99 % are resumed.
 */

import { once } from 'node:events';
import tls from 'node:tls';
import { parseArgs } from 'node:util';
import { endOnSignals } from '../support/child.ts';
import { readMetrics } from '../support/metrics.ts';
import { HOST, TlsStage } from '../support/tls-stage.ts';
import { until } from '../support/wait.ts';

export interface ResumptionResult {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  readonly connections: number;
  readonly resumed: number;
  /** Handshakes that failed. */
  readonly failed: number;
  /** How many of `HELD` connections at one time each worker has: the kernel deals them out. */
  readonly perWorker: readonly number[];
}

const PARALLEL = 8;
/** Connections that are kept open at the end. */
const HELD = 64;
const WAIT_MS = 5_000;
const WORKER_CONNECTIONS = /^proxy_now_worker_connections\{.*$/gm;

/** Connections of both versions against a proxy with `workers`. */
export async function measureResumption(
  workers: number,
  connections: number,
): Promise<ResumptionResult[]> {
  const stage = await TlsStage.open({ workers });
  try {
    const results: ResumptionResult[] = [];
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      results.push(await measure(stage, version, connections));
    }
    return results;
  } finally {
    await stage.close();
  }
}

async function measure(
  stage: TlsStage,
  version: ResumptionResult['version'],
  connections: number,
): Promise<ResumptionResult> {
  let resumed = 0;
  let failed = 0;
  let left = connections;
  const lane = async (): Promise<void> => {
    let session = (await connect(stage, version, null)).session;
    while (left-- > 0) {
      const seen = await connect(stage, version, session).catch(() => null);
      if (seen === null) failed++;
      else if (seen.isResumed) resumed++;
      // A ticket is used once (RFC 8446 §C.4): the next connection brings the newest one.
      session = seen?.session ?? session;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  return { version, connections, resumed, failed, perWorker: await dealtOut(stage) };
}

/** Opens connections, looks who has them, and closes them. */
async function dealtOut(stage: TlsStage): Promise<number[]> {
  const sockets = Array.from({ length: HELD }, () =>
    tls.connect({ host: '127.0.0.1', port: stage.port, servername: HOST, ca: stage.authority.pem }),
  );
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'secureConnect')));
    const counts = async (): Promise<number[]> => {
      const lines = (await readMetrics(stage.adminPort)).match(WORKER_CONNECTIONS) ?? [];
      return lines.map((line) => Number(line.split(' ').at(-1)));
    };
    // Figures are written now and then.
    await until(async () => sum(await counts()) >= HELD, 'all connections in the metrics');
    return await counts();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** One connection with one request; resolves with the newest ticket it was given. */
function connect(
  stage: TlsStage,
  version: ResumptionResult['version'],
  session: Buffer | null,
): Promise<{ readonly session: Buffer; readonly isResumed: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: stage.port,
      servername: HOST,
      ca: stage.authority.pem,
      minVersion: version,
      maxVersion: version,
      ...(session === null ? {} : { session }),
    });
    let newest: Buffer | null = session;
    let isResumed = false;
    socket.setTimeout(WAIT_MS, () => socket.destroy(new Error('silent')));
    socket.on('error', reject);
    socket.on('session', (ticket) => (newest = ticket));
    socket.on('secureConnect', () => {
      isResumed = socket.isSessionReused();
      socket.write(`GET / HTTP/1.1\r\nhost: ${HOST}\r\nconnection: close\r\n\r\n`);
    });
    socket.resume();
    socket.on('end', () => {
      socket.end();
      if (newest === null) reject(new Error('no ticket'));
      else resolve({ session: newest, isResumed });
    });
    socket.on('close', () => reject(new Error('closed early')));
  });
}

/** Nearly all are resumed, and it was not one worker that had them all. */
export function isGood({ connections, resumed, failed, perWorker }: ResumptionResult): boolean {
  const isSpread = perWorker.every((count) => count > 0);
  return failed === 0 && isSpread && resumed >= connections * 0.99;
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      workers: { type: 'string', default: '2' },
      connections: { type: 'string', default: '500' },
    },
  });
  const results = await measureResumption(Number(values.workers), Number(values.connections));
  if (values.json) console.log(JSON.stringify(results, null, 2));
  else {
    for (const { version, connections, resumed, failed, perWorker } of results) {
      const share = ((100 * resumed) / connections).toFixed(2);
      console.log(
        `${version}  ${resumed} of ${connections} resumed (${share} %), ${failed} failed; ` +
          `${HELD} at once lie ${perWorker.join(' and ')} on the workers`,
      );
    }
  }
  if (!results.every(isGood)) process.exitCode = 1;
}

if (import.meta.main) await main();
