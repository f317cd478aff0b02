import test from 'node:test';
import assert from 'node:assert/strict';
import { getHeapStatistics } from 'node:v8';
import { canonicalizeHost, canonicalizePath, HOST_SIZE_MAX } from '../../src/base/target.ts';
import type { CheckRequest } from '../../src/control/compile/explain-request.ts';
import type { RoutableRoute } from '../../src/control/compile/router.ts';
import { compileRouter } from '../../src/control/compile/router.ts';
import type { Rule } from '../../src/contract/routing.ts';
import type { Router } from '../../src/data/route/router.ts';
import { linkRouter } from '../../src/data/route/router.ts';
import { TextRequest } from './text-request.ts';

function hostAndPrefix(host: string, path: string): RoutableRoute {
  const rules: Rule[] = [
    { kind: 'host', host },
    { kind: 'pathPrefix', path },
  ];
  return { rule: { kind: 'and', rules }, listeners: null };
}

function request(host: string, path: string): TextRequest {
  const rest = { method: 'GET', headers: [], query: '', clientAddress: '::1', listenerIndex: 0 };
  const plain: CheckRequest = { host, path, ...rest };
  return new TextRequest(plain);
}

/** Routes a target as it came from the wire; null when host or path is refused. */
function routeRaw(router: Router, hostText: string, pathText: string): number | null {
  const hostBytes = Buffer.from(hostText, 'latin1');
  const pathBytes = Buffer.from(pathText, 'latin1');
  const host = new Uint8Array(HOST_SIZE_MAX);
  const path = new Uint8Array(pathBytes.length);
  const hostSize = canonicalizeHost(hostBytes, 0, hostBytes.length, host);
  const pathSize = canonicalizePath(pathBytes, 0, pathBytes.length, path, false);
  if (hostSize < 0 || pathSize < 0) return null;
  const canonical = pathSize === 0 ? pathText : Buffer.from(path.subarray(0, pathSize)).toString();
  return router.match(request(Buffer.from(host.subarray(0, hostSize)).toString(), canonical));
}

test('router: gives every spelling of a host and path the same route, among 300 hosts', () => {
  const routes = Array.from({ length: 300 }, (_, i) => hostAndPrefix(`h${i}.test`, '/caf%C3%A9'));
  const router = linkRouter(compileRouter(routes));
  assert.equal(router.ruleCount, 300);
  for (const host of ['h250.test', 'H250.TEST', 'h250.test.', 'h250.test:80', 'H250.Test.:8080']) {
    for (const path of [
      '/caf%C3%A9',
      '/caf%c3%a9/x',
      '//%63af%C3%a9',
      '/x/../caf%c3%A9',
      '/./caf%C3%A9/',
    ]) {
      assert.equal(routeRaw(router, host, path), 250, `${host} ${path}`);
    }
    assert.equal(routeRaw(router, host, '/CAF%C3%A9'), -1);
    assert.equal(routeRaw(router, host, '/caf%C3%A9x'), -1);
    assert.equal(routeRaw(router, host, '/../caf%C3%A9'), null);
  }
  assert.equal(routeRaw(router, 'h300.test', '/caf%C3%A9'), -1);
});

test('router: takes the lowest route index, wherever its keys stand', () => {
  const routes: RoutableRoute[] = [
    { rule: { kind: 'pathPrefix', path: '/admin' }, listeners: null },
    hostAndPrefix('*.a.test', '/x'),
    hostAndPrefix('x.a.test', '/x/y'),
    hostAndPrefix('x.a.test', '/'),
    { rule: { kind: 'and', rules: [] }, listeners: [1] },
    { rule: { kind: 'and', rules: [] }, listeners: null },
  ];
  const router = linkRouter(compileRouter(routes));
  assert.equal(router.match(request('x.a.test', '/admin/x')), 0);
  assert.equal(router.match(request('x.a.test', '/x/y')), 1);
  assert.equal(router.match(request('x.a.test', '/z')), 3);
  assert.equal(router.match(request('a.test', '/z')), 5);
  assert.equal(router.match(request('', '*')), 5);
});

test('router: answers -1 when there are no routes', () => {
  assert.equal(linkRouter(compileRouter([])).match(request('a.test', '/')), -1);
});

test('router: allocates nothing per lookup without regexps', () => {
  const routes = Array.from({ length: 2_000 }, (_, i) => hostAndPrefix(`h${i}.test`, `/p${i}`));
  const router = linkRouter(compileRouter(routes));
  const requests = [request('h1999.test', '/p1999/x'), request('h7.test', '/'), request('z', '/p')];
  let sum = 0;
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) sum += router.match(requests[i % 3]!);
  };
  // The least of several rounds: the first are interpreted, and the compiler allocates as well.
  let perLookup = Infinity;
  for (let round = 0; round < 5; round++) {
    const before = getHeapStatistics().total_allocated_bytes;
    run(500_000);
    perLookup = Math.min(perLookup, (getHeapStatistics().total_allocated_bytes - before) / 500_000);
  }
  assert.ok(perLookup < 2, `${perLookup} bytes per lookup`);
  assert.ok(sum > 0);
});
