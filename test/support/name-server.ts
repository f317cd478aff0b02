/**
 * BIND's `named` as the server of a zone that may be changed with a TSIG key, on a free port.
 *
 * Besides `zone` it has `denied.test`, which nobody may change. Within `zone`,
 * `_acme-challenge.alias` is a CNAME of `target.deep`.
 */

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';

export function hasNamed(): boolean {
  return spawnSync('sh', ['-c', 'command -v named']).status === 0;
}

export class NameServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly keyName = 'acme-key';
  /** Base64. */
  readonly keySecret: string;
  readonly keyAlgorithm: 'hmac-sha256' | 'hmac-sha512';
  readonly #child: Child;
  readonly #folder: string;

  private constructor(
    address: string,
    key: { readonly secret: string; readonly algorithm: NameServer['keyAlgorithm'] },
    child: Child,
    folder: string,
  ) {
    this.address = address;
    this.keySecret = key.secret;
    this.keyAlgorithm = key.algorithm;
    this.#child = child;
    this.#folder = folder;
  }

  static async start(
    zone: string,
    algorithm: NameServer['keyAlgorithm'] = 'hmac-sha256',
  ): Promise<NameServer> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'named-'));
    const secret = randomBytes(32).toString('base64');
    const zoneFile = (origin: string, more: string): void =>
      writeFileSync(
        join(folder, `${origin}.zone`),
        `$TTL 60\n@ IN SOA ns.${origin}. root.${origin}. 1 3600 600 86400 1\n@ IN NS ns\n` +
          `ns IN A 127.0.0.1\nwww IN A 127.0.0.1\n${more}`,
      );
    zoneFile(zone, `_acme-challenge.alias IN CNAME target.deep\n`);
    zoneFile('denied.test', '');
    writeFileSync(
      join(folder, 'named.conf'),
      `options { directory "${folder}"; listen-on port ${port} { 127.0.0.1; };` +
        ` listen-on-v6 { none; }; pid-file none; recursion no; dnssec-validation no;` +
        ` allow-transfer { none; }; session-keyfile "${folder}/session.key"; };\n` +
        `controls { };\n` +
        `key "acme-key" { algorithm ${algorithm}; secret "${secret}"; };\n` +
        `zone "${zone}" { type primary; file "${folder}/${zone}.zone";` +
        ` update-policy { grant acme-key zonesub TXT; }; };\n` +
        `zone "denied.test" { type primary; file "${folder}/denied.test.zone"; };\n`,
    );
    const child = new Child('named', ['-g', '-c', join(folder, 'named.conf'), '-n', '1']);
    const server = new NameServer(`127.0.0.1:${port}`, { secret, algorithm }, child, folder);
    try {
      await child.ready(/all zones loaded[^]* running\n/);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
