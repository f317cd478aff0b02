import test from 'node:test';
import assert from 'node:assert/strict';
import { addressesCollide, isLocalAddress, parseListenerAddress } from './listener-address.ts';
import type { ListenerAddress } from './listener-address.ts';

const CASES: readonly [text: string, expected: string | null][] = [
  [':8080', 'tcp :: 8080'],
  [':0', 'tcp :: 0'],
  ['127.0.0.1:80', 'tcp 127.0.0.1 80'],
  ['0.0.0.0:65535', 'tcp 0.0.0.0 65535'],
  ['[::1]:80', 'tcp ::1 80'],
  ['[0:0:0:0:0:0:0:1]:80', 'tcp ::1 80'],
  ['[::ffff:10.0.0.1]:80', 'tcp 10.0.0.1 80'],
  ['unix:/run/a.sock', 'unix /run/a.sock 0'],
  ['', null],
  ['8080', null],
  ['80:80', null],
  ['::1:80', null],
  ['[127.0.0.1]:80', null],
  ['[::1]', null],
  ['[fe80::1%eth0]:80', null],
  ['localhost:80', null],
  ['127.0.0.1:65536', null],
  ['127.0.0.1:-1', null],
  ['127.0.0.01:80', null],
  ['unix:run/a.sock', null],
  ['unix:', null],
  [`unix:/${'a'.repeat(106)}`, `unix /${'a'.repeat(106)} 0`],
  [`unix:/${'a'.repeat(107)}`, null],
];

test('parseListenerAddress: reads each form, and nothing else', () => {
  for (const [text, expected] of CASES) {
    const parsed = parseListenerAddress(text);
    const shown = parsed.ok
      ? `${parsed.value.kind} ${parsed.value.host} ${parsed.value.port}`
      : null;
    assert.equal(shown, expected, text);
  }
});

function read(text: string): ListenerAddress {
  const parsed = parseListenerAddress(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

const COLLISIONS: readonly [a: string, b: string, isCollision: boolean][] = [
  [':80', ':80', true],
  [':80', ':81', false],
  [':80', '0.0.0.0:80', true],
  [':80', '[::1]:80', true],
  ['0.0.0.0:80', '127.0.0.1:80', true],
  ['0.0.0.0:80', '[::1]:80', false],
  ['127.0.0.1:80', '127.0.0.2:80', false],
  [':0', ':0', false],
  ['unix:/a', 'unix:/a', true],
  ['unix:/a', 'unix:/b', false],
  ['unix:/a', ':80', false],
];

test('addressesCollide: knows which addresses cannot be bound together', () => {
  for (const [a, b, isCollision] of COLLISIONS) {
    assert.equal(addressesCollide(read(a), read(b)), isCollision, `${a} ${b}`);
    assert.equal(addressesCollide(read(b), read(a)), isCollision, `${b} ${a}`);
  }
});

test('isLocalAddress: is true only for loopback and unix', () => {
  for (const text of ['127.9.9.9:1', '[::1]:1', 'unix:/a']) assert.ok(isLocalAddress(read(text)));
  for (const text of [':1', '0.0.0.0:1', '10.0.0.1:1']) assert.ok(!isLocalAddress(read(text)));
});
