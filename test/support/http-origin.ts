/**
 * A plain node:http origin on a free loopback port (or a unix socket), closed with the test.
 */

import http from 'node:http';
import type net from 'node:net';
import { listenLoopback } from './free-port.ts';

export interface HttpOrigin {
  readonly server: http.Server;
  readonly port: number;
  /** Connections accepted so far. */
  readonly connectionCount: () => number;
  close(): Promise<void>;
}

/** Starts `handler` on port 0, or on `path` when given. */
export async function startOrigin(
  handler: http.RequestListener,
  path?: string,
): Promise<HttpOrigin> {
  const server = http.createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, handler);
  const sockets = new Set<net.Socket>();
  let count = 0;
  server.on('connection', (socket) => {
    count++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  let port = 0;
  if (path === undefined) port = await listenLoopback(server);
  else await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    server,
    port,
    connectionCount: () => count,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export interface FetchOptions extends http.RequestOptions {
  readonly body?: Buffer | string;
}

export interface Fetched {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request over node:http; rejects when the response is cut off. */
export function fetchFrom(
  port: number,
  path: string,
  options: FetchOptions = {},
): Promise<Fetched> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...rest });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        });
      });
    });
    request.end(body);
  });
}
