/**
 * Certificates with the real process: issue and renew, kill -9, faults, swaps, resumption.
 *
 *     npm run test:acme                 the short form: at most four minutes
 *     npm run test:acme -- --full       every kill, longer loads, 10,000 certificates, testssl
 *     npm run test:acme -- kills swap   only steps whose name contains one of the words
 *
 * Every step is a command of its own, with a table and `--json`; what needs a program that is not
 * installed says so and is passed over.
 */

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { endOnSignals } from '../support/child.ts';
import { hasPebble } from '../support/pebble.ts';

interface Step {
  readonly name: string;
  /** Arguments of node, in the folder of the repository. */
  readonly short: readonly string[] | null;
  readonly full: readonly string[];
  readonly limitSeconds: number;
  /** Empty: it can run here. */
  readonly missing: string;
}

const ROOT = join(import.meta.dirname, '../..');
const PEBBLE = hasPebble() ? '' : 'pebble is not installed';
const hasTestssl = spawnSync('sh', ['-c', 'command -v testssl']).status === 0;
const TESTSSL = hasTestssl ? '' : 'testssl is not installed';

const FAULTS = ['--test', '--test-reporter=spec', 'test/certificates/faults.test.ts'];

const STEPS: readonly Step[] = [
  {
    name: 'three-names',
    short: ['test/acme/three-names.ts', '--nonce-reject', '50'],
    full: ['test/acme/three-names.ts', '--nonce-reject', '50', '--life', '60'],
    limitSeconds: 120,
    missing: PEBBLE,
  },
  {
    name: 'kills',
    short: ['test/acme/kills.ts', '--every', '5'],
    full: ['test/acme/kills.ts'],
    limitSeconds: 300,
    missing: PEBBLE,
  },
  {
    name: 'kills-dns-01',
    short: ['test/acme/kills.ts', '--every', '9', '--challenge', 'dns-01'],
    full: ['test/acme/kills.ts', '--challenge', 'dns-01'],
    limitSeconds: 300,
    missing: PEBBLE,
  },
  { name: 'faults', short: FAULTS, full: FAULTS, limitSeconds: 240, missing: '' },
  {
    name: 'swap-under-load',
    short: ['test/tls/swap-under-load.ts', '--seconds', '8'],
    full: ['test/tls/swap-under-load.ts', '--seconds', '60'],
    limitSeconds: 120,
    missing: '',
  },
  {
    name: 'resumption',
    short: ['test/tls/resumption.ts'],
    full: ['test/tls/resumption.ts', '--connections', '5000'],
    limitSeconds: 120,
    missing: '',
  },
  {
    name: 'resumption-events',
    short: ['test/tls/resumption-events.ts'],
    full: ['test/tls/resumption-events.ts', '--clients', '100'],
    limitSeconds: 120,
    missing: '',
  },
  {
    name: 'many-certificates',
    short: null,
    full: ['test/tls/many-certificates.ts'],
    limitSeconds: 300,
    missing: '',
  },
  {
    name: 'testssl',
    short: null,
    full: ['test/tls/testssl.ts'],
    limitSeconds: 400,
    missing: TESTSSL,
  },
];

/** @returns whether the command ended well within its time */
function run(args: readonly string[], limitSeconds: number): Promise<boolean> {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  // Told to end, each of them ends what it started.
  const timer = setTimeout(() => child.kill('SIGTERM'), limitSeconds * 1_000);
  return new Promise((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => {
      clearTimeout(timer);
      resolve(code === 0);
    });
  });
}

async function main(): Promise<void> {
  endOnSignals();
  const isFull = process.argv.includes('--full');
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  const chosen = STEPS.filter(({ name }) => {
    return words.length === 0 || words.some((word) => name.includes(word));
  });
  const bad: string[] = chosen.length === 0 ? ['no step has such a name'] : [];
  for (const { name, short, full, limitSeconds, missing } of chosen) {
    const args = isFull || words.length > 0 ? (isFull ? full : (short ?? full)) : short;
    if (args === null) continue;
    if (missing !== '') {
      console.log(`── ${name}: passed over, ${missing}`);
      continue;
    }
    console.log(`── ${name}`);
    const startedMs = performance.now();
    const isGood = await run(args, limitSeconds);
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
    console.log(`${isGood ? '✔' : '✖'} ${name} (${seconds} s)`);
    if (!isGood) bad.push(name);
  }
  console.log(bad.length === 0 ? '✔ certificates' : `✖ certificates: ${bad.join(', ')}`);
  if (bad.length > 0) process.exitCode = 1;
}

await main();
