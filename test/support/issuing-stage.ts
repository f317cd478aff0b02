/**
 * The real proxy beside an ACME authority: three names, each proved in its own way, and what a
 * client sees of them.
 *
 * HTTP-01 and TLS-ALPN-01 are answered by the proxy's own listeners, at the ports where the
 * authority looks; DNS-01 goes through a webhook that writes into the authority's DNS.
 */

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import tls from 'node:tls';
import { Child } from './child.ts';
import type { FakeCa } from './fake-ca.ts';
import { freePorts, listenLoopback } from './free-port.ts';
import { startOrigin } from './http-origin.ts';
import type { HttpOrigin } from './http-origin.ts';
import type { Pebble } from './pebble.ts';
import { PROXY_BINARY } from './proxy.ts';
import { scratchDirectory } from './subject.ts';
import { delay } from './wait.ts';

/** How each name is proved; what a client asks for is `served`. */
export const NAMES = [
  { challenge: 'http-01', name: 'http.example.test', served: 'http.example.test' },
  { challenge: 'tls-alpn-01', name: 'alpn.example.test', served: 'alpn.example.test' },
  { challenge: 'dns-01', name: '*.wild.example.test', served: 'any.wild.example.test' },
] as const;

export type StageName = (typeof NAMES)[number];

/** What the stage needs to know of an authority. */
export interface StageAuthority {
  readonly directory: string;
  /** Empty: it is spoken to without TLS. */
  readonly caFile: string;
  readonly httpPort: number;
  readonly tlsPort: number;
  /** `host:port`. */
  readonly dns: string;
  /** Puts a TXT record into DNS, or takes all of a name out. */
  setTxt(name: string, value: string | null): Promise<void>;
}

/** Pebble as the authority of a stage, perhaps behind a gate with another directory. */
export function pebbleAuthority(pebble: Pebble, directory = pebble.directory): StageAuthority {
  const { caFile, httpPort, tlsPort, dns } = pebble;
  return {
    directory,
    caFile,
    httpPort,
    tlsPort,
    dns,
    setTxt: (name, value) =>
      value === null
        ? pebble.tell('clear-txt', { host: `${name}.` })
        : pebble.tell('set-txt', { host: `${name}.`, value }),
  };
}

/** The fake authority, which takes every challenge for granted. */
export async function fakeAuthority(ca: FakeCa): Promise<StageAuthority> {
  const [httpPort, tlsPort] = await freePorts(2);
  return {
    directory: ca.directory,
    caFile: '',
    httpPort: httpPort!,
    tlsPort: tlsPort!,
    dns: '127.0.0.1:9',
    setTxt: () => Promise.resolve(),
  };
}

export interface Served {
  readonly serial: string;
  readonly names: readonly string[];
  readonly notAfterMs: number;
  readonly issuer: string;
  /** DER of the leaf. */
  readonly raw: Buffer;
  /** Of the answer to `GET /`. */
  readonly status: number;
  readonly body: string;
}

/** True for a certificate of an authority, and not of the proxy itself. */
export function isFromAuthority({ issuer }: Served): boolean {
  return !issuer.includes('Proxy Now');
}

export interface StageOptions {
  readonly names?: readonly StageName[];
  readonly workers?: number;
  /** Further lines of the configuration. */
  readonly tables?: string;
  /** Settings of DNS-01 in place of the webhook. */
  readonly dns?: string;
  /** Folder of the store; one of its own otherwise. */
  readonly store?: string;
  /** Ports of the listeners, where the authority does not have to reach them. */
  readonly ports?: { readonly http: number; readonly tls: number };
}

export class IssuingStage {
  readonly authority: StageAuthority;
  readonly folder = scratchDirectory();
  readonly store: string;
  readonly file: string;
  readonly names: readonly StageName[];
  readonly tlsPort: number;
  child: Child | null = null;
  readonly #httpPort: number;
  readonly #origin: HttpOrigin;
  readonly #webhook: http.Server;
  readonly #options: StageOptions;

