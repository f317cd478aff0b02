import test from 'node:test';
import assert from 'node:assert/strict';
import type { PassthroughSpec, TlsPolicySpec } from '../../contract/tls.ts';
import { HostMap } from './host-map.ts';
import { linkTls } from './linked-tls.ts';
import {
  linkedPolicy,
  listenerSpec,
  listenerTls,
  policySpec,
  tlsSpec,
} from './tls-fixtures.contract.ts';

function passthrough(name: string, ...hosts: readonly string[]): PassthroughSpec {
  return { name, hosts, listeners: null, service: 0, streamsOnChangeMs: -1, metricIndex: 0 };
}

const strict = policySpec({ name: 'strict', clientAuth: 'verify', clientCas: ['ca'] });

test('host-map: a wildcard stands for one label, and an exact name goes first', () => {
  const map = new HostMap<string>();
  map.set('*.a.test', 'wildcard');
  map.set('x.a.test', 'exact');
  const rows: [string, string | null][] = [
    ['x.a.test', 'exact'],
    ['y.a.test', 'wildcard'],
    ['a.test', null],
    ['z.y.a.test', null],
    ['.a.test', null],
    ['*', null],
    ['', null],
    ['test', null],
  ];
  for (const [host, expected] of rows) assert.equal(map.find(host), expected, host);
});

test('linked-tls: names have their own policy, on their listeners', () => {
  const spec = tlsSpec({
    policies: [policySpec(), strict],
    hosts: [
      { host: 'admin.a.test', listeners: null, policy: 1 },
      { host: '*.b.test', listeners: [1], policy: 1 },
    ],
  });
  const specs = [listenerSpec(), listenerSpec(), listenerSpec({ tls: -1 })];
  const { listeners, policies } = linkTls(spec, specs, null);
  assert.equal(listeners[2], null);
  const [first, second] = listeners;
  assert.equal(first!.policyOf('admin.a.test'), policies[1]);
  assert.equal(first!.policyOf('x.b.test'), policies[0]);
  assert.equal(second!.policyOf('x.b.test'), policies[1]);
  assert.equal(second!.policyOf(''), policies[0]);
});

test('linked-tls: a name without a policy keeps that of its listener under a wildcard', () => {
  const spec = tlsSpec({
    policies: [policySpec(), strict],
    hosts: [
      { host: 'www.a.test', listeners: null, policy: -1 },
      { host: '*.a.test', listeners: null, policy: 1 },
      { host: 'admin.a.test', listeners: null, policy: -1 },
      { host: 'admin.a.test', listeners: null, policy: 1 },
      { host: 'staff.a.test', listeners: null, policy: 1 },
      { host: 'staff.a.test', listeners: null, policy: -1 },
    ],
  });
  const { listeners, policies } = linkTls(spec, [listenerSpec()], null);
  const rows: [string, number][] = [
    ['www.a.test', 0],
    ['x.a.test', 1],
    ['admin.a.test', 1],
    ['staff.a.test', 1],
  ];
  for (const [host, policy] of rows) {
    assert.equal(listeners[0]!.policyOf(host), policies[policy], host);
  }
});

test('linked-tls: knows when no request can be misdirected', () => {
  assert.equal(listenerTls(tlsSpec()).hasOnePolicy, true);
  const hosts = [{ host: 'a.test', listeners: null, policy: 0 }];
  assert.equal(listenerTls(tlsSpec({ hosts })).hasOnePolicy, true);
  const policies = [policySpec(), strict];
  const admin = [{ host: 'admin.a.test', listeners: null, policy: 1 }];
  assert.equal(listenerTls(tlsSpec({ policies, hosts: admin })).hasOnePolicy, false);
});

test('linked-tls: of a passthrough and a terminated name the more exact one wins', () => {
  const spec = tlsSpec({
    hosts: [
      { host: 'www.a.test', listeners: null, policy: 0 },
      { host: '*.b.test', listeners: null, policy: 0 },
      { host: '*.c.test', listeners: null, policy: 0 },
    ],
    passthroughs: [
      passthrough('exact', 'db.a.test', 'db.b.test'),
      passthrough('wildcard', '*.a.test', '*.c.test'),
      passthrough('any', '*'),
    ],
  });
  const tls = listenerTls(spec);
  const rows: [string, boolean, string | null][] = [
    ['db.a.test', false, 'exact'],
    ['db.a.test', true, 'exact'],
    ['www.a.test', false, null],
    ['x.a.test', true, 'wildcard'],
    ['db.b.test', true, 'exact'],
    ['x.b.test', false, null],
    ['x.c.test', false, null],
    ['x.d.test', false, 'any'],
    ['x.d.test', true, null],
    ['', false, null],
  ];
  for (const [host, hasCertificate, expected] of rows) {
    assert.equal(tls.passthroughOf(host, hasCertificate)?.spec.name ?? null, expected, host);
  }
  assert.equal(listenerTls(tlsSpec()).passthroughOf('a.test', false), null);
  assert.equal(listenerTls(tlsSpec()).hasPassthroughs, false);
});

test('linked-tls: passthroughs of other listeners take nothing', () => {
  const other = { ...passthrough('other', 'a.test'), listeners: [1] };
  const spec = tlsSpec({ passthroughs: [other] });
  const { listeners } = linkTls(spec, [listenerSpec(), listenerSpec()], null);
  assert.equal(listeners[0]!.passthroughOf('a.test', false), null);
  assert.equal(listeners[1]!.passthroughOf('a.test', false)!.index, 0);
});

test('linked-tls: a policy that says the same stays the same object', () => {
  const before = linkTls(tlsSpec({ policies: [policySpec(), strict] }), [], null);
  const changed = policySpec({ minVersion: '1.3' });
  const next = structuredClone(tlsSpec({ policies: [strict, changed] }));
  const after = linkTls(next, [], before);
  assert.equal(after.policies[0], before.policies[1]);
  assert.notEqual(after.policies[1], before.policies[0]);
});

function contextKeyOf(changes: Partial<TlsPolicySpec>): string {
  return linkedPolicy(changes).contextKey;
}

test('linked-tls: the key of contexts is that of the settings, whatever they are called', () => {
  const same = contextKeyOf({});
  assert.equal(contextKeyOf({ name: 'other', handshakeTimeoutMs: 1, noName: 'default' }), same);
  const rows: Partial<TlsPolicySpec>[] = [
    { minVersion: '1.3' },
    { maxVersion: '1.2' },
    { ciphers: ['TLS_AES_256_GCM_SHA384'] },
    { groups: ['P-256'] },
    { clientAuth: 'request' },
    { clientCas: ['x'] },
    { clientCrls: ['x'] },
    { sessionTickets: false },
  ];
  const keys = rows.map(contextKeyOf);
  assert.equal(new Set([same, ...keys]).size, rows.length + 1);
});

test('linked-tls: says which names are on demand', () => {
  const tls = listenerTls(tlsSpec({ onDemand: ['*.a.test', 'b.test'] }));
  const rows: [string, boolean][] = [
    ['x.a.test', true],
    ['b.test', true],
    ['a.test', false],
    ['x.b.test', false],
    ['', false],
  ];
  for (const [host, expected] of rows) assert.equal(tls.isOnDemand(host), expected, host);
  const any = listenerTls(tlsSpec({ onDemand: ['*'] }));
  assert.equal(any.isOnDemand('anything.test'), true);
  assert.equal(any.isOnDemand(''), false, 'no name is not a name');
  assert.equal(listenerTls(tlsSpec()).isOnDemand('x.a.test'), false);
});
