/**
 * Writes what is generated: the reference pages and the JSON Schema for editors.
 *
 *   node scripts/reference.ts          writes docs/reference/*.md and schema/proxy-now.json
 *   node scripts/reference.ts --check  writes nothing; exit code 1 when a file differs
 *
 * The sources are the tables the product itself runs on, so a page cannot say anything else.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { renderPages } from './reference/pages.ts';

const ROOT = join(import.meta.dirname, '..');

/** Writes `pages` below `root` in the project's format. */
function writePages(root: string, pages: ReadonlyMap<string, string>): void {
  for (const [path, text] of pages) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const oxfmt = join(ROOT, 'node_modules/oxfmt/bin/oxfmt');
  const config = join(ROOT, '.oxfmtrc.json');
  execFileSync(process.execPath, [oxfmt, '-c', config, ...pages.keys()], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** @returns one line for each file that is missing or differs from what the tables say */
function findDifferences(pages: ReadonlyMap<string, string>): string[] {
  const scratch = mkdtempSync(join(tmpdir(), 'proxy-now-reference-'));
  const differences: string[] = [];
  try {
    writePages(scratch, pages);
    for (const path of pages.keys()) {
      const expected = readFileSync(join(scratch, path), 'utf8').split('\n');
      const found = readIfThere(join(ROOT, path)).split('\n');
      const line = expected.findIndex((text, i) => text !== found[i]);
      if (line < 0 && found.length === expected.length) continue;
      const at = line < 0 ? expected.length : line;
      const wanted = expected[at] ?? '(end of file)';
      differences.push(`${path}:${at + 1}: differs from the tables; there should be: ${wanted}`);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return differences;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function main(): void {
  const pages = renderPages();
  if (!process.argv.includes('--check')) {
    writePages(ROOT, pages);
    console.log([...pages.keys()].map((path) => `wrote ${path}`).join('\n'));
    return;
  }
  const differences = findDifferences(pages);
  for (const text of differences) console.log(text);
  if (differences.length === 0) return;
  console.log('run: npm run reference');
  process.exitCode = 1;
}

main();
