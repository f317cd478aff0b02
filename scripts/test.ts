/**
 * The test runner behind `npm test`: structure, then types, then every test, at most two at once.
 *
 *   npm test             all of it
 *   npm test -- h1 pool  only tests whose path contains one of the words; no structure, no types
 *
 * Exit code 0 only when every step passed. The last lines are node's own test summary.
 */

import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const PATTERNS = [
  'src/**/*.test.ts',
  'scripts/**/*.test.ts',
  'examples/**/*.test.ts',
  'bench/**/*.test.ts',
  'test/{conformance,e2e,golden,router,simulation,support}/**/*.test.ts',
];
/** Two processes keep a two-core machine busy; more would only make tests late. */
const CONCURRENCY_MAX = 2;
const TEST_TIMEOUT_MS = 60_000;
/** The whole run: past it every test still running fails. */
const TOTAL_TIMEOUT_MS = 290_000;

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
  const chosen = all.filter((path) => words.length === 0 || words.some((w) => path.includes(w)));
  return chosen.map((path) => join(ROOT, path));
}

/** Runs `files` in child processes. @returns true when every test passed */
function runTests(files: readonly string[]): Promise<boolean> {
  const concurrency = Math.min(CONCURRENCY_MAX, availableParallelism());
  const args = [
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    `--test-reporter=${join(ROOT, 'scripts/test-reporter.ts')}`,
    ...files,
  ];
  const environment = { ...process.env, TEST_FILE_COUNT: String(files.length) };
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit', env: environment });
  const timer = setTimeout(() => {
    console.log(`✖ not done after ${TOTAL_TIMEOUT_MS / 1000} s: stopping`);
    child.kill('SIGTERM');
  }, TOTAL_TIMEOUT_MS);
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      clearTimeout(timer);
      resolve(code === 0);
    });
  });
}

async function main(): Promise<void> {
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  const isSound = words.length > 0 || (await checkStructureAndTypes());
  const files = findTests(words);
  if (files.length === 0) {
    console.error(`no test file has ${words.join(' or ')} in its path`);
    process.exitCode = 1;
    return;
  }
  const areGood = await runTests(files);
  if (!isSound) console.log('✖ structure or types failed: see the top');
  process.exitCode = isSound && areGood ? 0 : 1;
}

await main();
