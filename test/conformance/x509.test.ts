/**
 * X.509 against OpenSSL: requests and certificates that it accepts, in its strict mode.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';

import {
  InternalAuthority,
  ROOT_LIFETIME_MS,
} from '../../src/control/certificate/internal-authority.ts';
import {
  buildCaCertificate,
  buildChallengeCertificate,
  buildLeafCertificate,
} from '../../src/control/x509/certificate-builder.ts';
import { readCertificate } from '../../src/control/x509/certificate-reader.ts';
import { createCsr } from '../../src/control/x509/csr.ts';
import { generateKey } from '../../src/control/x509/keys.ts';
import { certificatesOf, writePem } from '../../src/control/x509/pem.ts';

const DAY_MS = 86_400_000;
const NAMES = ['localhost', '*.a.internal', '127.0.0.1', '::1'];
const TYPES = ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'ed25519'] as const;
const skip =
  spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed';
const folder = mkdtempSync(join(tmpdir(), 'proxy-now-x509-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, ...blocks: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, blocks.join(''));
  return path;
}

function openssl(...args: readonly string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function pem(der: Uint8Array): string {
  return writePem('CERTIFICATE', der);
}

test('x509: OpenSSL verifies requests of every kind of key', { skip }, async () => {
  for (const type of TYPES) {
    const der = createCsr(NAMES, await generateKey(type));
    const path = file(`${type}.csr`, writePem('CERTIFICATE REQUEST', der));
    const text = openssl('req', '-in', path, '-noout', '-verify', '-text');
    assert.match(text, /Subject: *\n/);
    const names =
      'DNS:localhost, DNS:*.a.internal, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1';
    assert.ok(text.includes(names), text);
  }
});

test('x509: OpenSSL verifies chains strictly, for servers and by name', { skip }, async () => {
  const nowMs = Date.now();
  const validity = { notBeforeMs: nowMs - DAY_MS, notAfterMs: nowMs + DAY_MS };
  const names = { ...validity, organization: 'Test' };
  const rootKey = await generateKey('ecdsa-p384');
  const root = buildCaCertificate({
    ...names,
    commonName: 'R',
    key: rootKey,
    pathLength: 1,
    signer: null,
  });
  const key = await generateKey('rsa-2048');
  const signer = { certificate: root, key: rootKey };
  const middle = buildCaCertificate({ ...names, commonName: 'M', key, pathLength: 0, signer });
  const middleFile = file('middle.pem', pem(middle));
  for (const type of TYPES) {
    const leaf = buildLeafCertificate({
      ...validity,
      names: NAMES,
      key: await generateKey(type),
      signer: { certificate: middle, key },
    });
    const files = ['-CAfile', file('root.pem', pem(root)), '-untrusted', middleFile];
    const wanted = ['-purpose', 'sslserver', '-verify_hostname', 'b.a.internal'];
    const path = file('leaf.pem', pem(leaf));
    const verified = openssl('verify', '-x509_strict', ...wanted, ...files, path);
    assert.match(verified, /: OK\n$/);
  }
});

test('x509: OpenSSL reads a challenge as RFC 8737 has it', { skip }, async () => {
  const validity = { notBeforeMs: Date.now(), notAfterMs: Date.now() + DAY_MS };
  const key = await generateKey('ecdsa-p256');
  const der = buildChallengeCertificate('a.example', 'token.thumbprint', key, validity);
  const text = openssl('x509', '-in', file('challenge.pem', pem(der)), '-noout', '-text');
  assert.match(text, /Alternative Name: *\n *DNS:a\.example\n/);
  assert.match(text, /1\.3\.6\.1\.5\.5\.7\.1\.31: critical\n/);
});

test('x509: OpenSSL trusts the authority by either root while they overlap', { skip }, async () => {
  const files = new Map<string, string>();
  let nowMs = Date.now();
  const store = {
    read: (name: string) => Promise.resolve(files.get(name) ?? null),
    write: (name: string, text: string) => Promise.resolve(void files.set(name, text)),
    lock: <Result>(_name: string, work: () => Promise<Result>) => work(),
  };
  const authority = new InternalAuthority(store, () => nowMs);
  const [old] = await authority.roots();
  nowMs += ROOT_LIFETIME_MS * 0.85;
  const order = { names: NAMES, keyType: 'ecdsa-p256', lifetimeMs: DAY_MS } as const;
  const chain = file('chain.pem', (await authority.issue(order)).chain);
  const [current] = await authority.roots();
  for (const root of [old!, current!]) {
    const at = ['-attime', String(Math.floor(nowMs / 1_000))];
    const trusted = file('trusted.pem', pem(root.der));
    const args = ['-x509_strict', '-CAfile', trusted, '-untrusted', chain, chain];
    assert.match(openssl('verify', ...at, ...args), /: OK\n$/);
  }
});

test('x509: every root of the system is read, as OpenSSL reads it', { skip }, async (t) => {
  const { rootCertificates } = await import('node:tls');
  const { X509Certificate } = await import('node:crypto');
  const all = certificatesOf(rootCertificates.join('\n'));
  if (all.length === 0) return t.skip('there are no roots');
  for (const der of all) {
    const facts = readCertificate(der);
    const parsed = new X509Certificate(der);
    assert.ok(facts !== null, parsed.subject);
    assert.equal(facts.isCa, parsed.ca);
    assert.equal(facts.notBeforeMs, parsed.validFromDate.getTime());
    assert.equal(facts.notAfterMs, parsed.validToDate.getTime());
    const serial = Buffer.from(facts.serial).toString('hex').toUpperCase();
    assert.equal(BigInt(`0x${serial}`), BigInt(`0x${parsed.serialNumber}`));
  }
});
