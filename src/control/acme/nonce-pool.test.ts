import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NoncePool } from './nonce-pool.ts';

test('nonce pool: gives each once, the newest first', () => {
  const pool = new NoncePool();
  pool.add('one');
  pool.add('two');
  assert.equal(pool.take(), 'two');
  assert.equal(pool.take(), 'one');
  assert.equal(pool.take(), null);
});

test('nonce pool: ignores what is no nonce (RFC 8555 §6.5.1)', () => {
  const pool = new NoncePool();
  for (const nonce of ['', 'a b', 'a=', 'ä', 'a,b', 'x'.repeat(513)]) pool.add(nonce);
  assert.equal(pool.take(), null);
  pool.add('x'.repeat(512));
  assert.notEqual(pool.take(), null);
});

test('nonce pool: keeps 32 and forgets the oldest', () => {
  const pool = new NoncePool();
  for (let i = 0; i < 33; i++) pool.add(`n${i}`);
  const taken: string[] = [];
  for (let nonce = pool.take(); nonce !== null; nonce = pool.take()) taken.push(nonce);
  assert.equal(taken.length, 32);
  assert.equal(taken.at(-1), 'n1');
  pool.add('left');
  pool.clear();
  assert.equal(pool.take(), null);
});
