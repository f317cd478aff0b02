import assert from 'node:assert/strict';
import test from 'node:test';

import { autosaveFolder, storageFolder } from './state-folder.ts';

const CONFIG = '/etc/proxy-now/main.toml';

function autoFolder(env: Record<string, string>, home = '/home/a'): string | null {
  return autosaveFolder('auto', CONFIG, env, home);
}

test('state folder: of the service, of the user, or in the home', () => {
  const all = { STATE_DIRECTORY: '/var/lib/x:/var/lib/y', XDG_STATE_HOME: '/s' };
  assert.equal(autoFolder(all), '/var/lib/x');
  assert.equal(autoFolder({ XDG_STATE_HOME: '/s' }), '/s/proxy-now');
  assert.equal(autoFolder({ XDG_STATE_HOME: 'relative' }), '/home/a/.local/state/proxy-now');
  assert.equal(autoFolder({}), '/home/a/.local/state/proxy-now');
  assert.equal(autoFolder({}, '/'), null);
  assert.equal(autoFolder({}, ''), null);
});

test('state folder: one of its own is relative to the file; off is nowhere', () => {
  assert.equal(autosaveFolder('state', CONFIG, {}, '/h'), '/etc/proxy-now/state');
  assert.equal(autosaveFolder('/state', CONFIG, {}, '/h'), '/state');
  assert.equal(autosaveFolder('off', CONFIG, {}, '/h'), null);
  assert.equal(autosaveFolder('auto', '', {}, '/h'), null);
});

function storage(setting: string, configPath: string, env = {}, home = '/home/a') {
  return storageFolder(setting, configPath, env, home);
}

test('storage folder: below the state of the service or user, or where the file says', () => {
  assert.equal(storage('auto', CONFIG), '/home/a/.local/state/proxy-now/storage');
  assert.equal(storage('auto', '', { STATE_DIRECTORY: '/var/lib/x' }), '/var/lib/x/storage');
  assert.equal(storage('keys', CONFIG), '/etc/proxy-now/keys');
  assert.equal(storage('/keys', ''), '/keys');
  assert.equal(storage('auto', CONFIG, {}, '/'), null);
});
