import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { loadConfig } from '../../../src/control/config/load-config.ts';
import { memorySource } from '../../../src/control/config/memory-source.ts';
import { formatIssues } from '../../../src/control/config/render-issue.ts';

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

test('config: reports ten mistakes as ten issues, each at its place', async () => {
  const name = 'ten-mistakes.toml';
  const text = read(name);
  const { config, issues } = await loadConfig(name, memorySource({ [name]: text }));
  assert.equal(config, null);
  assert.equal(
    formatIssues(issues, () => text),
    read('ten-mistakes.txt'),
  );
  assert.equal(issues.length, 10);
  assert.equal(new Set(issues.map((issue) => issue.code)).size, 10);
});

test('config: loads a file that uses every section without an issue', async () => {
  const name = 'every-section.toml';
  const { config, issues } = await loadConfig(name, memorySource({ [name]: read(name) }));
  assert.deepEqual(issues, []);
  assert.deepEqual(config, JSON.parse(read('every-section.json')));
});
