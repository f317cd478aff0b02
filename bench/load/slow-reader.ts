/**
 * Slow downloads, a process of its own: `node slow-reader.ts PORT PATH COUNT SIZE RATE`.
 *
 * COUNT connections ask for PATH at once, take nothing for a second beyond what the kernel holds
 * (the moment in which a proxy without backpressure swallows the whole body), then read RATE
 * bytes per second each. Prints `RESULT {"done":N,"errors":N}` when all have ended; a body that
 * is not SIZE bytes long is an error.
 */

import { openLoopback, PacedReader, runTicks } from './paced-reader.ts';
import { responseSize } from './response-size.ts';

const STALL_MS = 1000;

const [portText, path, countText, sizeText, rateText] = process.argv.slice(2);
const port = Number(portText);
const count = Number(countText);
const size = Number(sizeText);

let done = 0;
let errors = 0;

function onEnded(isWhole: boolean): void {
  if (isWhole) done++;
  else errors++;
  if (done + errors < count) return;
  const line = `RESULT ${JSON.stringify({ done, errors })}\n`;
  process.stdout.write(line, () => process.exit(0));
}

function download(): PacedReader {
  const socket = openLoopback(port);
  let head: Buffer = Buffer.alloc(0);
  let expected = -1;
  let received = 0;
  let isWhole = false;
  const reader = new PacedReader(socket, Number(rateText), (bytes) => {
    received += bytes.length;
    if (expected < 0) {
      head = Buffer.concat([head, bytes]);
      expected = responseSize(head);
    }
    if (expected < 0 || received < expected) return;
    const isOk = head.toString('latin1', 0, 13) === 'HTTP/1.1 200 ';
    const bodySize = received - head.indexOf('\r\n\r\n') - 4;
    isWhole = isOk && bodySize === size;
    socket.destroy();
  });
  socket.on('close', () => onEnded(isWhole));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  return reader;
}

for (let i = 0; i < count; i++) runTicks(download(), STALL_MS);
