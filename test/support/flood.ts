/**
 * Plain load that costs little to make: many kept-alive GETs of one small answer, and the origin
 * that gives it, in one process.
 *
 *     node test/support/flood.ts '{"connections":16}'
 *
 * It writes `{"originPort":N}`, then each second `{"done":N,"lost":N}` since the start. It reads
 * `{"port":N,"rate":N}` lines: where to send how many requests per second; 0 stops it. Connections
 * that end are opened again; requests on them count as lost.
 */

import net from 'node:net';
import { createInterface } from 'node:readline';
import { listenLoopback } from './free-port.ts';

const TICK_MS = 2;
/** Requests that wait for a free connection; beyond it they are not begun. */
const OWED_MAX = 200;
const REQUEST = Buffer.from('GET /flood/x HTTP/1.1\r\nHost: flood.test\r\n\r\n');
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Flood: 1\r\n\r\n--flood-');
const END = ANSWER.subarray(-8);

const { connections } = JSON.parse(process.argv[2] ?? '{"connections":16}') as {
  readonly connections: number;
};
let order = { port: 0, rate: 0 };
let owed = 0;
let done = 0;
let lost = 0;
const free: net.Socket[] = [];

/** Answers each request head; heads come whole, for the proxy sends each in one write. */
const origin = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => undefined);
  socket.on('data', () => socket.write(ANSWER));
});

function send(): void {
  while (owed >= 1 && free.length > 0) {
    owed--;
    const socket = free.shift()!;
    if (!socket.destroyed) socket.write(REQUEST);
  }
}

function open(port: number): void {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  let isAsked = false;
  socket.on('connect', () => {
    isAsked = true;
    free.push(socket);
  });
  socket.on('data', (bytes: Buffer) => {
    if (!bytes.subarray(-END.length).equals(END)) return;
    done++;
    free.push(socket);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    const at = free.indexOf(socket);
    if (at >= 0) free.splice(at, 1);
    else if (isAsked) lost++;
    if (order.port === port) setTimeout(() => open(port), 50);
  });
}

const originPort = await listenLoopback(origin);
process.stdout.write(`${JSON.stringify({ originPort })}\n`);
let lastMs = performance.now();
setInterval(() => {
  const nowMs = performance.now();
  owed = Math.min(OWED_MAX, owed + ((nowMs - lastMs) * order.rate) / 1_000);
  lastMs = nowMs;
  send();
}, TICK_MS);
setInterval(() => process.stdout.write(`${JSON.stringify({ done, lost })}\n`), 1_000);
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const before = order.port;
  order = JSON.parse(line) as typeof order;
  if (before === order.port) return;
  for (let i = 0; i < connections; i++) open(order.port);
});
input.on('close', () => process.exit(0));
