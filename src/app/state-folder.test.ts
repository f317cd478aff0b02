import assert from 'node:assert/strict';
import test from 'node:test';

import { autosaveFolder } from './state-folder.ts';

const CONFIG = '/etc/proxy-now/main.toml';

test('state folder: of the service, of the user, or in the home', () => {
  const of = (env: Record<string, string>, home = '/home/a'): string | null =>
    autosaveFolder('auto', CONFIG, env, home);
  const all = { STATE_DIRECTORY: '/var/lib/x:/var/lib/y', XDG_STATE_HOME: '/s' };
  assert.equal(of(all), '/var/lib/x');
  assert.equal(of({ XDG_STATE_HOME: '/s' }), '/s/proxy-now');
  assert.equal(of({ XDG_STATE_HOME: 'relative' }), '/home/a/.local/state/proxy-now');
  assert.equal(of({}), '/home/a/.local/state/proxy-now');
  assert.equal(of({}, '/'), null);
  assert.equal(of({}, ''), null);
});

test('state folder: one of its own is relative to the file; off is nowhere', () => {
  assert.equal(autosaveFolder('state', CONFIG, {}, '/h'), '/etc/proxy-now/state');
  assert.equal(autosaveFolder('/state', CONFIG, {}, '/h'), '/state');
  assert.equal(autosaveFolder('off', CONFIG, {}, '/h'), null);
  assert.equal(autosaveFolder('auto', '', {}, '/h'), null);
});
