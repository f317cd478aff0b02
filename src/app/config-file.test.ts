import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { FILE_SOURCE, readConfig, settingOf, sourceText } from './config-file.ts';

function scratch(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'pn-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function problemOf(path: string): string {
  const answer = FILE_SOURCE.readFile(path);
  assert.ok(typeof answer !== 'string');
  return answer.problem;
}

test('config file: says why a file cannot be read', async (context) => {
  const folder = scratch(context);
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('folder'));
  writeFileSync(at('file'), '');
  symlinkSync('circle', at('circle'));
  execFileSync('mkfifo', [at('pipe')]);
  assert.equal(problemOf(at('none')), 'there is no such file');
  assert.equal(problemOf(at('folder')), 'it is a directory');
  assert.equal(problemOf(at('file/x')), 'a part of its path is not a directory');
  assert.equal(problemOf(at('circle')), 'its symbolic links form a circle');
  assert.equal(problemOf(at('pipe')), 'it is not a regular file');
  const { config, issues } = await readConfig(at('none'));
  assert.equal(config, null);
  assert.equal(issues[0]!.message, `${at('none')} cannot be read: there is no such file`);
  assert.equal(sourceText(at('none')), '');
});

test('config file: patterns are relative to the folder, absolute ones are not', (context) => {
  const folder = scratch(context);
  mkdirSync(join(folder, 'conf.d'));
  for (const name of ['b.toml', 'a.toml', 'c.txt']) writeFileSync(join(folder, 'conf.d', name), '');
  const paths = [join(folder, 'conf.d/a.toml'), join(folder, 'conf.d/b.toml')];
  assert.deepEqual(FILE_SOURCE.glob('conf.d/*.toml', folder), paths);
  assert.deepEqual(FILE_SOURCE.glob(join(folder, 'conf.d/*.toml'), '/elsewhere'), paths);
  assert.deepEqual(FILE_SOURCE.glob('none/*.toml', folder), []);
});

test('config file: a simple pattern matches what the system says it does', (context) => {
  const folder = scratch(context);
  mkdirSync(join(folder, 'd/x.d.toml'), { recursive: true });
  symlinkSync('nowhere', join(folder, 'd/link.toml'));
  for (const name of [
    'a.toml',
    '.hidden.toml',
    'A.TOML',
    'b+c.toml',
    'toml',
    'a.tomlx',
    'ab',
    '^$',
  ]) {
    writeFileSync(join(folder, 'd', name), '');
  }
  const patterns = ['*.toml', '?.toml', '*', '*toml*', 'a*b', 'b+c.*', '.*.toml', '^?', 'a.toml'];
  for (const pattern of [...patterns, '*/*.toml', '**', '[ab].toml', '{a,b}*.toml']) {
    const expected = globSync(`d/${pattern}`, { cwd: folder }).map((path) => join(folder, path));
    assert.deepEqual(FILE_SOURCE.glob(`d/${pattern}`, folder), expected.toSorted(), pattern);
    assert.deepEqual(FILE_SOURCE.glob(`${folder}/d/${pattern}`, '/'), expected.toSorted());
  }
  assert.deepEqual(FILE_SOURCE.glob('d/a.toml/*', folder), []);
});

test('config file: a folder that cannot be listed is not an empty one', async (context) => {
  const folder = scratch(context);
  for (const site of ['a', 'b']) mkdirSync(join(folder, 'sites', site), { recursive: true });
  writeFileSync(join(folder, 'sites/a/x.toml'), '');
  const patterns = ['sites/*/x.toml', 'sites/*/*.toml', 'sites/**/x.toml'];
  for (const pattern of patterns) {
    assert.deepEqual(FILE_SOURCE.glob(pattern, folder), [join(folder, 'sites/a/x.toml')]);
  }
  symlinkSync('circle', join(folder, 'sites/circle'));
  symlinkSync('circle', join(folder, 'circle'));
  const problem = { problem: 'its symbolic links form a circle' };
  for (const pattern of [...patterns, 'circle/*.toml', join(folder, 'circle/*')]) {
    assert.deepEqual(FILE_SOURCE.glob(pattern, folder), problem, pattern);
  }
  writeFileSync(join(folder, 'main.toml'), 'include = ["circle/*.toml"]\n');
  const { config, issues } = await readConfig(join(folder, 'main.toml'));
  assert.equal(config, null);
  const message = 'the included files cannot be listed: its symbolic links form a circle';
  assert.ok(issues.some((issue) => issue.message === message));
});

test('config file: a setting is found in a file with errors elsewhere', (context) => {
  const path = join(scratch(context), 'main.toml');
  writeFileSync(path, 'broken\n[admin]\nsocket = "/run/a.sock"\n[routes.x]\nservice = "none"\n');
  assert.equal(settingOf(path, 'admin', 'socket', 'auto'), '/run/a.sock');
  assert.equal(settingOf(path, 'admin', 'other', 'auto'), 'auto');
  assert.equal(settingOf(path, 'routes', 'x', 'auto'), 'auto');
  assert.equal(settingOf('/nowhere/main.toml', 'admin', 'socket', 'auto'), 'auto');
});
