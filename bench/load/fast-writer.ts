/**
 * Large uploads, a process of its own: `node fast-writer.ts PORT COUNT SIZE`.
 *
 * COUNT connections send SIZE bytes each, as fast as the peer takes them. Prints
 * `RESULT {"done":N,"errors":N}` when all have ended; an upload whose answer is not 200 with SIZE
 * in its body, the count of bytes the origin read, is an error.
 */

import { openLoopback } from './paced-reader.ts';
import { responseSize } from './response-size.ts';

const PART = Buffer.alloc(65_536, 'x');

const [portText, countText, sizeText] = process.argv.slice(2);
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

function upload(): void {
  const socket = openLoopback(port);
  let left = size;
  let answer: Buffer = Buffer.alloc(0);
  const send = (): void => {
    while (left > 0) {
      const part = left < PART.length ? PART.subarray(0, left) : PART;
      left -= part.length;
      if (!socket.write(part)) return;
    }
  };
  socket.on('drain', send);
  socket.on('data', (bytes) => {
    answer = Buffer.concat([answer, bytes as Buffer]);
    const expected = responseSize(answer);
    if (expected >= 0 && answer.length >= expected) socket.destroy();
  });
  socket.on('close', () => {
    const text = answer.toString('latin1');
    onEnded(left === 0 && text.startsWith('HTTP/1.1 200 ') && text.endsWith(`\r\n\r\n${size}`));
  });
  const fields = `Host: 127.0.0.1:${port}\r\nContent-Length: ${size}\r\n`;
  socket.write(`POST / HTTP/1.1\r\n${fields}\r\n`);
  send();
}

for (let i = 0; i < count; i++) upload();
