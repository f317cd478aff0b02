import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasPebble } from '../support/pebble.ts';
import { threeNames } from './three-names.ts';

const skip = hasPebble() ? false : 'pebble is not installed';

test(
  'acme: three names get certificates in three ways and are served with them',
  { skip },
  async () => {
    const { names } = await threeNames({ nonceReject: 50, lifeSeconds: 0 });
    assert.deepEqual(
      names.map(({ challenge }) => challenge),
      ['http-01', 'tls-alpn-01', 'dns-01'],
    );
    for (const { name, serial, opensslVerifies } of names) {
      assert.notEqual(serial, '', name);
      assert.notEqual(opensslVerifies, false, `openssl does not trust what is served for ${name}`);
    }
  },
);
