import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { latin1Bytes } from '../../base/ascii.ts';
import { Field, FIELD_INDEX_MAX, FIELD_NAMES, fieldId, HOP_FIELDS } from './field.ts';

function idOf(name: string): number {
  const bytes = latin1Bytes(`\r\n${name}: x`);
  return fieldId(bytes, 2, 2 + name.length);
}

test('field: every id is unique and below FIELD_INDEX_MAX', () => {
  const ids = Object.values(Field);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(Math.max(...ids) + 1, FIELD_INDEX_MAX);
});

test('field: names read as in RFC 9110 and the registries', () => {
  assert.equal(FIELD_NAMES[Field.http2Settings], 'http2-settings');
  assert.equal(FIELD_NAMES[Field.te], 'te');
  assert.equal(FIELD_NAMES[Field.xForwardedFor], 'x-forwarded-for');
  assert.equal(FIELD_NAMES[Field.secWebsocketKey], 'sec-websocket-key');
});

test('field: a known name has its id in any case', () => {
  for (const [id, name] of FIELD_NAMES.entries()) {
    if (name === '') continue;
    assert.equal(idOf(name), id);
    assert.equal(idOf(name.toUpperCase()), id);
    assert.equal(idOf(name.replace(/^./, (letter) => letter.toUpperCase())), id);
  }
});

test('field: an underscore spelling of a known name is aliased (RFC 3875 §4.1.18)', () => {
  for (const name of [
    'Content_Length',
    'transfer_encoding',
    'X_Forwarded_For',
    'x-forwarded_for',
  ]) {
    assert.equal(idOf(name), Field.aliased, name);
  }
  for (const name of ['X_Forwarded_Prefix', 'x-forwarded_tls', 'X_REAL_IP', 'user_agent']) {
    assert.equal(idOf(name), Field.aliased, name);
  }
});

test('field: names near a known one are other', () => {
  for (const name of [
    '',
    'hos',
    'hosts',
    'content-lengthx',
    'x-forwarded-',
    'x_custom',
    '__proto__',
  ]) {
    assert.equal(idOf(name), Field.other, name);
  }
});

test('field: any further x-forwarded name is its own family', () => {
  assert.equal(idOf('X-Forwarded-Prefix'), Field.xForwardedOther);
  assert.equal(idOf('x-forwarded-tls-client-cert'), Field.xForwardedOther);
});

test('field: an unknown name never has a known id', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,24}$/), (name) => {
      const dashed = name.toLowerCase().replaceAll('_', '-');
      const isForwarded = /^x-forwarded-./.test(dashed);
      if (FIELD_NAMES.includes(dashed) || isForwarded) return;
      assert.equal(idOf(name), Field.other);
    }),
  );
});

test('field: hop fields are those of RFC 9110 §7.6.1 and those the proxy writes itself', () => {
  const hops = FIELD_NAMES.filter((_, id) => HOP_FIELDS[id] === 1 && id !== Field.aliased);
  assert.deepEqual(hops.toSorted(), [
    'connection',
    'content-length',
    'expect',
    'host',
    'http2-settings',
    'keep-alive',
    'proxy',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ]);
  assert.equal(HOP_FIELDS[Field.aliased], 1);
  assert.equal(HOP_FIELDS[Field.other], 0);
});

test('field: any other punctuation of a known name is aliased as well (CGI of lighttpd)', () => {
  for (const name of ['X.Forwarded.For', 'X-Forwarded.Host', 'x!real!ip', 'Content.Length']) {
    assert.equal(idOf(name), Field.aliased, name);
  }
  for (const name of ['Transfer~Encoding', 'X.Forwarded.Prefix', 'x|forwarded|tls']) {
    assert.equal(idOf(name), Field.aliased, name);
  }
  for (const name of ['x.custom', 'h.st', 'x-forwarded', "it's"]) {
    assert.equal(idOf(name), Field.other, name);
  }
});
