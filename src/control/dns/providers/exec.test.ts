import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { never, provider, RECORD } from './fake-api.contract.ts';

/** Runs `run` with the provider over a shell script that says `lines`. */
async function withScript(
  lines: string,
  run: (subject: ReturnType<typeof provider>, folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dns-exec-'));
  const program = join(folder, 'hook');
  writeFileSync(program, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  try {
    await run(provider('exec', { program }), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('exec: the program gets the change as arguments and in the environment', async () => {
  const lines =
    'd=$(dirname "$0"); printf "%s|" "$@" "$DNS_ACTION" "$DNS_NAME" "$DNS_ZONE" ' +
    '"$DNS_VALUE" "$DNS_TTL" "$HOME" >> "$d/seen"; echo >> "$d/seen"';
  await withScript(lines, async (subject, folder) => {
    const odd = { ...RECORD, value: '$(touch pwned) `x` "y"' };
    await subject.add(odd, never);
    await subject.remove(RECORD, never);
    const { name, zone } = RECORD;
    const line = (action: string, value: string): string =>
      [action, name, zone, value, '10', action, name, zone, value, '10', '/nowhere', ''].join('|');
    const seen = readFileSync(join(folder, 'seen'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(seen, [line('add', odd.value), line('remove', RECORD.value)]);
  });
});

test('exec: another exit code than 0 is a failure with the last line it wrote', async () => {
  await withScript('echo first >&2; echo "zone is locked" >&2; exit 3', async (subject) => {
    await assert.rejects(subject.add(RECORD, never), {
      name: 'DnsProviderError',
      isTemporary: false,
      message: /hook add ended with 3: zone is locked$/,
    });
  });
  await withScript('exit 75', async (subject) => {
    await assert.rejects(subject.remove(RECORD, never), { isTemporary: true, message: /with 75$/ });
  });
});

test('exec: a program that is not there is a failure', async () => {
  const subject = provider('exec', { program: '/nonexistent/hook' });
  await assert.rejects(subject.add(RECORD, never), /could not be run \(ENOENT\)$/);
});

test('exec: broken off, the program is ended', async () => {
  await withScript('exec sleep 600', async (subject) => {
    const stop = new AbortController();
    const running = subject.add(RECORD, stop.signal);
    setImmediate(() => stop.abort());
    await assert.rejects(running, { message: 'broken off' });
  });
});