  private constructor(
    authority: StageAuthority,
    origin: HttpOrigin,
    webhook: { readonly server: http.Server; readonly port: number },
    options: StageOptions,
  ) {
    this.authority = authority;
    this.#origin = origin;
    this.#webhook = webhook.server;
    this.#options = options;
    this.names = options.names ?? NAMES;
    this.#httpPort = options.ports?.http ?? authority.httpPort;
    this.tlsPort = options.ports?.tls ?? authority.tlsPort;
    this.store = options.store ?? path.join(this.folder, 'store');
    this.file = path.join(this.folder, 'proxy-now.toml');
    fs.writeFileSync(this.file, this.#toml(webhook.port));
  }

  static async open(authority: StageAuthority, options: StageOptions = {}): Promise<IssuingStage> {
    const origin = await startOrigin((request, response) => {
      response.end(`hello ${request.headers['x-forwarded-proto'] ?? ''}`);
    });
    const server = http.createServer((request, response) => {
      void changeDns(authority, request, response);
    });
    const port = await listenLoopback(server);
    return new IssuingStage(authority, origin, { server, port }, options);
  }

  /** One issuer per kind of challenge, one route per name. */
  #toml(webhookPort: number): string {
    const { directory, caFile, dns } = this.authority;
    const { workers = 1, tables = '' } = this.#options;
    const webhook = `provider = "webhook"\nurl = "http://127.0.0.1:${webhookPort}/dns"\n`;
    const provider = this.#options.dns ?? webhook;
    const issuers = this.names.map(({ challenge, name }) => {
      const isDns = challenge === 'dns-01';
      return (
        `[issuers.by-${challenge}]\ndirectory = "${directory}"\n` +
        (caFile === '' ? '' : `ca = "${caFile}"\n`) +
        `email = "ops@example.test"\nchallenges = ["${challenge}"]\nnames = ["${name}"]\n` +
        (isDns ? `[issuers.by-${challenge}.dns]\n${provider}resolvers = ["${dns}"]\n` : '')
      );
    });
    const routes = this.names.map(
      ({ challenge, name }) => `[routes.by-${challenge}]\nhost = "${name}"\nservice = "origin"\n`,
    );
    return (
      `io = "node"\nworkers = ${workers}\ndrain-timeout = "2s"\n` +
      `[admin]\naddress = "off"\n[storage]\npath = "${this.store}"\n` +
      `[listeners.web]\naddress = "127.0.0.1:${this.#httpPort}"\n` +
      `[listeners.secure]\naddress = "127.0.0.1:${this.tlsPort}"\ntls = "default"\n` +
      `[services.origin]\nendpoints = ["http://127.0.0.1:${this.#origin.port}"]\n` +
      `${issuers.join('')}${routes.join('')}${tables}`
    );
  }

  /** Starts the proxy and waits until it is ready; certificates come afterwards. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.child = new Child(PROXY_BINARY, ['run', '-c', this.file], {
      ...env,
      XDG_STATE_HOME: path.join(this.folder, 'state'),
      XDG_RUNTIME_DIR: this.folder,
    });
    await this.child.ready(/is ready/, 20_000);
  }

  /** Kills every process of the proxy at once, as a power cut would. */
  async kill(): Promise<void> {
    this.child?.killTree();
    await this.child?.exited;
  }

  /** Waits until a certificate that `accepts` takes is served for the name. */
  async served(
    name: string,
    accepts: (served: Served) => boolean = isFromAuthority,
    timeoutMs = 20_000,
  ): Promise<Served> {
    const endMs = performance.now() + timeoutMs;
    let problem = 'nothing was tried';
    while (performance.now() < endMs) {
      const found = await this.connect(name).catch((error: unknown) => String(error));
      if (typeof found !== 'string' && accepts(found)) return found;
      problem = typeof found === 'string' ? found : `${found.issuer} ${found.serial}`;
      await delay(100);
    }
    throw new Error(`no certificate for ${name}: ${problem}\n${this.child?.output ?? ''}`);
  }

  /** One handshake and one request; the certificate must be for the name, whoever made it. */
  connect(name: string): Promise<Served> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: this.tlsPort,
        servername: name,
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: false,
      });
      let text = '';
      socket.setTimeout(3_000, () => socket.destroy(new Error('silent')));
      socket.on('error', reject);
      socket.on('secureConnect', () => {
        socket.write(`GET / HTTP/1.1\r\nhost: ${name}\r\nconnection: close\r\n\r\n`);
      });
      socket.on('data', (bytes) => (text += bytes.toString('latin1')));
      socket.on('close', () => reject(new Error('closed without an answer')));
      socket.on('end', () => {
        const served = readServed(socket, text);
        const error = tls.checkServerIdentity(name, socket.getPeerCertificate());
        if (error === undefined) resolve(served);
        else reject(error);
        socket.destroy();
      });
    });
  }

  async close(): Promise<void> {
    await this.child?.stop();
    this.#webhook.closeAllConnections();
    this.#webhook.close();
    await this.#origin.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

function readServed(socket: tls.TLSSocket, text: string): Served {
  const certificate = socket.getPeerX509Certificate()!;
  const names = certificate.subjectAltName?.split(', ').map((name) => name.slice(4)) ?? [];
  return {
    serial: certificate.serialNumber,
    names,
    notAfterMs: Date.parse(certificate.validTo),
    issuer: certificate.issuer,
    raw: certificate.raw,
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
    body: text.slice(text.indexOf('\r\n\r\n') + 4),
  };
}

async function changeDns(
  authority: StageAuthority,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const body = Buffer.concat(await request.toArray()).toString();
  const { action, name, value } = JSON.parse(body) as Record<string, string>;
  await authority.setTxt(name!, action === 'add' ? value! : null);
  response.writeHead(204).end();
}
