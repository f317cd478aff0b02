/**
 * The real proxy with TLS from certificate files, and clients that count what they see.
 */

import fs from 'node:fs';
import path from 'node:path';
import {
  buildCaCertificate,
  buildLeafCertificate,
} from '../../src/control/x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../../src/control/x509/keys.ts';
import { writePem } from '../../src/control/x509/pem.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';
import { startOrigin } from './http-origin.ts';
import type { HttpOrigin } from './http-origin.ts';
import { PROXY_BINARY } from './proxy.ts';
import { scratchDirectory } from './subject.ts';

const DAY_MS = 86_400_000;
export const HOST = 'site.example.test';

export interface TlsStageOptions {
  readonly workers: number;
  /** Further tables. */
  readonly tables?: string;
  /** Writes what they need, before the start. */
  readonly files?: (stage: TlsStage) => Promise<void>;
  /** Further environment of the proxy. */
  readonly env?: (stage: TlsStage) => Record<string, string>;
}

/** An authority for tests that makes certificates of `HOST`. */
export class TestAuthority {
  readonly pem: string;
  readonly #der: Uint8Array;
  readonly #key;

  private constructor(der: Uint8Array, key: Awaited<ReturnType<typeof generateKey>>) {
    this.#der = der;
    this.#key = key;
    this.pem = writePem('CERTIFICATE', der);
  }

  static async create(): Promise<TestAuthority> {
    const key = await generateKey('ecdsa-p256');
    const der = buildCaCertificate({
      notBeforeMs: Date.now() - DAY_MS,
      notAfterMs: Date.now() + 120 * DAY_MS,
      commonName: 'test authority',
      organization: '',
      key,
      pathLength: 0,
      signer: null,
    });
    return new TestAuthority(der, key);
  }

  /**
   * Writes a new pair for `names`, each file whole at once.
   * @param onMade called with the certificate before it is in place
   */
  async write(
    folder: string,
    name: string,
    names: readonly string[] = [HOST],
    onMade: (pem: string) => void = () => undefined,
  ): Promise<void> {
    const key = await generateKey('ecdsa-p256');
    const leaf = buildLeafCertificate({
      notBeforeMs: Date.now() - DAY_MS,
      notAfterMs: Date.now() + 90 * DAY_MS,
      names,
      key,
      signer: { certificate: this.#der, key: this.#key },
    });
    const cert = writePem('CERTIFICATE', leaf) + this.pem;
    onMade(cert);
    fs.writeFileSync(path.join(folder, `${name}.key.new`), keyToPem(key), { mode: 0o600 });
    fs.writeFileSync(path.join(folder, `${name}.pem.new`), cert);
    fs.renameSync(path.join(folder, `${name}.key.new`), path.join(folder, `${name}.key`));
    fs.renameSync(path.join(folder, `${name}.pem.new`), path.join(folder, `${name}.pem`));
  }
}

export class TlsStage {
  readonly folder = scratchDirectory();
  readonly file = path.join(this.folder, 'proxy-now.toml');
  readonly authority: TestAuthority;
  readonly port: number;
  readonly adminPort: number;
  child!: Child;
  readonly #origin: HttpOrigin;
  readonly #options: TlsStageOptions;

  private constructor(
    authority: TestAuthority,
    ports: { readonly tls: number; readonly admin: number },
    origin: HttpOrigin,
    options: TlsStageOptions,
  ) {
    this.authority = authority;
    this.port = ports.tls;
    this.adminPort = ports.admin;
    this.#origin = origin;
    this.#options = options;
  }

  static async open(options: TlsStageOptions): Promise<TlsStage> {
    const origin = await startOrigin((_request, response) => void response.end('hello'));
    const authority = await TestAuthority.create();
    const ports = { tls: await freePort(), admin: await freePort() };
    const stage = new TlsStage(authority, ports, origin, options);
    await authority.write(stage.folder, 'site');
    await options.files?.(stage);
    stage.write();
    stage.child = new Child(PROXY_BINARY, ['run', '-c', stage.file], {
      XDG_STATE_HOME: path.join(stage.folder, 'state'),
      XDG_RUNTIME_DIR: stage.folder,
      ...options.env?.(stage),
    });
    try {
      await stage.child.ready(/is ready/, 20_000);
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  /** Writes the configuration, with `more` tables for a reload. */
  write(more = ''): void {
    const { workers, tables = '' } = this.#options;
    fs.writeFileSync(
      this.file,
      `io = "node"\nworkers = ${workers}\ndrain-timeout = "2s"\n` +
        `[admin]\naddress = "127.0.0.1:${this.adminPort}"\n` +
        `[storage]\npath = "${this.folder}/store"\n` +
        `[listeners.secure]\naddress = "127.0.0.1:${this.port}"\ntls = "default"\n` +
        `[certificates.site]\ncert = "site.pem"\nkey = "site.key"\n` +
        `[services.origin]\nendpoints = ["http://127.0.0.1:${this.#origin.port}"]\n` +
        `[routes.site]\nhost = "${HOST}"\nservice = "origin"\n${tables}${more}`,
    );
  }

  async close(): Promise<void> {
    await this.child?.stop();
    await this.#origin.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
