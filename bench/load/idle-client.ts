/**
 * Holds idle connections, a process of its own: `node idle-client.ts PORT COUNT`.
 *
 * Each connection sends one request, reads the answer and then stays silent until this process
 * is ended. They come from many loopback addresses, so that a limit per client address is not
 * what is measured. Prints `RESULT {"open":N,"errors":N}` when all are idle, `LOST` for each
 * that closes later.
 */

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { responseSize } from './response-size.ts';

const ADDRESSES = 200;
const CONNECTING_MAX = 50;

const [portText, countText] = process.argv.slice(2);
const port = Number(portText);
const count = Number(countText);
const request = `GET /64 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

const held: Socket[] = [];
let started = 0;
let errors = 0;

function openNext(): void {
  if (started === count) return;
  const localAddress = `127.0.0.${2 + (started++ % ADDRESSES)}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  let received: Buffer = Buffer.alloc(0);
  let isHeld = false;
  socket.on('connect', () => socket.write(request));
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes as Buffer]);
    const size = responseSize(received);
    if (size < 0 || received.length < size) return;
    received = Buffer.alloc(0);
    isHeld = true;
    held.push(socket);
    settle();
  });
  socket.on('error', () => {}); // Counted when it closes.
  socket.on('close', () => {
    if (isHeld) {
      process.stdout.write('LOST\n');
    } else {
      errors++;
      settle();
    }
  });
}

function settle(): void {
  if (held.length + errors === count) {
    process.stdout.write(`RESULT ${JSON.stringify({ open: held.length, errors })}\n`);
  }
  openNext();
}

for (let i = 0; i < CONNECTING_MAX; i++) openNext();
