/**
 * Structure checks that a linter cannot express; the first step of `npm test`.
 *
 *   node scripts/tidy.ts          problems as `file:line: message`; exit code 1 if there are any
 *   node scripts/tidy.ts --stats  and the sizes of files and functions
 *
 * What is checked stands in CONTRIBUTING.md, the table in layers.json.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFunctions } from './tidy/functions.ts';
import { checkCycles, checkDeadFiles } from './tidy/graph.ts';
import { checkLayers, checkTable } from './tidy/layers.ts';
import type { Layers } from './tidy/layers.ts';
import { readSource } from './tidy/source-file.ts';
import type { Problem, SourceFile } from './tidy/source-file.ts';
import {
  checkColumns,
  checkDocs,
  checkFileSize,
  checkFunctions,
  checkHeader,
  checkNotes,
  checkWords,
} from './tidy/text.ts';

/** Folders that hold no source of ours. */
const SKIPPED = new Set(['node_modules', 'dist', 'tmp', 'coverage']);

/**
 * Every problem of `files` under `layers`, by path and line.
 * @param exists whether a path of the repository is there; only asked about documents
 */
export function tidy(
  layers: Layers,
  files: readonly SourceFile[],
  exists: (path: string) => boolean = () => true,
): Problem[] {
  const problems = [
    ...checkTable(layers),
    ...checkCycles(files),
    ...checkDeadFiles(files, layers.entries),
  ];
  for (const file of files) {
    problems.push(
      ...checkLayers(layers, file),
      ...checkColumns(file),
      ...checkHeader(file),
      ...checkWords(layers, file),
      ...checkNotes(file),
      ...checkDocs(file, exists),
      ...checkFileSize(layers, file),
      ...checkFunctions(layers, file),
    );
  }
  const paths = new Set(files.map((file) => file.path));
  const listed = [...Object.keys(layers.longFiles), ...Object.keys(layers.longFunctions)];
  for (const key of listed) {
    if (paths.has(key.split('#')[0]!)) continue;
    problems.push({ path: 'layers.json', line: 1, message: `lists ${key}, which is gone` });
  }
  return problems.toSorted(byPlace);
}

function byPlace(a: Problem, b: Problem): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.line - b.line;
}

/** Reads every `.ts` file below `root`, dot folders and generated ones left out. */
export function readTree(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts')) {
        files.push(readSource(path, readFileSync(join(root, path), 'utf8')));
      }
    }
  };
  walk('');
  return files;
}

/** The value at share `q` of `values`, 0 when there are none. */
function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function stats(files: readonly SourceFile[]): string {
  const sources = files.filter((file) => file.path.startsWith('src/') && !file.isTest);
  const sizes = sources.map((file) => file.lines.length);
  const lengths = sources.flatMap((file) => listFunctions(file.code).map((f) => f.lineCount));
  return [
    `source files ${sizes.length}, lines: median ${quantile(sizes, 0.5)}`,
    `95th percentile ${quantile(sizes, 0.95)}`,
    `functions ${lengths.length}, lines: median ${quantile(lengths, 0.5)}`,
    `95th percentile ${quantile(lengths, 0.95)}`,
  ].join(', ');
}

function main(): void {
  const root = join(import.meta.dirname, '..');
  const started = performance.now();
  const layers = JSON.parse(readFileSync(join(root, 'layers.json'), 'utf8')) as Layers;
  const files = readTree(root);
  const problems = tidy(layers, files, (path) => existsSync(join(root, path)));
  for (const { path, line, message } of problems) console.log(`${path}:${line}: ${message}`);
  if (process.argv.includes('--stats')) console.log(stats(files));
  const spentMs = Math.round(performance.now() - started);
  console.log(`tidy: ${files.length} files, ${problems.length} problems, ${spentMs} ms`);
  if (problems.length > 0) process.exitCode = 1;
}

if (import.meta.main) main();
