/**
 * Admin listener: the API of admin-api.ts over node:http, on loopback unless told otherwise.
 *
 * Control plane: its work never runs on a worker. Small limits, because nobody needs more: few
 * connections, small heads and bodies, short timeouts, and a slow reader is cut off.
 */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { answerAdmin, errorAnswer } from './admin-api.ts';
import type { AdminAnswer, AdminHost } from './admin-api.ts';
import { createGuard } from './admin-guard.ts';

export interface AdminOptions {
  /** Numeric address or name to bind; port 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  /** Names accepted in Host beyond loopback ones and the bound host. */
  readonly names?: readonly string[];
  readonly host: AdminHost;
  /** Told about our own failures while answering (500); the error is a bug. */
  readonly onError: (error: unknown) => void;
}

export interface Admin {
  /** Binds. Rejects with the system's error when that is impossible. @returns the bound port */
  listen(): Promise<number>;
  /** Stops listening, ends idle connections, and aborts the rest after a moment. */
  close(): Promise<void>;
}

/** Largest request body. */
export const ADMIN_BODY_SIZE_MAX = 1_024;
const HEAD_SIZE_MAX = 8_192;
const CONNECTIONS_MAX = 64;
const REQUEST_TIMEOUT_MS = 5_000;
/** Longest silence of a connection, also while a response is being read. */
const IDLE_TIMEOUT_MS = 15_000;
const CLOSE_GRACE_MS = 500;

const FIELDS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
};

/** Makes the admin listener; nothing is bound before `listen`. */
export function createAdmin(options: AdminOptions): Admin {
  const guard = createGuard({ boundHost: options.address.host, names: options.names ?? [] });
  const server = createServer(
    {
      maxHeaderSize: HEAD_SIZE_MAX,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false, // The guard decides, so that HTTP/1.0 probes work.
    },
    (request, response) => {
      const refusal = guard({
        isChange: request.method !== 'GET' && request.method !== 'HEAD',
        host: request.headers.host,
        origin: request.headers.origin,
        fetchSite: single(request.headers['sec-fetch-site']),
      });
      if (refusal !== null) return send(request, response, errorAnswer(403, refusal));
      readBody(request, response, (body) => {
        send(request, response, answerSafely(options, request, body));
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(IDLE_TIMEOUT_MS);
  return { listen: () => listen(server, options.address), close: () => close(server) };
}

function answerSafely(options: AdminOptions, request: IncomingMessage, body: string): AdminAnswer {
  const path = (request.url ?? '').split('?', 1)[0]!;
  const accept = request.headers.accept ?? '';
  try {
    return answerAdmin(options.host, { method: request.method ?? '', path, accept, body });
  } catch (error) {
    options.onError(error);
    return errorAnswer(500, 'The proxy made a mistake.');
  }
}

function listen(server: Server, address: AdminOptions['address']): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', reject);
      // Later errors (EMFILE on accept) must not be fatal; the next accept tries again.
      server.on('error', () => {});
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const abort = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(abort);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** Reads at most `ADMIN_BODY_SIZE_MAX` bytes; a larger body is answered with 413. */
function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  done: (body: string) => void,
): void {
  const chunks: Uint8Array[] = [];
  let size = 0;
  request.on('data', (chunk: Uint8Array) => {
    size += chunk.length;
    if (size <= ADMIN_BODY_SIZE_MAX) chunks.push(chunk);
    else if (!response.headersSent) send(request, response, errorAnswer(413, 'Body too large.'));
  });
  request.on('end', () => {
    if (size <= ADMIN_BODY_SIZE_MAX) done(new TextDecoder().decode(Buffer.concat(chunks)));
  });
}

function send(request: IncomingMessage, response: ServerResponse, answer: AdminAnswer): void {
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(FIELDS)) response.setHeader(name, value);
  response.setHeader('content-type', answer.type);
  response.setHeader('content-length', Buffer.byteLength(answer.body));
  if (answer.allow !== undefined) response.setHeader('allow', answer.allow);
  // After a refusal the rest of the request is not worth reading.
  if (answer.status === 403 || answer.status === 413) response.setHeader('connection', 'close');
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
