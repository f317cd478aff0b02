import assert from 'node:assert/strict';
import test from 'node:test';

import { createGuard } from './admin-guard.ts';
import type { GuardedRequest } from './admin-guard.ts';

function ask(boundHost: string, request: Partial<GuardedRequest>, names: string[] = []): boolean {
  const guard = createGuard({ boundHost, names, isSecure: false });
  const absent = { isChange: false, host: undefined, origin: undefined, fetchSite: undefined };
  return guard({ ...absent, ...request }) === null;
}

test('admin guard: on loopback only loopback hosts pass', () => {
  const good = [
    'localhost',
    'LOCALHOST:9901',
    'localhost.:9901',
    'admin.localhost',
    '127.0.0.1:9901',
    '127.1.2.3',
    '[::1]:9901',
  ];
  for (const host of good) assert.ok(ask('127.0.0.1', { host }), host);
  const bad = [
    'evil.example:9901',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.evil.example',
    'evillocalhost',
    '10.0.0.1:9901',
    '[::2]',
    '[localhost]',
    '::1',
    'localhost:9901:1',
    'localhost:',
    'user@localhost',
    'localhost/x',
    '127.0.0.1, evil.example',
  ];
  for (const host of bad) assert.equal(ask('127.0.0.1', { host }), false, host);
});

test('admin guard: a bound address and listed names pass, on all interfaces any address', () => {
  assert.ok(ask('10.0.0.1', { host: '10.0.0.1:9901' }));
  assert.equal(ask('10.0.0.1', { host: '10.0.0.2:9901' }), false);
  assert.ok(ask('0.0.0.0', { host: '10.0.0.2:9901' }));
  assert.ok(ask('::', { host: '[2001:db8::1]:9901' }));
  assert.equal(ask('0.0.0.0', { host: 'proxy:9901' }), false);
  assert.ok(ask('0.0.0.0', { host: 'Proxy:9901' }, ['proxy']));
});

test('admin guard: a foreign Origin never passes, the own one does', () => {
  const host = 'localhost:9901';
  for (const isChange of [false, true]) {
    assert.ok(ask('127.0.0.1', { host, isChange, origin: 'http://localhost:9901' }));
    for (const origin of [
      'http://evil.example',
      'http://localhost:3000',
      'http://127.0.0.1:9901',
      'https://localhost:9901',
      'http://localhost:9901.evil.example',
      'null',
      '',
    ]) {
      assert.equal(ask('127.0.0.1', { host, isChange, origin }), false, origin);
    }
  }
});

test('admin guard: a request that a browser marks as foreign does not pass', () => {
  const host = 'localhost:9901';
  for (const fetchSite of ['cross-site', 'same-site']) {
    assert.equal(ask('127.0.0.1', { host, fetchSite }), false);
  }
  for (const fetchSite of ['same-origin', 'none']) {
    assert.ok(ask('127.0.0.1', { host, fetchSite }));
  }
});

test('admin guard: without Host only reading passes, and only without Origin', () => {
  assert.ok(ask('127.0.0.1', {}));
  assert.equal(ask('127.0.0.1', { isChange: true }), false);
  assert.equal(ask('127.0.0.1', { origin: 'http://undefined' }), false);
});

test('admin guard: over TLS names of the certificate pass, and Origin is of https', () => {
  const names = ['admin.example.com', '*.ops.example.com'];
  const guard = createGuard({ boundHost: '0.0.0.0', names, isSecure: true });
  const passes = (host: string, origin?: string): boolean => {
    return guard({ isChange: true, host, origin, fetchSite: undefined }) === null;
  };
  assert.ok(passes('admin.example.com:9901', 'https://admin.example.com:9901'));
  assert.ok(passes('a.ops.example.com'));
  assert.equal(passes('admin.example.com:9901', 'http://admin.example.com:9901'), false);
  for (const host of ['ops.example.com', 'a.b.ops.example.com', 'evil.example']) {
    assert.equal(passes(host), false, host);
  }
});
