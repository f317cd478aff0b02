import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { readAuthorization, readOrder } from './order-reply.ts';

function bytes(document: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(document));
}

const ORDER = { status: 'pending', authorizations: ['https://ca/1'], finalize: 'https://ca/f' };
const CHALLENGE = { type: 'http-01', url: 'https://ca/c', token: 'abc-_1', status: 'pending' };
const AUTHORIZATION = {
  status: 'pending',
  identifier: { type: 'dns', value: 'A.test' },
  challenges: [CHALLENGE],
};

test('order reply: an order', () => {
  const rest = { certificate: '', error: null };
  assert.deepEqual(readOrder(bytes(ORDER)), { ...ORDER, ...rest });
  const error = { type: 'urn:ietf:params:acme:error:caa', detail: 'no' };
  const ended = readOrder(bytes({ ...ORDER, certificate: 'https://ca/x', error }));
  assert.equal(ended?.certificate, 'https://ca/x');
  assert.equal(ended?.error?.type, 'caa');
});

test('order reply: what is no order is none', () => {
  const documents: unknown[] = [
    null,
    7,
    [],
    {},
    { ...ORDER, status: 1 },
    { ...ORDER, finalize: '/relative' },
    { ...ORDER, authorizations: null },
    { ...ORDER, authorizations: [7] },
    { ...ORDER, authorizations: ['x'] },
    { ...ORDER, authorizations: Array(1_001).fill('https://ca/1') },
    { ...ORDER, finalize: `https://ca/${'x'.repeat(2_000)}` },
  ];
  for (const document of documents) assert.equal(readOrder(bytes(document)), null);
  assert.equal(readOrder(new TextEncoder().encode('<html>')), null);
  assert.notEqual(
    readOrder(bytes({ ...ORDER, authorizations: Array(1_000).fill('https://c/1') })),
    null,
  );
});

test('order reply: an authorization, with the challenges that are known', () => {
  const odd = { ...CHALLENGE, type: 'odd-01' };
  const failed = { ...CHALLENGE, type: 'dns-01', error: { type: 'x', detail: 'gone' } };
  const read = readAuthorization(
    bytes({ ...AUTHORIZATION, wildcard: true, challenges: [odd, CHALLENGE, failed, 7, null] }),
  );
  assert.deepEqual(read?.identifier, { type: 'dns', value: 'a.test' });
  assert.equal(read?.isWildcard, true);
  assert.deepEqual(
    read?.challenges.map(({ kind }) => kind),
    ['http-01', 'dns-01'],
  );
  assert.equal(read?.error?.detail, 'gone');
});

test('order reply: tokens that are not base64url are left out: they become paths', () => {
  for (const token of ['', '../x', 'a/b', 'a b', 'ä', 'a\r\nb', 7, null, 'x'.repeat(513)]) {
    const challenges = [{ ...CHALLENGE, token }];
    assert.deepEqual(readAuthorization(bytes({ ...AUTHORIZATION, challenges }))?.challenges, []);
  }
});

test('order reply: what is no authorization is none', () => {
  const documents: unknown[] = [
    null,
    {},
    { ...AUTHORIZATION, identifier: { type: 'email', value: 'x' } },
    { ...AUTHORIZATION, identifier: { type: 'dns' } },
    { ...AUTHORIZATION, identifier: 'a.test' },
    { ...AUTHORIZATION, challenges: {} },
    { ...AUTHORIZATION, challenges: Array.from({ length: 51 }, () => CHALLENGE) },
    { ...AUTHORIZATION, status: null },
  ];
  for (const document of documents) assert.equal(readAuthorization(bytes(document)), null);
});

test('order reply: nothing throws', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 40 }), (value, raw) => {
      for (const body of [bytes(value), raw]) {
        readOrder(body);
        readAuthorization(body);
      }
      const parts = value as object;
      readAuthorization(bytes({ ...AUTHORIZATION, challenges: [parts], identifier: parts }));
      readOrder(bytes({ ...ORDER, authorizations: [parts], error: parts }));
    }),
  );
});
