/**
 * Debian's `pebble` (an ACME test authority) and `pebble-challtestsrv` (its DNS, and servers that
 * answer challenges), on free loopback ports.
 *
 * Validation asks for HTTP-01 at `httpPort` and for TLS-ALPN-01 at `tlsPort` of whatever address
 * the DNS of challtestsrv gives, 127.0.0.1 unless it is told otherwise. A proxy under test listens
 * at these ports itself: then `answersChallenges` is false.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  buildCaCertificate,
  buildLeafCertificate,
} from '../../src/control/x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../../src/control/x509/keys.ts';
import { writePem } from '../../src/control/x509/pem.ts';
import { Child } from './child.ts';
import { freePorts } from './free-port.ts';

export interface PebbleOptions {
  /** Good nonces that are refused, in percent. */
  readonly nonceReject?: number;
  /** Valid authorizations that are used again, in percent. */
  readonly authorizationReuse?: number;
  /** challtestsrv answers challenges that it is told of at `httpPort` and `tlsPort`. */
  readonly answersChallenges?: boolean;
  /** Key ids and base64url keys of external accounts; empty: none is needed. */
  readonly externalAccounts?: Readonly<Record<string, string>>;
  /** Roots beside the first one. */
  readonly alternateRoots?: number;
  /** Every challenge is valid unseen. */
  readonly alwaysValid?: boolean;
  /** `host:port` that Pebble asks instead of challtestsrv. */
  readonly dnsServer?: string;
  /** Seconds that a certificate lasts; 0: Pebble's own, five years. */
  readonly validitySeconds?: number;
}

/** False where one of the programs is not installed: such tests are skipped. */
export function hasPebble(): boolean {
  return ['pebble', 'pebble-challtestsrv'].every(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
  );
}

export class Pebble {
  /** URL of the directory. */
  readonly directory: string;
  /** Trust this to speak with `directory`: a file, and its PEM text. */
  readonly caFile: string;
  readonly ca: string;
  readonly httpPort: number;
  readonly tlsPort: number;
  /** `host:port` of the DNS that Pebble asks. */
  readonly dns: string;
  readonly #management: string;
  readonly #challengeManagement: string;
  readonly #folder: string;
  readonly #children: readonly Child[];

  private constructor(
    started: Pick<Pebble, 'directory' | 'ca' | 'caFile' | 'httpPort' | 'tlsPort' | 'dns'> & {
      management: string;
      challengeManagement: string;
      folder: string;
      children: readonly Child[];
    },
  ) {
    this.directory = started.directory;
    this.ca = started.ca;
    this.caFile = started.caFile;
    this.httpPort = started.httpPort;
    this.tlsPort = started.tlsPort;
    this.dns = started.dns;
    this.#management = started.management;
    this.#challengeManagement = started.challengeManagement;
    this.#folder = started.folder;
    this.#children = started.children;
  }

  /** Starts both and waits until they listen. */
  static async start(options: PebbleOptions = {}): Promise<Pebble> {
    const [acme, own, httpPort, tlsPort, dnsPort, challenges] = await freePorts(6);
    const folder = mkdtempSync(join(tmpdir(), 'pebble-'));
    const ca = await writeConfig(folder, {
      listenAddress: `127.0.0.1:${acme}`,
      managementListenAddress: `127.0.0.1:${own}`,
      certificate: join(folder, 'cert.pem'),
      privateKey: join(folder, 'key.pem'),
      httpPort,
      tlsPort,
      ocspResponderURL: '',
      externalAccountBindingRequired: options.externalAccounts !== undefined,
      externalAccountMACKeys: options.externalAccounts ?? {},
      ...(options.validitySeconds === undefined
        ? {}
        : { certificateValidityPeriod: options.validitySeconds }),
    });
    const at = (port: number | undefined): string =>
      options.answersChallenges === true ? `127.0.0.1:${port}` : '';
    const dns = `127.0.0.1:${dnsPort}`;
    const answers = ['-http01', at(httpPort), '-tlsalpn01', at(tlsPort), '-https01', ''];
    const management = ['-management', `127.0.0.1:${challenges}`, '-defaultIPv6', ''];
    const helper = new Child('pebble-challtestsrv', ['-dns01', dns, ...answers, ...management]);
    const pebble = new Child(
      'pebble',
      ['-config', join(folder, 'pebble.json'), '-strict', '-dnsserver', options.dnsServer ?? dns],
      {
        PEBBLE_VA_NOSLEEP: '1',
        PEBBLE_WFE_NONCEREJECT: String(options.nonceReject ?? 0),
        PEBBLE_AUTHZREUSE: String(options.authorizationReuse ?? 0),
        PEBBLE_ALTERNATE_ROOTS: String(options.alternateRoots ?? 0),
        ...(options.alwaysValid === true ? { PEBBLE_VA_ALWAYS_VALID: '1' } : {}),
      },
    );
    const started = new Pebble({
      directory: `https://localhost:${acme}/dir`,
      ca,
      caFile: join(folder, 'ca.pem'),
      httpPort: httpPort!,
      tlsPort: tlsPort!,
      dns: options.dnsServer ?? dns,
      management: `https://localhost:${own}`,
      challengeManagement: `http://127.0.0.1:${challenges}`,
      folder,
      children: [pebble, helper],
    });
    try {
      await helper.ready(/Starting management server/);
      await pebble.ready(/Listening on: 127/);
      await pebble.ready(/ACME directory available/);
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  /** What Pebble has written: one line for each request and decision. */
  get output(): string {
    return this.#children[0]!.output;
  }

  /** Tells challtestsrv something: `set-txt`, `clear-txt`, `add-a`, `add-http01`. */
  async tell(what: string, body: object): Promise<void> {
    const url = `${this.#challengeManagement}/${what}`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (response.status !== 200) throw new Error(`${what}: ${response.status}`);
  }

  /** PEM of a root of the certificates that Pebble makes. */
  root(index = 0): Promise<string> {
    return this.#get(`/roots/${index}`);
  }

  /** Status of the certificate with that serial, in hex: `Valid` or `Revoked`. */
  async certificateStatus(serial: string): Promise<string> {
    const text = await this.#get(`/cert-status-by-serial/${serial}`);
    return (JSON.parse(text) as { Status: string }).Status;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.#management}${path}`, { ca: this.ca, agent: false });
      outgoing.on('error', reject);
      outgoing.on('response', async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
      outgoing.end();
    });
  }
}

/** Files of one Pebble, with a certificate for its own HTTPS. @returns PEM of who signed that */
async function writeConfig(folder: string, pebble: object): Promise<string> {
  const [caKey, key] = await Promise.all([generateKey('ecdsa-p256'), generateKey('ecdsa-p256')]);
  const validity = { notBeforeMs: Date.now() - 86_400_000, notAfterMs: Date.now() + 86_400_000 };
  const authority = buildCaCertificate({
    ...validity,
    commonName: 'test of pebble',
    organization: '',
    key: caKey,
    pathLength: 0,
    signer: null,
  });
  const leaf = buildLeafCertificate({
    ...validity,
    names: ['localhost', '127.0.0.1'],
    key,
    signer: { certificate: authority, key: caKey },
  });
  const ca = writePem('CERTIFICATE', authority);
  writeFileSync(join(folder, 'ca.pem'), ca);
  writeFileSync(join(folder, 'cert.pem'), writePem('CERTIFICATE', leaf));
  writeFileSync(join(folder, 'key.pem'), keyToPem(key), { mode: 0o600 });
  writeFileSync(join(folder, 'pebble.json'), JSON.stringify({ pebble }));
  return ca;
}
