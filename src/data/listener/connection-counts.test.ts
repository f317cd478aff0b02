import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { Fault } from '../../contract/fault.ts';
import { ConnectionCounts } from './connection-counts.ts';

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
