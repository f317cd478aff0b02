import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';

import { generateAccountKey, readAccountKey, signBinding, signJws, thumbprintOf } from './jws.ts';

function decode(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}

test('jws: the thumbprint of RFC 7638 §3.1', () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1' +
    'L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4' +
    'QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO' +
    'pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF' +
    'Cur-kEgU8awapJzKnqDKgw';
  const thumbprint = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
  assert.equal(thumbprintOf({ kty: 'RSA', n, e: 'AQAB' }), thumbprint);
});

test('jws: the key of RFC 7515 A.3 signs as ES256, r and s side by side', () => {
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const input =
    'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl' +
    'LmNvbS9pc19yb290Ijp0cnVlfQ';
  const signature =
    'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q';
  const isRight = (text: string, value: string): boolean =>
    verify(
      'sha256',
      Buffer.from(text),
      { key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(value, 'base64url'),
    );
  assert.ok(isRight(input, signature));

  const own = readAccountKey(generateAccountKey())!;
  const jws = JSON.parse(signJws(own, { url: 'https://ca/x', nonce: 'n', kid: 'k' }, { a: 1 })) as {
    protected: string;
    payload: string;
    signature: string;
  };
  assert.equal(Buffer.from(jws.signature, 'base64url').length, 64);
  assert.deepEqual(decode(jws.protected), {
    alg: 'ES256',
    url: 'https://ca/x',
    nonce: 'n',
    kid: 'k',
  });
  assert.deepEqual(decode(jws.payload), { a: 1 });
  const ownKey = createPublicKey({ key: { ...own.jwk }, format: 'jwk' });
  assert.ok(
    verify(
      'sha256',
      Buffer.from(`${jws.protected}.${jws.payload}`),
      { key: ownKey, dsaEncoding: 'ieee-p1363' },
      Buffer.from(jws.signature, 'base64url'),
    ),
  );
});

test('jws: POST-as-GET has an empty payload, not an empty object', () => {
  const key = readAccountKey(generateAccountKey())!;
  const get = JSON.parse(signJws(key, { url: 'u', nonce: 'n', kid: 'k' }, null)) as object;
  const post = JSON.parse(signJws(key, { url: 'u', nonce: 'n', kid: 'k' }, {})) as object;
  assert.equal((get as { payload: string }).payload, '');
  assert.equal((post as { payload: string }).payload, 'e30');
});

test('jws: an external account signs the public key with HS256 (RFC 8555 §7.3.4)', () => {
  const { jwk } = readAccountKey(generateAccountKey())!;
  const hmacKey = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W';
  const binding = signBinding(jwk, { keyId: 'kid-1', hmacKey }, 'https://ca/new') as {
    protected: string;
    payload: string;
    signature: string;
  };
  assert.deepEqual(decode(binding.protected), {
    alg: 'HS256',
    kid: 'kid-1',
    url: 'https://ca/new',
  });
  assert.deepEqual(decode(binding.payload), jwk);
  const wanted = createHmac('sha256', Buffer.from(hmacKey, 'base64url'))
    .update(`${binding.protected}.${binding.payload}`)
    .digest('base64url');
  assert.equal(binding.signature, wanted);
});

function ec(namedCurve: string, type: 'sec1' | 'pkcs8'): string {
  return generateKeyPairSync('ec', { namedCurve }).privateKey.export({
    type,
    format: 'pem',
  }) as string;
}

test('jws: keys of other programs are read, keys that cannot sign are not', () => {
  assert.equal(readAccountKey(ec('P-256', 'sec1'))?.algorithm, 'ES256');
  assert.equal(readAccountKey(ec('P-384', 'pkcs8'))?.algorithm, 'ES384');
  assert.equal(readAccountKey(ec('secp256k1', 'pkcs8')), null);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  assert.equal(
    readAccountKey(rsa.export({ type: 'pkcs1', format: 'pem' }) as string)?.algorithm,
    'RS256',
  );
  const edwards = generateKeyPairSync('ed25519').privateKey;
  assert.equal(readAccountKey(edwards.export({ type: 'pkcs8', format: 'pem' }) as string), null);
  assert.equal(
    readAccountKey('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'),
    null,
  );
});

test('jws: nothing of the private key is in what is sent', () => {
  const key = readAccountKey(generateAccountKey())!;
  assert.deepEqual(Object.keys(key.jwk), ['crv', 'kty', 'x', 'y']);
});
