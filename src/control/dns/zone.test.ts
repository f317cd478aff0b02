import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeDnsClient } from './fake-dns.contract.ts';
import type { FakeRecord } from './fake-dns.contract.ts';
import { isWithin, ZoneFinder } from './zone.ts';

const never = new AbortController().signal;

function find(records: FakeRecord[], name: string, code = 3) {
  const client = new FakeDnsClient({ resolver: { records, code } });
  return new ZoneFinder(client, ['resolver']).find(name, never);
}

test('zone: the nearest SOA above the name', async () => {
  const records: FakeRecord[] = [
    ['example.com', 'soa', 'ns.example.com'],
    ['sub.example.com', 'soa', 'ns.example.com'],
  ];
  const name = '_acme-challenge.www.example.com';
  assert.deepEqual(await find(records, name), { name, zone: 'example.com' });
  const below = '_acme-challenge.www.sub.example.com';
  assert.deepEqual(await find(records, below), { name: below, zone: 'sub.example.com' });
  const apex = await find(records, 'Sub.Example.com');
  assert.deepEqual(apex, { name: 'sub.example.com', zone: 'sub.example.com' });
});

test('zone: a chain of CNAMEs is followed into another zone', async () => {
  const records: FakeRecord[] = [
    ['example.com', 'soa', 'ns.example.com'],
    ['_acme-challenge.example.com', 'cname', 'one.example.com'],
    ['one.example.com', 'cname', 'two.acme.example.org'],
    ['acme.example.org', 'soa', 'ns.example.org'],
  ];
  assert.deepEqual(await find(records, '_acme-challenge.example.com'), {
    name: 'two.acme.example.org',
    zone: 'acme.example.org',
  });
});

test('zone: CNAMEs in a circle are a failure with a sentence', async () => {
  const records: FakeRecord[] = [
    ['a.example.com', 'cname', 'b.example.com'],
    ['b.example.com', 'cname', 'a.example.com'],
  ];
  await assert.rejects(find(records, 'a.example.com'), {
    name: 'DnsProviderError',
    isTemporary: false,
    message: /end the circle/,
  });
});

test('zone: none is found where DNS shows none', async () => {
  const name = '_acme-challenge.nowhere.test';
  assert.deepEqual(await find([['.other.test', 'soa', 'x']], name), { name, zone: '' });
});

test('zone: the SOA of an unrelated name does not count', async () => {
  const stray: FakeRecord = ['elsewhere.test', 'soa', 'ns.elsewhere.test'];
  const client = new FakeDnsClient({ r: { records: [], stray } });
  const found = await new ZoneFinder(client, ['r']).find('x.example.com', never);
  assert.equal(found.zone, '');
});

test('zone: none is found by servers that do not know the types', async () => {
  assert.deepEqual(await find([], 'a.example.com', 4), { name: 'a.example.com', zone: '' });
});

test('zone: resolvers that fail are a failure that may pass', async () => {
  await assert.rejects(find([], 'a.example.com', 2), { isTemporary: true });
});

test('zone: within is by labels', () => {
  assert.ok(isWithin('a.example.com', 'example.com'));
  assert.ok(isWithin('example.com', 'example.com'));
  assert.ok(!isWithin('anexample.com', 'example.com'));
  assert.ok(!isWithin('example.com', ''));
});
