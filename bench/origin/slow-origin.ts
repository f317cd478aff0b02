/**
 * The origin of workload stream-up, a process of its own: `node slow-origin.ts PORT RATE`.
 *
 * It stalls for a second on each connection, then reads RATE bytes per second of it, and answers
 * a request with a Content-Length once its body is there, with the count of body bytes read.
 */

import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { PacedReader, runTicks } from '../load/paced-reader.ts';
import { responseSize } from '../load/response-size.ts';

const STALL_MS = 1000;

const [portText, rateText] = process.argv.slice(2);

function onConnection(socket: Socket): void {
  let head: Buffer = Buffer.alloc(0);
  let expected = -1;
  let received = 0;
  socket.on('error', () => {}); // A peer that goes away is the peer's affair.
  const reader = new PacedReader(socket, Number(rateText), (bytes) => {
    received += bytes.length;
    if (expected < 0) {
      head = Buffer.concat([head, bytes]);
      expected = responseSize(head); // Requests and responses are framed alike.
    }
    if (expected < 0 || received < expected) return;
    const text = String(received - head.indexOf('\r\n\r\n') - 4);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    head = Buffer.alloc(0);
    expected = -1;
    received = 0;
  });
  runTicks(reader, STALL_MS);
}

createServer(onConnection).listen(Number(portText), '127.0.0.1', 4096);
