import assert from 'node:assert/strict';
import test from 'node:test';

import type { ClientAuthMode, TlsPolicySpec } from '../../contract/tls.ts';
import type { PeerCertificate, TlsInfo } from '../io/backend.ts';
import { clientSecurity, needsOtherConnection } from './client-security.ts';

type Policy = Parameters<typeof needsOtherConnection>[0];

function policy(changes: Partial<TlsPolicySpec> = {}): Policy {
  const spec: TlsPolicySpec = {
    name: 'p',
    minVersion: '1.2',
    maxVersion: '1.3',
    ciphers: ['c'],
    groups: ['g'],
    alpn: ['http/1.1'],
    clientAuth: 'verify',
    clientCas: ['ca'],
    clientCrls: [],
    unknownName: 'refuse',
    noName: 'default',
    defaultCertificate: '',
    sessionTickets: true,
    denyFingerprints: [],
    handshakeTimeoutMs: 1_000,
    ...changes,
  };
  return { spec, contextKey: '', deniedFingerprints: null };
}

const CERTIFICATE: PeerCertificate = {
  subject: 'CN=one',
  issuer: 'CN=ca',
  serial: '01',
  fingerprint: '00',
  names: [],
};

function info(peerCertificate: PeerCertificate | null): TlsInfo {
  return { version: 'TLSv1.3', cipher: 'c', alpn: '', isResumed: false, peerCertificate };
}

/** What is changed, and whether connections of before do not do any more. */
const CHANGES: readonly (readonly [Partial<TlsPolicySpec>, boolean])[] = [
  [{}, false],
  [{ ciphers: ['d'] }, false],
  [{ minVersion: '1.3' }, false],
  [{ handshakeTimeoutMs: 5 }, false],
  [{ denyFingerprints: ['x'] }, false],
  [{ name: 'q' }, true],
  [{ clientAuth: 'none' }, true],
  [{ clientAuth: 'verify-if-given' }, true],
  [{ clientCas: ['other'] }, true],
  [{ clientCas: ['ca', 'other'] }, true],
  [{ clientCrls: ['crl'] }, true],
];

test('client security: what a policy asks of clients decides if a connection still does', () => {
  const made = policy();
  assert.equal(needsOtherConnection(made, made), false);
  for (const [change, needsOther] of CHANGES) {
    assert.equal(needsOtherConnection(made, policy(change)), needsOther, JSON.stringify(change));
  }
});

test('client security: authorities do not matter to who verifies nobody', () => {
  for (const clientAuth of ['none', 'request', 'require'] as const) {
    const wanted = policy({ clientAuth, clientCas: ['other'] });
    assert.equal(needsOtherConnection(policy({ clientAuth }), wanted), false, clientAuth);
  }
});

test('client security: a certificate is verified only where the policy verifies', () => {
  const verified: readonly (readonly [ClientAuthMode, boolean])[] = [
    ['none', false],
    ['request', false],
    ['require', false],
    ['verify-if-given', true],
    ['verify', true],
  ];
  for (const [clientAuth, isVerified] of verified) {
    const made = policy({ clientAuth });
    const shown = clientSecurity(info(CERTIFICATE), made, 'a.test', '');
    assert.equal(shown.isClientVerified, isVerified, clientAuth);
    const none = clientSecurity(info(null), made, 'a.test', '');
    assert.equal(none.isClientVerified, false, 'nothing was shown');
  }
});
