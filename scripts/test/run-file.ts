/**
 * Runs one test file in a process of its own, with a limit on the whole file: node limits tests,
 * but not a file that never ends because something in it stays open.
 */

import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestRecord } from '../test-reporter.ts';

const TEST_TIMEOUT_MS = 60_000;
const OUTPUT_SIZE_MAX = 64 * 1024;
const REPORTER = join(import.meta.dirname, '../test-reporter.ts');

export interface FileResult {
  readonly isGood: boolean;
  /** By node's names: tests, suites, pass, fail, cancelled, skipped, todo. */
  readonly counts: ReadonlyMap<string, number>;
  /** Each failure as text; the first line says where. */
  readonly failures: readonly string[];
  /** The end of what the file printed. */
  readonly output: string;
  readonly spentMs: number;
}

/** Process groups that run now, for `killAll`. */
const groups = new Set<number>();

/** Ends every test file that still runs, with whatever it started. */
export function killAll(): void {
  for (const pid of groups) killGroup(pid);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/**
 * Runs `path` (relative to `root`).
 * @param limitMs past it the file and whatever it started are killed
 * @param recordPath where the reporter may write; removed afterwards
 */
export async function runFile(
  root: string,
  path: string,
  limitMs: number,
  recordPath: string,
): Promise<FileResult> {
  const startedMs = performance.now();
  const args = [
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    `--test-reporter=${REPORTER}`,
    `--test-reporter-destination=${recordPath}`,
    path,
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const keep = (bytes: Buffer): void => {
    output = (output + bytes.toString()).slice(-OUTPUT_SIZE_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const pid = child.pid;
  if (pid !== undefined) groups.add(pid);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    if (pid !== undefined) killGroup(pid);
  }, limitMs);
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    // Not `close`: something the file left running may hold its output open.
    child.on('exit', resolve);
  });
  clearTimeout(timer);
  if (pid !== undefined) {
    groups.delete(pid);
    killGroup(pid); // What a failed test left behind.
  }
  const { counts, failures } = readRecords(recordPath, path);
  const end = isLate
    ? `did not end within ${Math.ceil(limitMs / 1000)} s (is something left open?)`
    : `ended with code ${code}`;
  const isGood = code === 0 && !isLate;
  if (!isGood && failures.length === 0) {
    failures.push(`${path}: ${end}`);
    counts.set('tests', (counts.get('tests') ?? 0) + 1);
    counts.set('fail', (counts.get('fail') ?? 0) + 1);
  }
  return { isGood, counts, failures, output, spentMs: performance.now() - startedMs };
}

interface Records {
  readonly counts: Map<string, number>;
  readonly failures: string[];
}

function readRecords(recordPath: string, path: string): Records {
  const counts = new Map<string, number>();
  const failures: string[] = [];
  let text = '';
  try {
    text = readFileSync(recordPath, 'utf8');
    rmSync(recordPath);
  } catch {
    // The file ended before its first test.
  }
  for (const line of text.split('\n')) {
    if (!line.endsWith('}')) continue;
    const record = JSON.parse(line) as TestRecord;
    if (record.type === 'count') counts.set(record.key, record.value);
    else {
      const where = `${path}:${record.line} ${record.name}`;
      failures.push(`${where}\n${record.text.replaceAll(/^/gm, '    ')}`);
    }
  }
  return { counts, failures };
}
