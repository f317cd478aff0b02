import assert from 'node:assert/strict';
import test from 'node:test';

import { latin1Text } from '../../base/ascii.ts';
import { compileCidrSet } from '../../base/cidr.ts';
import { ClientPeer } from './client-peer.ts';
import type { ClientArrival, ClientSecurity } from './client-security.ts';

function arrival(
  peerAddress: string,
  localPort: number,
  security: ClientSecurity | null = null,
): ClientArrival {
  return { peerAddress, localPort, security };
}

function linesOf(peer: ClientPeer): readonly string[] {
  const text = latin1Text(peer.forwardedBlock, 0, peer.forwardedBlock.length);
  assert.match(text, /\r\n$/, 'the block is whole lines');
  return text.split('\r\n').slice(0, -1);
}

test('client peer: tells origins about a tcp client', () => {
  const peer = new ClientPeer(arrival('192.0.2.7', 8_080), 3, null);
  assert.deepEqual(linesOf(peer), [
    'X-Forwarded-For: 192.0.2.7',
    'X-Real-IP: 192.0.2.7',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Port: 8080',
  ]);
  assert.equal(peer.listenerIndex, 3);
});

test('client peer: has no address nor port to tell of on a unix socket', () => {
  const peer = new ClientPeer(arrival('', 0), 0, compileCidrSet(['0.0.0.0/0', '::/0']));
  assert.deepEqual(linesOf(peer), ['X-Forwarded-Proto: http']);
  assert.equal(peer.isTrusted, false, 'nobody is everybody');
});

test('client peer: is trusted only inside the ranges of its listener', () => {
  const trusted = compileCidrSet(['10.0.0.0/8', '2001:db8::/32']);
  const isTrusted = (address: string): boolean =>
    new ClientPeer(arrival(address, 80), 0, trusted).isTrusted;
  for (const address of ['10.0.0.0', '10.255.255.255', '2001:db8::1', '::ffff:10.1.2.3']) {
    assert.equal(isTrusted(address), true, address);
  }
  for (const address of ['9.255.255.255', '11.0.0.0', '2001:db9::1', '::1', '127.0.0.1']) {
    assert.equal(isTrusted(address), false, address);
  }
  assert.equal(new ClientPeer(arrival('10.0.0.1', 80), 0, null).isTrusted, false);
});
