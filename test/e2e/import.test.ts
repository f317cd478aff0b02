/** `proxy-now import`, as a program: what it writes, what it says, and its exit codes. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { makePair, START_MS } from '../../src/control/certificate/manager-stage.contract.ts';
import { PROXY_BINARY } from '../support/proxy.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const END_MS = START_MS + 300 * 86_400_000;

function run(...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(PROXY_BINARY, ['import', ...args], {
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

test('import: writes an acme.json into the storage folder, with a line for each', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { chain, key } = makePair(['a.example.com'], START_MS, END_MS);
  const encoded = { certificate: btoa(chain), key: btoa(key) };
  const certificates = [{ domain: { main: 'a.example.com' }, ...encoded }];
  const file = join(folder, 'acme.json');
  writeFileSync(file, JSON.stringify({ le: { Account: null, Certificates: certificates } }));
  const storage = join(folder, 'store');
  const unknown = run('traefik', file, '--storage', storage);
  assert.equal(unknown.code, 0);
  assert.match(unknown.output, /^skipped .*say it with --directory\n0 of 1 imported/);

  const directory = 'https://ca.example.com/acme/directory';
  const told = run('traefik', file, '--storage', storage, '--directory', directory);
  assert.equal(told.code, 0);
  assert.match(
    told.output,
    /^imported {2}certificate {2}a\.example\.com {2}\(le a\.example\.com\)/,
  );
  const unit = join(storage, 'certificates/ca.example.com-acme-directory/a.example.com');
  assert.deepEqual(readdirSync(unit).toSorted(), ['a.example.com.json', 'a.example.com.pem']);
  assert.ok(readFileSync(join(unit, 'a.example.com.pem'), 'utf8').startsWith('-----BEGIN PRIVATE'));

  const again = run('traefik', file, '--storage', storage, '--directory', directory, '--json');
  const { lines } = JSON.parse(again.output) as { lines: { outcome: string }[] };
  assert.deepEqual(
    lines.map(({ outcome }) => outcome),
    ['present'],
  );
  assert.ok(!(told.output + again.output).includes('BEGIN'));
});

test('import: says what is wrong with what it was given', () => {
  for (const [args, code, message] of [
    [['nginx', 'x'], EXIT_USAGE, /expected caddy or traefik, found nginx/],
    [['traefik', 'x', '--directory', 'x'], EXIT_USAGE, /--directory: not a URL \(x\)/],
    [['traefik', '/nowhere'], EXIT_FAILED, /\/nowhere cannot be read \(ENOENT\)/],
    [['traefik', import.meta.filename], EXIT_FAILED, /is no acme\.json of Traefik/],
    [['caddy', '/nowhere'], EXIT_FAILED, /there is nothing of Caddy in \/nowhere/],
  ] as const) {
    const result = run(...args);
    assert.equal(result.code, code, result.output);
    assert.match(result.output, message);
  }
});
