/**
 * TLS of the admin listener: the server below the API, over TLS or not.
 *
 * T1  fail closed: where clients are to show certificates, a connection without a valid one ends
 *     in its handshake, and `isTrusted` asks again before each request.
 * T2  nothing is resumed: a client is verified anew by each connection, under the authorities of
 *     that moment.
 * T3  a certificate or authority that was replaced holds for new connections; the socket stays,
 *     idle connections are closed.
 */

import { constants } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server as TlsServer } from 'node:https';
import type { SecureContextOptions, TLSSocket } from 'node:tls';

export interface AdminTls {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** Names in the certificate: those a browser may have checked it for. */
  readonly names: readonly string[];
  /** PEM texts. Not empty: every client shows a certificate of one of these authorities. */
  readonly clientCas: readonly string[];
}

/** True when both can be served by one server: the rest is replaced while it runs. */
export function isSameTlsMode(a: AdminTls | null, b: AdminTls | null): boolean {
  if (a === null || b === null) return a === b;
  return asksForCertificate(a) === asksForCertificate(b);
}

/** True when nobody gets in without a certificate. */
export function asksForCertificate(tls: AdminTls | null): boolean {
  return tls !== null && tls.clientCas.length > 0;
}

export interface AdminServer {
  readonly server: Server;
  /**
   * Takes over what holds for new connections. The mode must be the same (`isSameTlsMode`).
   * Throws what OpenSSL says of a certificate or key it cannot use; then all stays as it was.
   */
  replaceTls(tls: AdminTls | null): void;
  /** T1. Always true without TLS, and where nobody is asked. */
  isTrusted(request: IncomingMessage): boolean;
}

/** Throws what OpenSSL says of a certificate or key it cannot use. */
export function createAdminServer(
  options: ServerOptions,
  tls: AdminTls | null,
  listener: RequestListener,
): AdminServer {
  if (tls === null) {
    const server = createServer(options, listener);
    return { server, replaceTls: () => {}, isTrusted: () => true };
  }
  const asks = asksForCertificate(tls);
  const verify = { requestCert: asks, rejectUnauthorized: asks };
  const context = contextOptions(tls);
  const handshakeTimeout = options.headersTimeout ?? 0;
  const server: TlsServer = createTlsServer(
    { ...options, ...context, ...verify, handshakeTimeout },
    listener,
  );
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return {
    server,
    replaceTls: (next) => {
      if (next === null) return;
      server.setSecureContext(contextOptions(next));
      server.closeIdleConnections(); // Whoever waits there was let in under what held before.
    },
    isTrusted: ({ socket }) => !asks || (socket as TLSSocket).authorized,
  };
}

function contextOptions({ chain, key, clientCas }: AdminTls): SecureContextOptions {
  return {
    cert: chain,
    key,
    ca: [...clientCas], // Not absent, even if empty: Node would trust its own list.
    minVersion: 'TLSv1.2',
    secureOptions:
      constants.SSL_OP_NO_TICKET |
      constants.SSL_OP_NO_RENEGOTIATION |
      constants.SSL_OP_NO_COMPRESSION, // T2.
  };
}
