/**
 * How evenly the kernel deals connections out to workers (SO_REUSEPORT hashes the addresses and
 * ports of each new one), and how evenly their CPU time is spent.
 *
 *     node bench/micro/imbalance.ts [--workers 2] [--rounds 10] [--seconds 1]
 *
 * Each round opens that many connections anew and sends paced requests on all of them. The share
 * is the busiest worker's part; 1 / workers would be even. It needs two free cores at best, but
 * the dealing of connections does not depend on them.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Child } from '../../test/support/child.ts';
import { freePorts } from '../../test/support/free-port.ts';
import { PROXY_BINARY } from '../../test/support/proxy.ts';

const CONNECTION_COUNTS = [10, 100, 1_000];
/** Requests a second, over all connections. */
const RATE = 2_000;
/** Longer than a worker's sample interval. */
const SETTLE_MS = 600;

interface Round {
  readonly connectionShare: number;
  readonly cpuShare: number;
}

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '1' },
  },
});

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** Values of a metric by worker, in order. */
async function scrape(adminPort: number, name: string): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const rows = text.matchAll(new RegExp(`^${name}\\{worker="(\\d+)"\\} (\\S+)$`, 'gm'));
  return [...rows].map(([, , value]) => Number(value));
}

function busiest(numbers: readonly number[]): number {
  return (
    Math.max(...numbers) /
    Math.max(
      numbers.reduce((sum, one) => sum + one, 0),
      1e-9,
    )
  );
}

async function openSockets(port: number, count: number): Promise<net.Socket[]> {
  const opened = Array.from({ length: count }, () => {
    return new Promise<net.Socket>((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', reject);
      socket.resume();
    });
  });
  return Promise.all(opened);
}

async function runRound(port: number, adminPort: number, count: number): Promise<Round> {
  const sockets = await openSockets(port, count);
  const before = await scrape(adminPort, 'proxy_now_worker_cpu_seconds_total');
  const endMs = performance.now() + Number(values.seconds) * 1_000;
  for (let next = 0; performance.now() < endMs;) {
    for (let i = 0; i < RATE / 100; i++) {
      sockets[next++ % count]!.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    }
    await delay(10);
  }
  await delay(SETTLE_MS);
  const after = await scrape(adminPort, 'proxy_now_worker_cpu_seconds_total');
  const connections = await scrape(adminPort, 'proxy_now_worker_connections');
  for (const socket of sockets) socket.destroy();
  await delay(SETTLE_MS);
  return {
    connectionShare: busiest(connections),
    cpuShare: busiest(after.map((cpu, index) => cpu - before[index]!)),
  };
}

async function run(): Promise<void> {
  const origin = http.createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const [port, adminPort] = await freePorts(2);
  const folder = mkdtempSync(join(tmpdir(), 'proxy-now-'));
  const file = join(folder, 'proxy-now.toml');
  const { port: originPort } = origin.address() as AddressInfo;
  writeFileSync(
    file,
    `workers = ${values.workers}\n[admin]\naddress = "127.0.0.1:${adminPort}"\nsocket = "off"\n` +
      `[listeners.web]\naddress = "127.0.0.1:${port}"\n` +
      `[routes.all]\npath = "/*"\nservice = "o"\n` +
      `[services.o]\nendpoints = ["http://127.0.0.1:${originPort}"]\n`,
  );
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
  try {
    await proxy.ready(/\bready\b/i, 20_000);
    const even = 1 / Number(values.workers);
    console.log(`${values.workers} workers; an even share is ${even.toFixed(2)}`);
    console.log('connections  busiest: connections (median, worst)  CPU (median, worst)');
    for (const count of CONNECTION_COUNTS) {
      const rounds: Round[] = [];
      for (let i = 0; i < Number(values.rounds); i++) {
        rounds.push(await runRound(port!, adminPort!, count));
      }
      const connections = rounds.map((round) => round.connectionShare);
      const cpu = rounds.map((round) => round.cpuShare);
      const cells = [median(connections), Math.max(...connections), median(cpu), Math.max(...cpu)];
      const [a, b, c, d] = cells.map((cell) => cell.toFixed(2));
      console.log(`${String(count).padStart(11)}  ${a}, ${b}  ${c}, ${d}`);
    }
  } finally {
    await proxy.stop();
    origin.closeAllConnections();
    origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await run();
