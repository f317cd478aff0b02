import assert from 'node:assert/strict';
import test from 'node:test';

import { endpointUrl } from './to.ts';

test('to: makes an endpoint URL of what people type', () => {
  assert.equal(endpointUrl('3000'), 'http://127.0.0.1:3000');
  assert.equal(endpointUrl('app.internal:3000'), 'http://app.internal:3000');
  assert.equal(endpointUrl('http://10.0.0.1:80'), 'http://10.0.0.1:80');
  assert.equal(endpointUrl('unix:/run/app.sock'), 'unix:/run/app.sock');
});

test('to: leaves an unknown scheme to the checks that name the known ones', () => {
  assert.equal(endpointUrl('ftp://host'), 'ftp://host');
});
