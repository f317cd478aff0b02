/**
 * The origin of the upload workloads, a process of its own: `node upload-origin.ts PORT`.
 *
 * It reads every body to its end and only then answers 200 with the count of bytes it read, so a
 * peer cannot gain by not delivering. GET /total answers all body bytes read since the start.
 */

import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';

let total = 0;

function answer(response: ServerResponse, value: number): void {
  const text = String(value);
  response.writeHead(200, { 'Content-Length': text.length });
  response.end(text);
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  let size = 0;
  request.on('data', (bytes: Buffer) => {
    size += bytes.length;
  });
  request.on('end', () => {
    total += size;
    answer(response, request.url === '/total' ? total : size);
  });
}

const server = createServer({ keepAliveTimeout: 300_000, requestTimeout: 0 }, onRequest);
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
