import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { CertificateCheck } from '../../../src/control/config/certificate-check.ts';
import { loadConfig } from '../../../src/control/config/load-config.ts';
import { memorySource } from '../../../src/control/config/memory-source.ts';
import { formatIssues } from '../../../src/control/config/render-issue.ts';

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

const FILES = {
  'ca.pem': 'authority',
  'ca.crl': 'revoked',
  'client.pem': 'client.example.com',
  'client.key': 'key',
  'certs/a.crt': 'a.example.com',
  'certs/a.key': 'key',
  'certs/b.pem': 'b.example.com',
  'certs/b.key': 'key',
};

/** Takes the text of a chain for its name. */
const certificateCheck: CertificateCheck = {
  pair: (chain) => {
    const facts = { id: `id of ${chain}`, names: [chain], notBeforeMs: 0, notAfterMs: 9 };
    return { facts: { ...facts, keyType: 'ecdsa' }, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

test('config: reports ten mistakes as ten issues, each at its place', async () => {
  const name = 'ten-mistakes.toml';
  const text = read(name);
  const { config, issues } = await loadConfig(name, memorySource({ [name]: text }));
  assert.equal(config, null);
  assert.equal(
    formatIssues(issues, () => text),
    read('ten-mistakes.txt'),
  );
  assert.equal(issues.length, 10);
  assert.equal(new Set(issues.map((issue) => issue.code)).size, 10);
});

test('config: loads a file that uses every section without an issue', async () => {
  const name = 'every-section.toml';
  const source = memorySource({ [name]: read(name), ...FILES });
  const { config, issues } = await loadConfig(name, source, { certificateCheck });
  assert.deepEqual(issues, []);
  assert.deepEqual(config, JSON.parse(read('every-section.json')));
});
