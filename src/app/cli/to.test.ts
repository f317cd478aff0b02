import assert from 'node:assert/strict';
import test from 'node:test';

import { endpointUrl, securePlace } from './to.ts';

test('to: makes an endpoint URL of what people type', () => {
  assert.equal(endpointUrl('3000'), 'http://127.0.0.1:3000');
  assert.equal(endpointUrl('app.internal:3000'), 'http://app.internal:3000');
  assert.equal(endpointUrl('http://10.0.0.1:80'), 'http://10.0.0.1:80');
  assert.equal(endpointUrl('unix:/run/app.sock'), 'unix:/run/app.sock');
});

test('to: leaves an unknown scheme to the checks that name the known ones', () => {
  assert.equal(endpointUrl('ftp://host'), 'ftp://host');
});

function secure(listen: string) {
  return securePlace(listen, true);
}

test('to: localhost is served on loopback, with a certificate for its addresses too', () => {
  assert.deepEqual(secure('https://localhost:8443'), {
    addresses: ['127.0.0.1:8443', '[::1]:8443'],
    names: ['localhost', '127.0.0.1', '::1'],
    isInternal: true,
  });
  assert.deepEqual(securePlace('https://App.localhost', false)?.addresses, ['127.0.0.1:443']);
});

test('to: other names are served on all interfaces, public ones at 443 publicly', () => {
  assert.deepEqual(secure('https://nas.home.arpa:8443'), {
    addresses: [':8443'],
    names: ['nas.home.arpa'],
    isInternal: true,
  });
  assert.deepEqual(secure('https://192.168.1.2')?.addresses, ['192.168.1.2:443']);
  assert.deepEqual(secure('https://[fd00::1]:444')?.addresses, ['[fd00::1]:444']);
  assert.equal(secure('https://shop.example.com')?.isInternal, false);
  assert.equal(secure('https://shop.example.com:8443')?.isInternal, true);
  assert.deepEqual(secure('https://B\u00fccher.example')?.names, ['xn--bcher-kva.example']);
});

test('to: what is no place to listen at is refused', () => {
  for (const listen of ['https:', 'https://', 'https://a/b', 'https://u@a', 'https://a:99999']) {
    assert.equal(secure(listen), null, listen);
  }
});
