import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { COMMANDS } from '../src/app/cli/commands.ts';
import { FAULTS } from '../src/contract/fault.ts';
import { METRICS } from '../src/contract/metric.ts';
import { referenceRows } from '../src/control/config/reference-rows.ts';
import { code, table } from './reference/markdown.ts';
import { renderPages } from './reference/pages.ts';

test('reference: the pages and the schema say what the tables say', () => {
  const script = join(import.meta.dirname, 'reference.ts');
  const result = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stdout + result.stderr);
});

test('reference: every key, metric, fault and command has its place on a page', () => {
  const pages = renderPages();
  const config = pages.get('docs/reference/config.md')!;
  for (const { key, doc } of referenceRows()) {
    const name = key.slice(key.lastIndexOf('.') + 1);
    const isThere = config.includes(`- \`${name}\` (`) || config.includes(`\`${key}`);
    assert.ok(doc.length > 0, `${key} has no text`);
    assert.ok(isThere, `${key} is missing`);
  }
  for (const { name } of METRICS) {
    assert.ok(pages.get('docs/reference/metrics.md')!.includes(`| \`${name}\` |`), name);
  }
  for (const { name, options } of COMMANDS) {
    assert.ok(pages.get('docs/reference/cli.md')!.includes(`## \`proxy-now ${name}`), name);
    for (const option of options) {
      assert.ok(pages.get('docs/reference/cli.md')!.includes(`--${option.name}`), option.name);
    }
  }
  for (const { label } of Object.values(FAULTS)) {
    const isListed = pages.get('docs/reference/faults.md')!.includes(`| \`${label}\` |`);
    assert.equal(isListed, label !== 'none', label);
  }
});

test('markdown: keeps what is special inside cells and code', () => {
  assert.equal(table(['a'], [['x | y\n z']]), '| a |\n| --- |\n| x \\| y z |');
  assert.equal(code('a'), '`a`');
  assert.equal(code('a`b'), '`` a`b ``');
});
