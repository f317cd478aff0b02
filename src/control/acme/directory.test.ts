import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readDirectory } from './directory.ts';

const BASE = 'https://ca.example/dir';
const URLS = { newNonce: '/n', newAccount: '/a', newOrder: 'https://ca.example/o' };

function read(document: unknown): ReturnType<typeof readDirectory> {
  return readDirectory(new TextEncoder().encode(JSON.stringify(document)), BASE);
}

test('directory: URLs are absolute, what is missing is empty', () => {
  const directory = read(URLS);
  assert.ok(typeof directory !== 'string');
  assert.equal(directory.newNonce, 'https://ca.example/n');
  assert.equal(directory.newOrder, 'https://ca.example/o');
  assert.equal(directory.renewalInfo, '');
  assert.equal(directory.externalAccountRequired, false);
  assert.equal(directory.profiles.size, 0);
});

test('directory: what the authority says about itself', () => {
  const profiles = { classic: 'https://x', constructor: 'odd', shortlived: 7 };
  const directory = read({ ...URLS, meta: { externalAccountRequired: true, profiles } });
  assert.ok(typeof directory !== 'string');
  assert.equal(directory.externalAccountRequired, true);
  assert.deepEqual([...directory.profiles.keys()], ['classic', 'constructor', 'shortlived']);
  assert.equal(directory.profiles.has('toString'), false);
});

test('directory: what is none is refused with a reason', () => {
  for (const document of [null, 7, [], {}, { ...URLS, newOrder: '' }, { ...URLS, newNonce: 5 }]) {
    assert.match(String(read(document)), /is not an ACME directory/, JSON.stringify(document));
  }
  const html = readDirectory(new TextEncoder().encode('<html>'), BASE);
  assert.match(String(html), /it is no JSON/);
  for (const meta of [null, 7, [], { profiles: null }, { profiles: 'x' }]) {
    assert.ok(typeof read({ ...URLS, meta }) !== 'string', JSON.stringify(meta));
  }
});
