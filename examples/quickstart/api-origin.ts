/**
 * The `api` origin of the quick start: shows what an origin sees behind the proxy.
 *
 *   ANY /api/echo            what arrived: method, target, header fields, body size, addresses
 *   GET /api/sse             server-sent events, one a second
 *   GET /api/ws              WebSocket echo
 *   GET /api/slow?ms=2000    an answer that takes its time (at most a minute)
 *   PUT|POST /api/upload     counts and hashes the body without storing it
 */

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { acceptWebSocket } from './websocket-echo.ts';

const SLOW_MS_MAX = 60_000;
const EVENT_INTERVAL_MS = 1_000;

/** The origin, not listening yet. */
export function createApiOrigin(): Server {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://origin');
    response.setHeader('x-origin', 'api');
    if (url.pathname === '/api/sse') sendEvents(request, response);
    else if (url.pathname === '/api/slow') answerLate(url, response);
    else if (url.pathname === '/api/upload') receiveUpload(request, response);
    else if (url.pathname === '/api/echo') echo(request, response);
    else sendJson(response, 404, { error: 'no such page', see: '/api/echo' });
  });
  server.on('upgrade', (request, socket, head) => {
    if (new URL(request.url ?? '/', 'http://origin').pathname === '/api/ws') {
      acceptWebSocket(request, socket, head);
    } else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  return server;
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value, null, 2) + '\n';
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  let size = 0;
  request.on('data', (bytes: Buffer) => {
    size += bytes.length;
  });
  request.on('end', () => {
    const { localAddress, localPort, remotePort } = request.socket;
    const fields: [string, string][] = [];
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
      fields.push([request.rawHeaders[i]!, request.rawHeaders[i + 1]!]);
    }
    sendJson(response, 200, {
      method: request.method,
      target: request.url,
      version: request.httpVersion,
      endpoint: `${localAddress}:${localPort}`,
      // Stays the same while the proxy reuses one connection.
      connectionPort: remotePort,
      fields,
      bodySize: size,
    });
  });
}

function sendEvents(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  });
  let id = 0;
  const send = (): void => {
    response.write(`id: ${++id}\ndata: ${new Date().toISOString()}\n\n`);
  };
  send();
  const timer = setInterval(send, EVENT_INTERVAL_MS);
  request.on('close', () => clearInterval(timer));
  response.on('close', () => clearInterval(timer));
}

function answerLate(url: URL, response: ServerResponse): void {
  const asked = Number(url.searchParams.get('ms') ?? 2_000);
  const delayMs = Number.isFinite(asked) ? Math.min(Math.max(asked, 0), SLOW_MS_MAX) : 0;
  const timer = setTimeout(() => sendJson(response, 200, { waitedMs: delayMs }), delayMs);
  response.on('close', () => clearTimeout(timer));
}

function receiveUpload(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256');
  let size = 0;
  request.on('data', (bytes: Buffer) => {
    size += bytes.length;
    hash.update(bytes);
  });
  request.on('end', () => sendJson(response, 200, { size, sha256: hash.digest('hex') }));
}
