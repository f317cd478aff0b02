import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { Fault } from '../../contract/fault.ts';
import { addressShareOf, clientOf, ConnectionCounts } from './connection-counts.ts';

test('connection counts: the last one within the total passes, the next does not', () => {
  const counts = new ConnectionCounts();
  counts.add('192.0.2.1');
  assert.equal(counts.check('192.0.2.2', 2, 10), Fault.none);
  counts.add('192.0.2.2');
  assert.equal(counts.check('192.0.2.3', 2, 10), Fault.connectionLimit);
  counts.remove('192.0.2.1');
  assert.equal(counts.check('192.0.2.3', 2, 10), Fault.none);
});

test('connection counts: each address has a limit of its own', () => {
  const counts = new ConnectionCounts();
  counts.add('192.0.2.1');
  assert.equal(counts.check('192.0.2.1', 10, 2), Fault.none);
  counts.add('192.0.2.1');
  assert.equal(counts.check('192.0.2.1', 10, 2), Fault.addressConnectionLimit);
  assert.equal(counts.check('192.0.2.2', 10, 2), Fault.none);
  counts.remove('192.0.2.1');
  assert.equal(counts.check('192.0.2.1', 10, 2), Fault.none);
});

test('connection counts: the total is what is reported when both limits are reached', () => {
  const counts = new ConnectionCounts();
  counts.add('192.0.2.1');
  assert.equal(counts.check('192.0.2.1', 1, 1), Fault.connectionLimit);
});

test('connection counts: unix peers count in the total only', () => {
  const counts = new ConnectionCounts();
  counts.add('');
  counts.add('');
  assert.equal(counts.check('', 3, 1), Fault.none);
  assert.equal(counts.check('', 2, 1), Fault.connectionLimit);
  counts.remove('');
  counts.remove('');
  assert.equal(counts.total, 0);
});

test('connection counts: names of properties are addresses like any other', () => {
  const counts = new ConnectionCounts();
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.equal(counts.check(name, 10, 1), Fault.none, name);
    counts.add(name);
    assert.equal(counts.check(name, 10, 1), Fault.addressConnectionLimit, name);
  }
});

test('connection counts: agree with a list of the open connections, whatever happens', () => {
  const addresses = ['192.0.2.1', '192.0.2.2', ''];
  const step = fc.record({ address: fc.constantFrom(...addresses), isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const counts = new ConnectionCounts();
      const open: string[] = [];
      for (const { address, isAdded } of steps) {
        if (isAdded) {
          open.push(address);
          counts.add(address);
        } else if (open.includes(address)) {
          open.splice(open.indexOf(address), 1);
          counts.remove(address);
        }
        assert.equal(counts.total, open.length);
        for (const known of addresses.slice(0, 2)) {
          const count = open.filter((text) => text === known).length;
          assert.equal(counts.check(known, 1_000, count), Fault.addressConnectionLimit);
          assert.equal(counts.check(known, 1_000, count + 1), Fault.none);
        }
      }
    }),
  );
});

test('connection counts: IPv6 addresses of one /64 are one client', () => {
  const table: readonly (readonly [string, string])[] = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3::1', '2001:db8:1:2::/64'],
    ['2001:db8:1::1', '2001:db8:1:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::2:3:4:5:6', '0:0:0:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ];
  for (const [address, client] of table) assert.equal(clientOf(address), client, address);
  const counts = new ConnectionCounts();
  counts.add('2001:db8:1:2::1');
  counts.add('2001:db8:1:2:ffff::2');
  assert.equal(counts.check('2001:db8:1:2::3', 10, 2), Fault.addressConnectionLimit);
  assert.equal(counts.check('2001:db8:1:3::3', 10, 2), Fault.none);
  counts.remove('2001:db8:1:2::1');
  assert.equal(counts.check('2001:db8:1:2::3', 10, 2), Fault.none);
});

test('connection counts: the share of an address allows for uneven luck', () => {
  assert.equal(addressShareOf(10, 1, 100), 10);
  assert.equal(addressShareOf(10, 8, 100), 5); // 1.25 on average.
  assert.equal(addressShareOf(1_000, 2, 10_000), 568);
  assert.equal(addressShareOf(2, 64, 100), 1);
  assert.equal(addressShareOf(1, 2, 100), 1);
  assert.equal(addressShareOf(75, 2, 50), 44); // 56 would be all of it: others get in.
  assert.equal(addressShareOf(100, 2, 50), 100); // As many as there are: no limit.
});
