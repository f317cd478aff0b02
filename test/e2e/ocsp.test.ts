/** OCSP stapling, with OpenSSL as responder and as client. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fetchOcsp } from '../../src/control/certificate/ocsp-fetch.ts';
import { readCertificate } from '../../src/control/x509/certificate-reader.ts';
import { createOcspRequest, judgeOcspResponse } from '../../src/control/x509/ocsp.ts';
import { certificatesOf } from '../../src/control/x509/pem.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

const skip =
  spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed';
const NO_SIGNAL = new AbortController().signal;

/** An authority, and a responder of its own that answers for it; made by OpenSSL alone. */
class Authority {
  readonly folder = scratchDirectory();
  readonly port: number;
  readonly #lines: string[] = [];
  #responder: Child | null = null;

  constructor(port: number) {
    this.port = port;
    const names = ['-subj', '/CN=Authority', '-addext', 'keyUsage=critical,keyCertSign'];
    this.#request('ca', names);
    const usage = ['-addext', 'extendedKeyUsage=OCSPSigning'];
    this.#request('responder', [...this.#signed, '-subj', '/CN=Responder', ...usage]);
  }

  get #signed(): string[] {
    return ['-CA', this.path('ca.pem'), '-CAkey', this.path('ca.key')];
  }

  path(name: string): string {
    return path.join(this.folder, name);
  }

  /** A leaf for localhost, with the authority after it. */
  leaf(name: string, isRevoked = false): readonly Uint8Array[] {
    const access = `authorityInfoAccess=OCSP;URI:http://127.0.0.1:${this.port}/`;
    const more = ['-addext', 'subjectAltName=DNS:localhost', '-addext', access];
    this.#request(name, [...this.#signed, '-subj', `/CN=${name}`, ...more]);
    const chain = fs.readFileSync(this.path(`${name}.pem`), 'utf8');
    fs.appendFileSync(this.path(`${name}.pem`), fs.readFileSync(this.path('ca.pem')));
    const serial = Buffer.from(readCertificate(certificatesOf(chain)[0]!)!.serial);
    const hex = serial.toString('hex').toUpperCase().replace(/^00/, '');
    const state = isRevoked ? 'R\t401231000000Z\t200101000000Z' : 'V\t401231000000Z\t';
    this.#lines.push(`${state}\t${hex}\tunknown\t/CN=${name}\n`);
    return certificatesOf(fs.readFileSync(this.path(`${name}.pem`), 'utf8'));
  }

  async start(): Promise<void> {
    fs.writeFileSync(this.path('index.txt'), this.#lines.join(''));
    const signer = ['-rsigner', this.path('responder.pem'), '-rkey', this.path('responder.key')];
    const files = ['-index', this.path('index.txt'), '-CA', this.path('ca.pem'), ...signer];
    const args = ['ocsp', '-port', String(this.port), '-ndays', '1', ...files];
    this.#responder = new Child('openssl', args);
    // A look at its port would keep it busy: it serves one connection at a time.
    await this.#responder.ready(/waiting for OCSP client connections/);
  }

  async stop(): Promise<void> {
    await this.#responder?.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  #request(name: string, more: readonly string[]): void {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const out = ['-keyout', this.path(`${name}.key`), '-out', this.path(`${name}.pem`)];
    const args = ['req', '-x509', '-days', '30', ...key, ...out, ...more];
    execFileSync('openssl', args, { stdio: 'ignore' });
  }
}

async function openAuthority(t: test.TestContext): Promise<Authority> {
  const authority = new Authority(await freePort());
  t.after(() => authority.stop());
  return authority;
}

async function judge([leafDer, issuerDer]: readonly Uint8Array[]): Promise<string> {
  const leaf = readCertificate(leafDer!)!;
  const issuer = readCertificate(issuerDer!)!;
  const question = createOcspRequest(leaf, issuer);
  const answer = await fetchOcsp(leaf.ocspUrl, question, NO_SIGNAL);
  const verdict = judgeOcspResponse(answer, leaf, issuer, Date.now());
  return verdict.ok ? verdict.status : verdict.problem;
}

test('ocsp: OpenSSL answers our questions, and its answers are judged', { skip }, async (t) => {
  const authority = await openAuthority(t);
  const good = authority.leaf('good');
  const revoked = authority.leaf('revoked', true);
  await authority.start();
  assert.equal(await judge(good), 'good');
  assert.equal(await judge(revoked), 'revoked');
});

test('ocsp: a certificate from files is served with its staple', { skip }, async (t) => {
  const authority = await openAuthority(t);
  authority.leaf('shop');
  await authority.start();
  const port = await freePort();
  const proxy = await startProxy(
    `${baseToml()}
[listeners.secure]
address = "127.0.0.1:${port}"
tls = "default"
[certificates.shop]
cert = "${authority.path('shop.pem')}"
key = "${authority.path('shop.key')}"
[routes.all]
host = "localhost"
service = "all"
[services.all]
endpoints = ["http://127.0.0.1:1"]
`,
    [{ listenPort: port, originPort: 1 }],
  );
  t.after(() => proxy.stop());
  const answer = async (): Promise<string> => {
    const ask = [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-servername',
      'localhost',
      '-status',
    ];
    const verify = ['-CAfile', authority.path('ca.pem')];
    const client = new Child('openssl', [...ask, ...verify], {}, {});
    await client.exited;
    return client.output;
  };
  let output = '';
  const isStapled = async (): Promise<boolean> => {
    output = await answer();
    return output.includes('OCSP Response Status: successful');
  };
  await until(isStapled, 'a stapled answer', 10_000);
  assert.match(output, /Cert Status: good/);
  assert.match(output, /Verify return code: 0 \(ok\)/);
});
