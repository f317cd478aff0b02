import assert from 'node:assert/strict';
import test from 'node:test';

import type { IssuerConfig } from '../config/config.ts';
import { FakeDnsServer } from '../dns/fake-dns.contract.ts';
import type { FakeRecord } from '../dns/fake-dns.contract.ts';
import { issuerPreflight } from './issuer-preflight.ts';
import type { Issuer } from './issuer.ts';

const never = new AbortController().signal;
const RECORDS: FakeRecord[] = [
  ['example.test', 'soa', 'ns.example.test'],
  ['example.test', 'caa', '0 issue "other.test"'],
];

/** Runs the preflight of one issuer whose resolver has `RECORDS`. */
async function check(
  config: Partial<IssuerConfig>,
  caaIdentities: () => Promise<readonly string[]>,
): Promise<string[]> {
  const server = await new FakeDnsServer({ records: RECORDS }).open();
  try {
    const whole = {
      kind: 'acme',
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      challenges: ['dns-01'],
      dns: { resolvers: [server.address] },
      ...config,
    } as unknown as IssuerConfig;
    const preflight = issuerPreflight({ configOf: () => whole, board: null });
    const issuer = { name: 'x', kind: 'acme', caaIdentities } as unknown as Issuer;
    const found = await preflight(['*.example.test'], issuer, never);
    return found.map(({ isCertain, message }) => `${isCertain ? '!' : '?'} ${message}`);
  } finally {
    server.close();
  }
}

test('issuer preflight: CAA is judged by what the authority calls itself', async () => {
  const message =
    'the CAA records of example.test allow only other.test: add `0 issuewild "ca.test"` for ' +
    '*.example.test';
  assert.deepEqual(await check({}, () => Promise.resolve(['ca.test'])), [`! ${message}`]);
  assert.deepEqual(await check({}, () => Promise.resolve(['other.test'])), []);
  const directory = 'https://ca.internal/directory';
  const hint = await check({ directory }, () => Promise.resolve(['ca.test']));
  assert.deepEqual(hint, [`? ${message}`], 'a private authority may see another DNS');
});

test('issuer preflight: an authority that cannot be asked gives no finding', async () => {
  assert.deepEqual(await check({}, () => Promise.reject(new Error('down'))), []);
});

test('issuer preflight: an issuer that is gone is passed over', async () => {
  const preflight = issuerPreflight({ configOf: () => undefined, board: null });
  assert.deepEqual(await preflight(['a.test'], { name: 'x' } as Issuer, never), []);
});
