import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { Autosave } from '../control/apply/autosave.ts';
import { readConfig } from './config-file.ts';
import { configOfTexts, hasError, lastGoodConfig, loadedFiles } from './start-config.ts';

const service = (name: string, port: number): string =>
  `[routes.${name}]\nhost = "${name}.example"\nservice = "${name}"\n` +
  `[services.${name}]\nendpoints = ["http://127.0.0.1:${port}"]\n`;

/** A configuration of two files that was good, and was saved. */
async function saved(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'pn-'));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'conf.d'));
  const main = join(folder, 'main.toml');
  const part = join(folder, 'conf.d/a.toml');
  const head =
    'include = ["conf.d/*.toml"]\n[listeners.web]\naddress = ":80"\n[reload]\nautosave = "state"\n';
  writeFileSync(main, head + service('m', 1));
  writeFileSync(part, service('a', 2));
  const loaded = await readConfig(main);
  assert.ok(!hasError(loaded));
  const autosave = new Autosave({
    folder: join(folder, 'state'),
    path: main,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    wallMs: () => 1_000,
    processId: 1,
  });
  await autosave.save(loadedFiles(loaded));
  return { folder, main, part, head };
}

async function portsOf(main: string): Promise<number[]> {
  const start = await lastGoodConfig(main);
  assert.ok('config' in start, JSON.stringify(start));
  assert.equal(start.savedAtMs, 1_000);
  return start.config.services.map(({ endpoints }) => endpoints[0]!.port);
}

test('start: a broken main file is replaced with all it included', async (context) => {
  const { main, part, head } = await saved(context);
  writeFileSync(main, `${head}broken`);
  writeFileSync(part, service('a', 3)); // Belongs to the broken one: not mixed in.
  assert.deepEqual(await portsOf(main), [1, 2]);
  rmSync(part);
  assert.deepEqual(await portsOf(main), [1, 2]);
  const start = await lastGoodConfig(main);
  assert.ok('files' in start);
  assert.deepEqual(
    start.files.map(({ path }) => path),
    [main, part],
  );
});

test('start: of a broken included file only that one is replaced', async (context) => {
  const { main, part, head } = await saved(context);
  writeFileSync(main, head + service('m', 9));
  writeFileSync(part, 'broken');
  assert.deepEqual(await portsOf(main), [9, 2]);
});

test('start: without a copy there is a reason', async (context) => {
  const { folder, main, head } = await saved(context);
  rmSync(join(folder, 'state'), { recursive: true });
  writeFileSync(main, `${head}broken`);
  const none = await lastGoodConfig(main);
  assert.ok('problem' in none);
  assert.match(none.problem, /nothing was saved/);
  writeFileSync(main, '[reload]\nautosave = "off"\nbroken');
  const off = await lastGoodConfig(main);
  assert.ok('problem' in off);
  assert.match(off.problem, /is off/);
});

test('start: texts make what they made, whatever is on disk by now', async (context) => {
  const { main, part, head } = await saved(context);
  const files = loadedFiles(await readConfig(main));
  writeFileSync(main, head + service('m', 9));
  writeFileSync(part, 'broken');
  writeFileSync(part.replace('a.toml', 'b.toml'), service('b', 3));
  const start = await configOfTexts(main, files);
  assert.ok('config' in start, JSON.stringify(start));
  assert.deepEqual(
    start.config.services.map(({ endpoints }) => endpoints[0]!.port),
    [1, 2],
  );
  assert.deepEqual(start.files, files);
  assert.ok('problem' in (await configOfTexts(main, [{ path: main, text: 'broken' }])));
  assert.ok('problem' in (await configOfTexts(main, [])));
});

test('start: files of a load are handed on with absolute paths', async (context) => {
  const { main, part } = await saved(context);
  writeFileSync(part, 'broken');
  const loaded = await readConfig(main);
  assert.ok(hasError(loaded));
  assert.deepEqual(
    loadedFiles(loaded).map(({ path }) => path),
    [main],
  );
});
