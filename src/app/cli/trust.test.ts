import assert from 'node:assert/strict';
import test from 'node:test';

import type { TrustResult } from '../trust/trusted-root.ts';
import { exitCodeOf, trustText } from './trust.ts';

function result(outcome: TrustResult['outcome'], path = '/x'): TrustResult {
  return { store: 'Firefox', path, outcome, message: 'done' };
}

test('trust: fails when something failed or nothing could be done', () => {
  assert.equal(exitCodeOf([result('installed'), result('skipped')]), 0);
  assert.equal(exitCodeOf([result('present')]), 0);
  assert.equal(exitCodeOf([result('skipped'), result('skipped')]), 1);
  assert.equal(exitCodeOf([result('installed'), result('failed')]), 1);
});

test('trust: a line for each root and each store', () => {
  const list = [{ name: 'Root 1', id: 'ab', pem: 'secret?' }];
  const text = trustText({ folder: '/s', list }, [result('installed'), result('skipped', '')]);
  assert.equal(
    text,
    'Root 1, SHA-256 ab\n  installed  Firefox (/x): done\n  skipped    Firefox: done',
  );
});
