/**
 * Answers HTTP-01 and TLS-ALPN-01 challenges on two loopback ports, as workers would: a
 * ChallengeBoard with servers of its own.
 */

import { createServer, type Server } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls';

import type { ChallengeSpec } from '../../src/contract/tls.ts';
import type { ChallengeBoard } from '../../src/control/certificate/issuer.ts';

const PATH = '/.well-known/acme-challenge/';

export class ChallengeServer implements ChallengeBoard {
  /** What is shown now. */
  readonly shown = new Set<ChallengeSpec>();
  /** Everything that was ever shown, in order. */
  readonly history: ChallengeSpec[] = [];
  /** Kinds that are answered wrongly, though they are shown. */
  readonly broken = new Set<ChallengeSpec['kind']>();
  readonly #contexts = new Map<string, SecureContext>();
  readonly #http: Server;
  readonly #tls: NetServer;

  private constructor() {
    this.#http = createServer((request, response) => {
      const host = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
      const spec = [...this.shown].find(
        (one) =>
          one.kind === 'http-01' && one.host === host && request.url === `${PATH}${one.token}`,
      );
      response.statusCode = spec === undefined ? 404 : 200;
      const isBroken = this.broken.has('http-01');
      response.end(spec?.kind === 'http-01' && !isBroken ? spec.keyAuthorization : 'not here');
    });
    this.#tls = createTlsServer({
      ALPNProtocols: ['acme-tls/1'],
      SNICallback: (name, done) => {
        const context = this.broken.has('tls-alpn-01') ? undefined : this.#contexts.get(name);
        if (context === undefined) done(new Error('no challenge for that name'));
        else done(null, context);
      },
    });
    this.#tls.on('tlsClientError', () => undefined);
  }

  /** @param httpPort 0: any free one */
  static async start(httpPort = 0, tlsPort = 0): Promise<ChallengeServer> {
    const server = new ChallengeServer();
    await Promise.all([listen(server.#http, httpPort), listen(server.#tls, tlsPort)]);
    return server;
  }

  get httpPort(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get tlsPort(): number {
    return (this.#tls.address() as AddressInfo).port;
  }

  present(spec: ChallengeSpec): Promise<void> {
    this.shown.add(spec);
    this.history.push(spec);
    if (spec.kind === 'tls-alpn-01') {
      this.#contexts.set(spec.host, createSecureContext({ cert: spec.cert, key: spec.key }));
    }
    return Promise.resolve();
  }

  remove(spec: ChallengeSpec): void {
    this.shown.delete(spec);
    if (spec.kind === 'tls-alpn-01') this.#contexts.delete(spec.host);
  }

  async stop(): Promise<void> {
    this.#http.closeAllConnections();
    await Promise.all(
      [this.#http, this.#tls].map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      ),
    );
  }
}

function listen(server: NetServer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}
