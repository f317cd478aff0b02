/**
 * Runs the fault suite, one file after the other, and prints each test as it ends.
 *
 *     npm run test:fault                  the short form: at most four minutes
 *     npm run test:fault -- --full        the full one
 *     npm run test:fault -- reload dns    only files whose name contains one of the words
 *
 * A file that does not end is killed with whatever it started, and fails.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = import.meta.dirname;
const FILE_LIMIT_MS = { short: 110_000, full: 900_000 };
const TEST_LIMIT_MS = { short: 60_000, full: 300_000 };

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** One file in a process group of its own. @returns whether all of it passed */
function runFile(file: string, form: 'short' | 'full'): Promise<boolean> {
  const args = ['--test', '--test-reporter=spec', `--test-timeout=${TEST_LIMIT_MS[form]}`, file];
  const child = spawn(process.execPath, args, {
    cwd: FOLDER,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: { ...process.env, FULL: form === 'full' ? '1' : '0' },
  });
  const timer = setTimeout(() => {
    process.stdout.write(`✖ ${file} did not end within ${FILE_LIMIT_MS[form] / 1_000} s\n`);
    killGroup(child);
  }, FILE_LIMIT_MS[form]);
  const end = (): void => killGroup(child);
  process.on('exit', end);
  return new Promise((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => {
      clearTimeout(timer);
      process.off('exit', end);
      killGroup(child); // What a failed test left behind.
      resolve(code === 0);
    });
  });
}

async function main(): Promise<void> {
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  const isFull = process.argv.includes('--full') || process.env['FULL'] === '1';
  const files = globSync('*.test.ts', { cwd: FOLDER }).toSorted();
  const chosen = files.filter((file) => {
    return words.length === 0 || words.some((word) => file.includes(word));
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  const bad: string[] = [];
  for (const [i, file] of chosen.entries()) {
    process.stdout.write(`── [${i + 1}/${chosen.length}] ${file}\n`);
    if (!(await runFile(join(FOLDER, file), isFull ? 'full' : 'short'))) bad.push(file);
  }
  const spent = (performance.now() / 1_000).toFixed(0);
  if (chosen.length === 0) bad.push('no file has such a name');
  process.stdout.write(
    bad.length === 0
      ? `✔ faults: ${chosen.length} files (${spent} s)\n`
      : `✖ faults: ${bad.join(', ')} (${spent} s)\n`,
  );
  process.exitCode = bad.length === 0 ? 0 : 1;
}

await main();
