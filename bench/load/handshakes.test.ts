import assert from 'node:assert/strict';
import test from 'node:test';

import { handshakeCommand, parseHandshakes } from './handshakes.ts';

const ONE = `Collecting connection statistics for 2 seconds
*******

812 connections in 0.41s; 1980.49 connections/user sec, bytes read 175392
812 connections in 3 real seconds, 216 bytes read per connection
`;

test('handshakes: adds what each process counted in real time', () => {
  const result = parseHandshakes(ONE.repeat(8), 2);
  assert.equal(result?.requests, 8 * 812);
  assert.equal(result.errors, 0);
});

test('handshakes: a process that broke off is an error, and none at all no result', () => {
  assert.equal(parseHandshakes(ONE.repeat(7), 2)?.errors, 1);
  assert.equal(parseHandshakes('connect:errno=111\n', 2), null);
});

test('handshakes: the load makes new sessions against the peer', () => {
  const command = handshakeCommand({ port: 18_001, seconds: 3, path: '/64' }).join(' ');
  assert.match(command, /-connect 127\.0\.0\.1:18001 -new -www \/64 -time 3/);
});
