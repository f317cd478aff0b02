import test from 'node:test';
import assert from 'node:assert/strict';
import { HandshakeLimiter, handshakeShareOf } from './handshake-limiter.ts';

/** How many of `count` at once are allowed. */
function burst(limiter: HandshakeLimiter, address: string, rate: number, nowMs: number): number {
  let allowed = 0;
  for (let i = 0; i < 10 * rate; i++) if (limiter.allows(address, rate, nowMs)) allowed++;
  return allowed;
}

test('handshake-limiter: allows the rate at once, and as much again each second', () => {
  for (const rate of [1, 3, 7, 20, 33, 1_000]) {
    const limiter = new HandshakeLimiter(1);
    const startMs = 123_456.789;
    assert.equal(burst(limiter, '192.0.2.1', rate, startMs), rate, `${rate} at once`);
    assert.equal(limiter.allows('192.0.2.1', rate, startMs + 990 / rate), false);
    assert.equal(limiter.allows('192.0.2.1', rate, startMs + 1_010 / rate), true);
    assert.equal(burst(limiter, '192.0.2.1', rate, startMs + 5_000), rate, `${rate} later`);
  }
});

test('handshake-limiter: a refused handshake does not count', () => {
  const limiter = new HandshakeLimiter(1);
  burst(limiter, '192.0.2.1', 2, 0);
  for (let nowMs = 0; nowMs < 490; nowMs++) limiter.allows('192.0.2.1', 2, nowMs);
  assert.equal(limiter.allows('192.0.2.1', 2, 501), true);
});

test('handshake-limiter: counts IPv4 addresses and IPv6 networks', () => {
  const limiter = new HandshakeLimiter(1);
  const once = (address: string): boolean => limiter.allows(address, 1, 0);
  const rows: [string, boolean][] = [
    ['192.0.2.1', true],
    ['192.0.2.2', true],
    ['::ffff:192.0.2.1', false],
    ['2001:db8::1', true],
    ['2001:db8::ffff:1:2:3', false],
    ['2001:db8:0:1::1', true],
    ['fe80::1%eth0', true],
    ['fe80::2%eth0', false],
  ];
  for (const [address, expected] of rows) assert.equal(once(address), expected, address);
});

test('handshake-limiter: has no opinion without a limit or an address', () => {
  const limiter = new HandshakeLimiter(1);
  for (let i = 0; i < 100; i++) {
    assert.equal(limiter.allows('192.0.2.1', 0, 0), true);
    assert.equal(limiter.allows('', 1, 0), true);
  }
});

test('handshake-limiter: a flood of addresses does not free the one that is refused', () => {
  const limiter = new HandshakeLimiter(7);
  burst(limiter, '192.0.2.1', 10, 0);
  for (let i = 0; i < 100_000; i++)
    limiter.allows(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 10, 0);
  assert.equal(limiter.allows('192.0.2.1', 10, 1), false);
});

test('handshake-limiter: gives each worker its share, and room for uneven luck', () => {
  assert.equal(handshakeShareOf(100, 1), 100);
  assert.equal(handshakeShareOf(100, 4), 40);
  assert.equal(handshakeShareOf(4, 4), 4);
  assert.equal(handshakeShareOf(1, 8), 1);
});
