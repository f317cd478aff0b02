import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { Autosave, autosavePath, readAutosave } from './autosave.ts';

const PATH = '/etc/proxy-now/main.toml';

function open(context: TestContext, subfolder = 'state') {
  const root = mkdtempSync(join(tmpdir(), 'proxy-now-autosave-'));
  context.after(() => rmSync(root, { recursive: true }));
  const folder = join(root, subfolder);
  const warnings: string[] = [];
  const autosave = new Autosave({
    folder,
    path: PATH,
    log: {
      info: () => {},
      warn: (message, fields) => warnings.push(`${message} ${JSON.stringify(fields)}`),
      error: () => {},
    },
    wallMs: () => 1_000,
    processId: 7,
  });
  return { root, folder, warnings, autosave };
}

const file = (text: string) => [{ path: PATH, text }];

test('autosave: what was saved is read again, by its owner alone', async (context) => {
  const { folder, autosave, warnings } = open(context, 'a/b');
  const files = [...file('x = 1'), { path: '/etc/proxy-now/conf.d/a.toml', text: 'é\n' }];
  await autosave.save(files);
  assert.deepEqual(await readAutosave(folder, PATH), { path: PATH, savedAtMs: 1_000, files });
  assert.equal(statSync(autosavePath(folder, PATH)).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(readdirSync(folder).length, 1); // No temporary file is left.
  assert.deepEqual(warnings, []);
});

test('autosave: the newest of several wins, and the same is not written again', async (context) => {
  const { folder, autosave } = open(context);
  await Promise.all([autosave.save(file('1')), autosave.save(file('2')), autosave.save(file('3'))]);
  const saved = await readAutosave(folder, PATH);
  assert.ok('files' in saved);
  assert.equal(saved.files[0]!.text, '3');
  rmSync(autosavePath(folder, PATH));
  await autosave.save(file('3'));
  assert.ok(!existsSync(autosavePath(folder, PATH)));
  await autosave.save(file('4'));
  assert.ok(existsSync(autosavePath(folder, PATH)));
});

test('autosave: a failure is counted and told once, and what was saved stays', async (context) => {
  const { folder, autosave, warnings } = open(context);
  await autosave.save(file('good'));
  // Nobody can make a file where a directory of that name is, not even root.
  mkdirSync(join(`${autosavePath(folder, PATH)}.7.tmp`, 'x'), { recursive: true });
  await autosave.save(file('later'));
  await autosave.save(file('later still'));
  assert.equal(autosave.failures, 2);
  assert.equal(warnings.length, 1);
  const saved = await readAutosave(folder, PATH);
  assert.ok('files' in saved);
  assert.equal(saved.files[0]!.text, 'good');
  rmSync(`${autosavePath(folder, PATH)}.7.tmp`, { recursive: true });
  await autosave.save(file('again'));
  assert.equal(autosave.failures, 2);
});

test('autosave: a folder that cannot be made costs a warning', async (context) => {
  const { root } = open(context);
  writeFileSync(join(root, 'file'), '');
  const warnings: string[] = [];
  const autosave = new Autosave({
    folder: join(root, 'file/state'),
    path: PATH,
    log: { info: () => {}, warn: (message) => warnings.push(message), error: () => {} },
    wallMs: () => 0,
    processId: 7,
  });
  await autosave.save(file('1'));
  assert.equal(autosave.failures, 1);
  assert.equal(warnings.length, 1);
});

test('autosave: nothing is written when it is off or there is nothing to keep', async (context) => {
  const { folder, autosave } = open(context);
  await autosave.save([]);
  assert.ok(!existsSync(folder));
  const off = new Autosave({
    folder: null,
    path: PATH,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    wallMs: () => 0,
    processId: 7,
  });
  await off.save(file('1'));
  assert.equal(off.failures, 0);
});

test('autosave: what is missing or damaged is a problem, not a configuration', async (context) => {
  const { folder } = open(context);
  const problemOf = async (): Promise<string> => {
    const saved = await readAutosave(folder, PATH);
    return 'problem' in saved ? saved.problem : '';
  };
  assert.match(await problemOf(), /nothing was saved/);
  mkdirSync(folder);
  chmodSync(folder, 0o700);
  const damaged = [
    '',
    '{',
    'null',
    '{"version":2,"path":"/a","savedAtMs":1,"files":[{"path":"/a","text":""}]}',
    '{"version":1,"path":"/a","savedAtMs":1,"files":[]}',
    '{"version":1,"path":"/a","savedAtMs":1,"files":[{"path":"/a"}]}',
  ];
  for (const text of damaged) {
    writeFileSync(autosavePath(folder, PATH), text);
    assert.match(await problemOf(), /is not what was saved/, text);
  }
});

test('autosave: files of the same name elsewhere have copies of their own', () => {
  assert.notEqual(autosavePath('/s', '/a/main.toml'), autosavePath('/s', '/b/main.toml'));
  assert.match(autosavePath('/s', '/a/main.toml'), /^\/s\/main\.toml-[0-9a-f]{8}\.json$/);
});
