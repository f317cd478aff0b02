/**
 * What goes wrong around certificates, against the real process: authorities that are overloaded or
 * talk nonsense, stores that are full or cannot be written, clocks that jump, a second process.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { AcmeGate } from '../support/acme-gate.ts';
import { FakeCa } from '../support/fake-ca.ts';
import { freePorts } from '../support/free-port.ts';
import { fakeAuthority, IssuingStage, NAMES, pebbleAuthority } from '../support/issuing-stage.ts';
import type { StageOptions } from '../support/issuing-stage.ts';
import { hasPebble, Pebble } from '../support/pebble.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, until } from '../support/wait.ts';

const [HTTP, , WILD] = NAMES;
const DAY_MS = 86_400_000;
const withoutPebble = hasPebble() ? false : 'pebble is not installed';
const [FAKETIME] = fs.globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
const withoutFaketime = FAKETIME === undefined ? 'libfaketime is not installed' : false;

/** A stage over the fake authority; `t` ends both. */
async function open(
  t: TestContext,
  more: { readonly lifetimeMs?: number; readonly nowMs?: () => number } = {},
  options: StageOptions = {},
) {
  const ca = await FakeCa.start({ ports: null, ...more });
  const stage = await IssuingStage.open(await fakeAuthority(ca), { names: [HTTP], ...options });
  t.after(async () => {
    await stage.close();
    await ca.stop();
  });
  return { ca, stage };
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Environment under which the process believes the clock that `file` says. */
function clockEnv(file: string): Record<string, string> {
  return {
    LD_PRELOAD: FAKETIME!,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

test('authority: 503 with Retry-After is waited for, and the certificate comes', async (t) => {
  const { ca, stage } = await open(t);
  ca.faults = [{ on: 'newOrder', times: 2, status: 503, retryAfter: '1' }];
  await stage.start();
  await stage.served(HTTP.served);
  assert.equal(ca.requests.get('newOrder'), 3);
});

test('authority: 429 is left alone until the time it says', async (t) => {
  const { ca, stage } = await open(t);
  ca.faults = [{ on: 'newOrder', times: 99, status: 429, type: 'rateLimited', retryAfter: '7200' }];
  await stage.start();
  const line = /no certificate yet.* next_attempt=(\S+)/;
  await until(() => line.test(stage.child!.output), 'a line about it', 10_000);
  const next = Date.parse(line.exec(stage.child!.output)![1]!);
  assert.ok(next - Date.now() > 7_000_000, stage.child!.output);
  await delay(1_500);
  assert.equal(ca.requests.get('newOrder'), 1, 'asked once');
});

test('ari: windows that are malformed change nothing, one in the past renews once', async (t) => {
  const { ca, stage } = await open(t);
  const bodies = ['{}', '{"suggestedWindow":{"start":"x","end":"y"}}', 'no json', '[]'];
  let asked = 0;
  ca.book.renewalInfo = () => ({ status: 200, body: bodies[asked++ % bodies.length]! });
  await stage.start();
  const first = await stage.served(HTTP.served);
  await until(() => asked > 0, 'a look at the window', 10_000);
  await delay(1_000);
  assert.equal((await stage.connect(HTTP.served)).serial, first.serial);
  // From now on every certificate is said to have been due yesterday.
  ca.book.renewalInfo = () => ({
    status: 200,
    body: {
      suggestedWindow: { start: iso(Date.now() - 2 * DAY_MS), end: iso(Date.now() - DAY_MS) },
    },
  });
  await stage.kill();
  await stage.start();
  await stage.served(HTTP.served, ({ serial }) => serial !== first.serial);
  await delay(5_000);
  const made = ca.book.certificates.length;
  assert.ok(made <= 3, `${made} certificates within five seconds: a storm`);
});

test(
  'clock: jumps of sixty days while it runs renew nothing and break nothing',
  {
    skip: withoutFaketime,
  },
  async (t) => {
    const { ca, stage } = await open(t);
    const clock = path.join(stage.folder, 'clock');
    fs.writeFileSync(clock, '+0\n');
    await stage.start(clockEnv(clock));
    const first = await stage.served(HTTP.served);
    for (const jump of ['+60d', '-60d', '+0', '+200d', '+0']) {
      fs.writeFileSync(clock, `${jump}\n`);
      await delay(800);
      assert.equal((await stage.connect(HTTP.served)).serial, first.serial, jump);
    }
    assert.equal(ca.book.certificates.length, 1);
    assert.equal(stage.child!.exit, null);
  },
);

test(
  'clock: a start sixty-one days later renews once and serves both until then',
  {
    skip: withoutFaketime,
  },
  async (t) => {
    let aheadMs = 0;
    const { ca, stage } = await open(t, { nowMs: () => Date.now() + aheadMs });
    const clock = path.join(stage.folder, 'clock');
    fs.writeFileSync(clock, '+0\n');
    await stage.start(clockEnv(clock));
    const first = await stage.served(HTTP.served);
    await stage.child!.stop();
    aheadMs = 61 * DAY_MS;
    fs.writeFileSync(clock, '+61d\n');
    await stage.start(clockEnv(clock));
    const next = await stage.served(HTTP.served, ({ serial }) => serial !== first.serial);
    assert.ok(next.notAfterMs > first.notAfterMs + 60 * DAY_MS);
    await delay(2_000);
    assert.equal(ca.book.certificates.length, 2, 'once');
    assert.equal(ca.book.accounts.length, 1);
  },
);

test(
  'clock: a start sixty days too early still serves what there is',
  {
    skip: withoutFaketime,
  },
  async (t) => {
    const { ca, stage } = await open(t);
    const clock = path.join(stage.folder, 'clock');
    fs.writeFileSync(clock, '+0\n');
    await stage.start(clockEnv(clock));
    const first = await stage.served(HTTP.served);
    await stage.child!.stop();
    fs.writeFileSync(clock, '-60d\n');
    await stage.start(clockEnv(clock));
    const again = await stage.served(HTTP.served);
    assert.equal(again.serial, first.serial);
    await delay(1_500);
    assert.ok(ca.book.certificates.length <= 2, 'no storm');
  },
);

/** A file system of `size`, mounted for the test; null: that is not allowed here. */
function smallDisk(t: TestContext, size: string): string | null {
  const folder = scratchDirectory();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  t.after(() => {
    if (mounted.status === 0) spawnSync('umount', ['-l', folder]);
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return mounted.status === 0 ? folder : null;
}

/** Writes until no byte is left. */
function fill(folder: string): void {
  const file = fs.openSync(path.join(folder, 'ballast'), 'w');
  try {
    for (let size = 65_536; size >= 1; size = size === 1 ? 0 : Math.floor(size / 2)) {
      try {
        for (;;) fs.writeSync(file, Buffer.alloc(size));
      } catch {
        // Smaller pieces may still fit.
      }
    }
  } finally {
    fs.closeSync(file);
  }
}

for (const kind of ['full', 'read-only'] as const) {
  test(`store: when it is ${kind} nothing is ordered and the old one is served`, async (t) => {
    const disk = smallDisk(t, '2m');
    if (disk === null) return t.skip('a file system cannot be mounted here');
    const store = path.join(disk, 'store');
    const { ca, stage } = await open(t, { lifetimeMs: 24_000 }, { store });
    await stage.start();
    const first = await stage.served(HTTP.served);
    if (kind === 'full') fill(disk);
    else spawnSync('mount', ['-o', 'remount,ro', disk]);
    const ordered = ca.book.orders.length;
    await until(
      () => /not renewed|no certificate yet|store/.test(stage.child!.output),
      'a line about the store',
      20_000,
    );
    assert.equal((await stage.connect(HTTP.served)).serial, first.serial);
    assert.equal(ca.book.orders.length, ordered, 'nothing is ordered that could not be kept');
    await stage.kill();
    await stage.start();
    const again = await stage.served(HTTP.served, () => true);
    assert.equal(again.serial, first.serial, 'nothing is lost');
    t.diagnostic(stage.child!.output.split('\n').find((line) => line.includes('warn')) ?? '');
    // With room again it goes on as if nothing had been.
    if (kind === 'full') fs.rmSync(path.join(disk, 'ballast'));
    else spawnSync('mount', ['-o', 'remount,rw', disk]);
    await stage.kill();
    await stage.start();
    await stage.served(HTTP.served, ({ serial }) => serial !== first.serial);
    assert.equal(ca.book.accounts.length, 1);
  });
}

test(
  'two processes on one store: one certificate, one account',
  {
    skip: withoutPebble,
  },
  async (t) => {
    const pebble = await Pebble.start();
    const gate = await AcmeGate.open(pebble);
    const authority = pebbleAuthority(pebble, gate.directory);
    const store = scratchDirectory();
    const [httpPort, tlsPort] = await freePorts(2);
    const ports = { http: httpPort!, tls: tlsPort! };
    const one = await IssuingStage.open(authority, { names: [WILD], store });
    const two = await IssuingStage.open(authority, { names: [WILD], store, ports });
    t.after(async () => {
      await Promise.all([one.close(), two.close()]);
      gate.close();
      await pebble.stop();
      fs.rmSync(store, { recursive: true, force: true });
    });
    await Promise.all([one.start(), two.start()]);
    const [first, second] = await Promise.all([one.served(WILD.served), two.served(WILD.served)]);
    assert.equal(first.serial, second.serial);
    assert.equal(gate.answered('201 POST /sign-me-up'), 1);
    assert.equal(gate.answered('201 POST /order-plz'), 1);
    assert.equal(gate.answered('200 POST /finalize-order'), 1);
  },
);
