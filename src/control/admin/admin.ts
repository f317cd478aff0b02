/**
 * Admin listener: the API of admin-api.ts over node:http, on a TCP address (loopback unless told
 * otherwise) or on a unix socket.
 *
 * Control plane: its work never runs on a worker. Small limits, because nobody needs more: few
 * connections, small heads and bodies, short timeouts, and a slow reader is cut off.
 * L1  over TCP, Host and Origin are guarded, and a change needs the token.
 * L2  whoever can open the unix socket may do everything: its file permissions are the guard.
 * L3  where clients must show certificates, no request of anybody else is answered; then a change
 *     needs the token only if there is one.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

import { errorAnswer } from './admin-answer.ts';
import type { AdminAnswer } from './admin-answer.ts';
import { answerAdmin } from './admin-api.ts';
import type { AdminHost } from './admin-api.ts';
import { createGuard } from './admin-guard.ts';
import type { Guard } from './admin-guard.ts';
import { asksForCertificate, createAdminServer } from './admin-tls.ts';
import type { AdminTls } from './admin-tls.ts';

/**
 * Where to listen. With `fd` the socket is bound already: the address then only says what it is.
 * Port 0 takes a free one.
 */
export type AdminAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly fd?: number }
  | { readonly kind: 'unix'; readonly path: string; readonly fd?: number };

export interface AdminOptions {
  readonly address: AdminAddress;
  /** Names accepted in Host beyond loopback ones and the bound host; TCP only. */
  readonly names?: readonly string[];
  /** TLS over TCP; null: none. */
  readonly tls: AdminTls | null;
  /**
   * What a change over TCP must bring. Null: none is accepted, unless clients show certificates.
   * Asked per request.
   */
  readonly token: () => string | null;
  /** Path of the unix socket, for the sentence that points to it; null when there is none. */
  readonly socketPath: () => string | null;
  readonly host: AdminHost;
  /** Told about our own failures while answering (500); the error is a bug. */
  readonly onError: (error: unknown) => void;
}

export interface Admin {
  /**
   * Binds, or takes `fd` over. Rejects with the system's error when that is impossible.
   * @returns the bound port; 0 for a unix socket
   */
  listen(): Promise<number>;
  /**
   * Replaces certificate and authorities for new connections. `isSameTlsMode` holds for `tls` and
   * the one before. Throws what OpenSSL says of one it cannot use, and nothing has changed then.
   */
  replaceTls(tls: AdminTls | null): void;
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
/** Longest operation: an upgrade waits for its successor. */
const OPERATION_MAX_MS = 120_000;

const FIELDS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
};

/** Makes the admin listener; nothing is bound before `listen`. */
export function createAdmin(options: AdminOptions): Admin {
  const { address } = options;
  let guard = guardOf(options, options.tls);
  const { server, replaceTls, isTrusted } = createAdminServer(
    {
      maxHeaderSize: HEAD_SIZE_MAX,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false, // The guard decides, so that HTTP/1.0 probes work.
    },
    options.tls,
    (request, response) => {
      if (!isTrusted(request)) return void request.socket.destroy(); // L3
      const refusal = guard({
        isChange: request.method !== 'GET' && request.method !== 'HEAD',
        host: request.headers.host,
        origin: request.headers.origin,
        fetchSite: single(request.headers['sec-fetch-site']),
      });
      if (refusal !== null) return send(request, response, errorAnswer(403, refusal));
      readBody(request, response, (body) => {
        request.socket.setTimeout(OPERATION_MAX_MS);
        void answerSafely(options, request, body).then((answer) => {
          request.socket.setTimeout(IDLE_TIMEOUT_MS);
          send(request, response, answer);
        });
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(IDLE_TIMEOUT_MS);
  return {
    listen: () => listen(server, address),
    replaceTls: (tls) => {
      replaceTls(tls);
      guard = guardOf(options, tls);
    },
    close: () => close(server),
  };
}

function guardOf({ address, names = [] }: AdminOptions, tls: AdminTls | null): Guard {
  if (address.kind === 'unix') return () => null;
  const isSecure = tls !== null;
  return createGuard({
    boundHost: address.host,
    names: [...names, ...(tls?.names ?? [])],
    isSecure,
  });
}

async function answerSafely(
  options: AdminOptions,
  request: IncomingMessage,
  body: string,
): Promise<AdminAnswer> {
  const [path = '', ...rest] = (request.url ?? '').split('?');
  const type = request.headers['content-type'] ?? '';
  try {
    return await answerAdmin(options.host, {
      method: request.method ?? '',
      path,
      query: new URLSearchParams(rest.join('?')),
      accept: request.headers.accept ?? '',
      contentType: type.split(';', 1)[0]!.trim().toLowerCase(),
      body,
      refusal: refusalOf(options, request),
    });
  } catch (error) {
    options.onError(error);
    return errorAnswer(500, 'The proxy made a mistake.');
  }
}

/** L1, L2. */
function refusalOf(options: AdminOptions, request: IncomingMessage): AdminAnswer | null {
  if (options.address.kind === 'unix') return null;
  const token = options.token();
  if (token === null && asksForCertificate(options.tls)) return null; // L3
  if (token === null || token === '') {
    const socket = options.socketPath();
    const other = socket === null ? 'set admin.socket' : `use the unix socket ${socket}`;
    const text = 'Changes over TCP need a token, and none is configured';
    return errorAnswer(403, `${text}: ${other}, or set admin.token or client-ca of admin.tls.`);
  }
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '');
  if (match !== null && isSameSecret(match[1]!, token)) return null;
  const text = 'This change needs Authorization: Bearer with the token of admin.token.';
  return { ...errorAnswer(401, text), challenge: 'Bearer realm="proxy-now"' };
}

/** Takes the same time wherever the two differ, and whatever their sizes. */
function isSameSecret(found: string, expected: string): boolean {
  return timingSafeEqual(digest(found), digest(expected));
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text, 'utf8').digest();
}

function listen(server: Server, address: AdminAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // Later errors (EMFILE on accept) must not be fatal; the next accept tries again.
      server.on('error', () => {});
      // A descriptor that was handed over came with its permissions.
      if (address.kind === 'unix' && address.fd === undefined) chmodSync(address.path, 0o600);
      const bound = server.address();
      resolve(bound !== null && typeof bound === 'object' ? bound.port : 0);
    });
    if (address.fd !== undefined) server.listen({ fd: address.fd });
    else if (address.kind === 'unix') server.listen({ path: address.path });
    else server.listen({ host: address.host, port: address.port });
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
  if (answer.challenge !== undefined) response.setHeader('www-authenticate', answer.challenge);
  // After a refusal the rest of the request is not worth reading.
  if (answer.status === 403 || answer.status === 413) response.setHeader('connection', 'close');
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
