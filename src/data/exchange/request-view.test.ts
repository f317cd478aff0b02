import assert from 'node:assert/strict';
import test from 'node:test';

import { latin1Bytes } from '../../base/ascii.ts';
import { compileCidrSet } from '../../base/cidr.ts';
import { Fault } from '../../contract/fault.ts';
import { parseRequestHead } from '../codec/h1/request-parser.ts';
import { RequestHead } from '../codec/head.ts';
import { ClientPeer } from './client-peer.ts';
import type { LinkedSnapshot } from './linked-snapshot.ts';
import { RequestView } from './request-view.ts';

const PARSER_LIMITS = {
  headSizeMax: 65_536,
  fieldCountMax: 100,
  targetSizeMax: 60_000,
  chunkExtensionSizeMax: 0,
  trailerSizeMax: 0,
};
const TRUSTED = compileCidrSet(['10.0.0.0/8']);

/** What a view looks at of a generation. */
function linkedWith(encodedSlash: 'keep' | 'reject'): LinkedSnapshot {
  return { limits: { encodedSlash }, trustedProxies: [null, TRUSTED] } as unknown as LinkedSnapshot;
}

interface Options {
  readonly encodedSlash?: 'keep' | 'reject';
  readonly peerAddress?: string;
}

/** A view of the request `text`, bound to listener 1, which trusts 10.0.0.0/8. */
function viewOf(text: string, options: Options = {}): RequestView {
  const { encodedSlash = 'keep', peerAddress = '192.0.2.1' } = options;
  const head = new RequestHead(100);
  const bytes = latin1Bytes(text);
  assert.equal(parseRequestHead(head, bytes, 0, bytes.length, PARSER_LIMITS), bytes.length);
  const view = new RequestView(head);
  view.bind(
    new ClientPeer({ peerAddress, localPort: 80, security: null }, 1, TRUSTED),
    linkedWith(encodedSlash),
  );
  return view;
}

function get(target: string, fields = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`;
}

test('request view: one canonical path serves everybody', () => {
  for (const [target, path] of [
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/%2e%2E/b', '/b'],
    ['/%61%2d', '/a-'],
    ['/a%2fb', '/a%2Fb'],
  ] as const) {
    const view = viewOf(get(target));
    assert.equal(view.readTarget(), Fault.none, target);
    assert.equal(view.path(), path, target);
  }
});

test('request view: refuses a target or a host that has no canonical form', () => {
  for (const target of ['/../x', '/%00', '/%zz', '/a/../../b']) {
    assert.equal(viewOf(get(target)).readTarget(), Fault.requestTargetInvalid, target);
  }
  const slash = viewOf(get('/a%2fb'), { encodedSlash: 'reject' });
  assert.equal(slash.readTarget(), Fault.requestTargetInvalid);
});

test('request view: host and port are canonical', () => {
  const view = viewOf('GET / HTTP/1.1\r\nHost: SHOP.Example.com.:8080\r\n\r\n');
  assert.equal(view.readTarget(), Fault.none);
  assert.equal(view.host(), 'shop.example.com');
  assert.match(view.forwardedElement(), /^for=192\.0\.2\.1;host="shop\.example\.com:8080"/);
});

test('request view: knows its host without making a text of it', () => {
  const view = viewOf('GET / HTTP/1.1\r\nHost: A.Test:80\r\n\r\n');
  assert.equal(view.readTarget(), Fault.none);
  assert.equal(view.isHost('a.test'), true);
  for (const other of ['', 'a.tes', 'a.test:80', 'b.test', 'A.Test']) {
    assert.equal(view.isHost(other), false, other);
  }
  const passed = new RequestView(new RequestHead(100));
  passed.setHost('db.test');
  assert.equal(passed.host(), 'db.test');
  assert.equal(passed.isHost('db.test'), true);
});

test('request view: HTTP/1.0 may come without a host, and then has none', () => {
  const view = viewOf('GET / HTTP/1.0\r\n\r\n');
  assert.equal(view.readTarget(), Fault.none);
  assert.equal(view.host(), '');
  assert.equal(view.authorityEnd, 0);
  assert.equal(view.forwardedElement(), 'for=192.0.2.1;proto=http');
});

test('request view: the path of OPTIONS * is an asterisk', () => {
  const view = viewOf('OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n');
  assert.equal(view.readTarget(), Fault.none);
  assert.equal(view.path(), '*');
});

test('request view: a path that is kept outlives the bytes it was read from', () => {
  for (const target of ['/some/path', `/${'long/'.repeat(4_000)}end`, '/a/../b']) {
    const view = viewOf(get(target));
    assert.equal(view.readTarget(), Fault.none);
    const path = view.path();
    view.keepPath();
    view.keepPath();
    view.head.bytes.fill(0x21);
    assert.equal(view.path(), path);
  }
});

test('request view: nothing of one request is left for the next', () => {
  const view = viewOf(get('/secret/../path', 'X-A: 1\r\n'), { peerAddress: '10.0.0.1' });
  view.readTarget();
  view.clientAddress();
  view.reset();
  assert.equal(view.path(), '');
  assert.equal(view.host(), '');
  assert.equal(view.peer, null);
  const arrival = { peerAddress: '192.0.2.9', localPort: 80, security: null };
  view.bind(new ClientPeer(arrival, 1, TRUSTED), linkedWith('keep'));
  assert.equal(view.clientAddress(), '192.0.2.9');
});

test('request view: the client is the peer unless a trusted proxy says who it is', () => {
  const fields = 'X-Forwarded-For: 203.0.113.5\r\n';
  assert.equal(viewOf(get('/', fields)).clientAddress(), '192.0.2.1');
  const trusted = viewOf(get('/', fields), { peerAddress: '10.0.0.1' });
  assert.equal(trusted.clientAddress(), '203.0.113.5');
  assert.equal(viewOf(get('/'), { peerAddress: '10.0.0.1' }).clientAddress(), '10.0.0.1');
});

test('request view: finds a field of several lines, in any case', () => {
  const view = viewOf(get('/', 'X-Tag: one\r\nx-tag: two\r\nX-TAG: three\r\nX-Tags: no\r\n'));
  const seen: string[] = [];
  const isFound = view.someHeader('x-tag', (value) => {
    seen.push(value);
    return value === 'two';
  });
  assert.equal(isFound, true);
  assert.deepEqual(seen, ['one', 'two']);
  assert.equal(
    view.someHeader('x-none', () => true),
    false,
  );
  assert.equal(
    view.someHeader('x-tag', () => false),
    false,
  );
});

test('request view: counts how often this proxy stands in Via, over lines and lists', () => {
  const via = 'Via: 1.1 proxy-now, 1.1 other\r\nVia: 1.0 proxy-now\r\n';
  assert.equal(viewOf(get('/', via)).viaHops(), 2);
  assert.equal(viewOf(get('/', 'Via: 1.1 other\r\n')).viaHops(), 0);
});

test('request view: query and method are as they were sent', () => {
  const view = viewOf(get('/a?b=%2f&c'));
  assert.equal(view.query(), 'b=%2f&c');
  assert.equal(viewOf(get('/a')).query(), '');
  assert.equal(viewOf('MERGE / HTTP/1.1\r\nHost: a.test\r\n\r\n').method(), 'MERGE');
});
