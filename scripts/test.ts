/**
 * The test runner behind `npm test`: structure, then types, then every test, at most two files
 * at once and each in a process of its own.
 *
 *   npm test             all of it
 *   npm test -- h1 pool  only tests whose path contains one of the words; no structure, no types
 *
 * Exit code 0 only when every step passed. The last lines are those of node's own test summary.
 */

import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAll, runFile } from './test/run-file.ts';
import type { FileResult } from './test/run-file.ts';

const ROOT = join(import.meta.dirname, '..');
const PATTERNS = [
  'src/**/*.test.ts',
  'scripts/**/*.test.ts',
  'examples/**/*.test.ts',
  'bench/**/*.test.ts',
  'test/{acme,conformance,e2e,golden,router,simulation,soak,support,tls}/**/*.test.ts',
];
/** Two processes keep a two-core machine busy; more would only make tests late. */
const CONCURRENCY_MAX = 2;
const FILE_LIMIT_MS = 120_000;
/** From the start of the run: past it nothing is started, and what runs is killed. */
const TOTAL_LIMIT_MS = 285_000;
const SUMMARY_KEYS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];

/** Runs one command with our output. @returns true when it ended with code 0 */
function step(name: string, script: string, args: readonly string[]): Promise<boolean> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(ROOT, script), ...args], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${name}: ${error.message}`);
      resolve(false);
    });
    child.on('exit', (code) => {
      const spent = ((performance.now() - startedMs) / 1000).toFixed(1);
      console.log(`${code === 0 ? '✔' : '✖'} ${name} (${spent} s)`);
      resolve(code === 0);
    });
  });
}

async function checkStructureAndTypes(): Promise<boolean> {
  const tsc = 'node_modules/typescript/bin/tsc';
  const isTidy = await step('tidy', 'scripts/tidy.ts', []);
  const areTypesGood = await step('types', tsc, ['-p', 'tsconfig.json']);
  const isPure = await step('types of the pure rooms', tsc, ['-p', 'tsconfig.pure.json']);
  return isTidy && areTypesGood && isPure;
}

function findTests(words: readonly string[]): string[] {
  const all = PATTERNS.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).toSorted();
  return all.filter((path) => words.length === 0 || words.some((word) => path.includes(word)));
}

function printResult(path: string, progress: string, result: FileResult): void {
  for (const failure of result.failures) console.log(`✖ ${failure}`);
  const { counts, spentMs } = result;
  const skipped = counts.get('skipped') ?? 0;
  const skips = skipped > 0 ? `, ${skipped} skipped` : '';
  const done = `${counts.get('pass') ?? 0}/${counts.get('tests') ?? 0}${skips}`;
  const mark = result.isGood ? '✔' : '✖';
  console.log(`${mark} [${progress}] ${path} (${done}, ${(spentMs / 1000).toFixed(1)} s)`);
  const output = result.output.trimEnd();
  if (!result.isGood && output !== '') console.log(output.replaceAll(/^/gm, '  | '));
}

/** Runs `paths`, printing as they end. @returns totals by node's names, and whether all is good */
async function runTests(paths: readonly string[]) {
  const totals = new Map<string, number>();
  const scratch = mkdtempSync(join(tmpdir(), 'proxy-now-test-'));
  let next = 0;
  let done = 0;
  let isGood = true;
  const runSome = async (lane: number): Promise<void> => {
    while (next < paths.length) {
      const leftMs = TOTAL_LIMIT_MS - performance.now();
      if (leftMs <= 0) return;
      const path = paths[next++]!;
      const limitMs = Math.min(FILE_LIMIT_MS, leftMs);
      const result = await runFile(ROOT, path, limitMs, join(scratch, `${lane}.jsonl`));
      printResult(path, `${++done}/${paths.length}`, result);
      isGood &&= result.isGood;
      for (const [key, value] of result.counts) totals.set(key, (totals.get(key) ?? 0) + value);
    }
  };
  const lanes = Math.min(CONCURRENCY_MAX, availableParallelism());
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runSome(lane)));
  rmSync(scratch, { recursive: true });
  const missed = paths.length - done;
  if (missed > 0) {
    console.log(`✖ not done after ${TOTAL_LIMIT_MS / 1000} s: ${missed} files did not run`);
    totals.set('cancelled', (totals.get('cancelled') ?? 0) + missed);
  }
  return { totals, isGood: isGood && missed === 0 };
}

async function main(): Promise<void> {
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      killAll();
      process.exit(1);
    });
  }
  const isSound = words.length > 0 || (await checkStructureAndTypes());
  const paths = findTests(words);
  if (paths.length === 0) {
    console.error(`no test file has ${words.join(' or ')} in its path`);
    process.exitCode = 1;
    return;
  }
  const { totals, isGood } = await runTests(paths);
  if (!isSound) console.log('✖ structure or types failed: see the top');
  for (const key of SUMMARY_KEYS) console.log(`ℹ ${key} ${totals.get(key) ?? 0}`);
  console.log(`ℹ duration_ms ${performance.now().toFixed(1)}`);
  process.exitCode = isSound && isGood ? 0 : 1;
}

await main();
