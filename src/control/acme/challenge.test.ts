import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dnsRecordValue, identifierOf, tlsAlpnHost } from './challenge.ts';

test('challenge: identifiers of names, wildcards and addresses', () => {
  assert.deepEqual(identifierOf('a.example.com'), { type: 'dns', value: 'a.example.com' });
  assert.deepEqual(identifierOf('*.example.com'), { type: 'dns', value: 'example.com' });
  assert.deepEqual(identifierOf('192.0.2.1'), { type: 'ip', value: '192.0.2.1' });
  assert.deepEqual(identifierOf('2001:db8::1'), { type: 'ip', value: '2001:db8::1' });
});

test('challenge: an address is asked for by its reverse name (RFC 8738 §6)', () => {
  assert.equal(tlsAlpnHost(identifierOf('a.example.com')), 'a.example.com');
  assert.equal(tlsAlpnHost(identifierOf('192.0.2.1')), '1.2.0.192.in-addr.arpa');
  assert.equal(
    tlsAlpnHost(identifierOf('2001:db8::1')),
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  );
});

test('challenge: the record holds the digest of the key authorization (RFC 8555 §8.4)', () => {
  // printf 'token.thumb' | openssl dgst -sha256 -binary | basenc --base64url
  assert.equal(dnsRecordValue('token.thumb'), 'lCdftpJCXapaZHkBGIZbcubeKW8RmA0jSG_aZN01zbU');
});
