/**
 * JavaScript heap bytes allocated per exchange, as Proxy Now's own counters tell it: the growth
 * of allocated bytes over the growth of requests, between two readings in steady state.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { plainGet } from './load/wrk.ts';
import { runWrk } from './measure-cpu.ts';
import { makeRow } from './row.ts';
import type { Row } from './row.ts';
import type { RunningPeer } from './running-peer.ts';
import type { Session } from './session.ts';

const ALLOCATED = 'proxy_now_worker_heap_allocated_bytes_total';
const REQUESTS = 'proxy_now_requests_total';
/** Workers refresh what they sample about once a second. */
const REFRESH_MS = 2500;
const WARM_UP_SECONDS = 3;
const SCRAPE_TIMEOUT_MS = 5000;

/**
 * Adds up all samples of one metric in Prometheus text, whatever their labels.
 * @returns null when there is none
 */
export function sumMetric(text: string, name: string): number | null {
  let sum: number | null = null;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const rest = line.slice(name.length);
    if (!rest.startsWith('{') && !rest.startsWith(' ')) continue; // A longer name.
    // A label value may hold anything, so the value is what follows the last brace.
    const value = Number(
      rest
        .slice(rest.lastIndexOf('}') + 1)
        .trim()
        .split(' ')[0],
    );
    if (Number.isFinite(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}

async function scrape(port: number): Promise<{ allocated: number; requests: number } | null> {
  const url = `http://127.0.0.1:${port}/metrics`;
  const response = await fetch(url, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) });
  const text = await response.text();
  const allocated = sumMetric(text, ALLOCATED);
  const requests = sumMetric(text, REQUESTS);
  return allocated === null || requests === null ? null : { allocated, requests };
}

/** Drives `peer`, which has an admin listener with these metrics. */
export async function measureHeap(
  session: Session,
  peer: RunningPeer,
  seconds: number,
): Promise<Row> {
  const connections = 64;
  const warm = { seconds: WARM_UP_SECONDS, connections };
  await runWrk(session, peer, plainGet('/64'), warm);
  await delay(REFRESH_MS);
  const before = await scrape(peer.setup.adminPort);
  const load = await runWrk(session, peer, plainGet('/64'), { seconds, connections });
  await delay(REFRESH_MS);
  const after = await scrape(peer.setup.adminPort);
  if (before === null || after === null || load === null) {
    return makeRow('alloc', peer.name, { unit: 'B/req', note: `no ${ALLOCATED} at /metrics` });
  }
  const requests = after.requests - before.requests;
  const figure = (after.allocated - before.allocated) / requests;
  session.say(`alloc ${peer.name}: ${figure.toFixed(0)} bytes over ${requests} requests`);
  // The load generator counts answers it saw; the peer may have had 64 more under way.
  const isCounted = Math.abs(requests - load.requests) <= 2 * connections + 0.001 * requests;
  return makeRow('alloc', peer.name, {
    figure,
    unit: 'B/req',
    requestsPerSecond: load.requests / load.seconds,
    errors: load.errors,
    note: isCounted ? '' : `requests counted: ${requests}, sent: ${load.requests}`,
  });
}
