/**
 * What goes wrong around certificates, against the real process: authorities that are overloaded or
 * talk nonsense, stores that are full or cannot be written, clocks that jump, a second process.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { suite, test } from 'node:test';
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
/** The certificate manager looks at everything every 30 s. */
const LOOK_MS = 40_000;
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

/** Pebble behind a gate; `t` ends both. */
async function openPebble(t: TestContext, validitySeconds?: number) {
  const pebble = await Pebble.start(validitySeconds === undefined ? {} : { validitySeconds });
  const gate = await AcmeGate.open(pebble);
  t.after(async () => {
    gate.close();
    await pebble.stop();
  });
  return { gate, authority: pebbleAuthority(pebble, gate.directory) };
}

type Run = (t: TestContext) => void | Promise<void>;

const CASES: { readonly title: string; readonly skip: string | false; readonly run: Run }[] = [];

/** A test that runs beside others: they wait more than they work. */
function define(title: string, skip: string | false, run: Run): void {
  CASES.push({ title, skip, run });
}

define(
  'authority: 503 with Retry-After is waited for, and the certificate comes',
  false,
  async (t) => {
    const { ca, stage } = await open(t);
    ca.faults = [{ on: 'newOrder', times: 2, status: 503, retryAfter: '1' }];
    await stage.start();
    await stage.served(HTTP.served);
    assert.equal(ca.requests.get('newOrder'), 3);
  },
);

define('authority: 429 is left alone until the time it says', false, async (t) => {
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

define('ari: malformed windows change nothing', false, async (t) => {
  const { ca, stage } = await open(t);
  const bodies = ['{}', '{"suggestedWindow":{"start":"x","end":"y"}}', 'no json', '[]'];
  let asked = 0;
  ca.book.renewalInfo = () => ({ status: 200, body: bodies[asked++ % bodies.length]! });
  await stage.start();
  const first = await stage.served(HTTP.served);
  await stage.kill(); // A certificate from the store is looked at soon after the start.
  await stage.start();
  await until(() => asked > 0, 'a look at the window', LOOK_MS);
  await delay(1_000);
  assert.equal((await stage.connect(HTTP.served)).serial, first.serial);
  assert.equal(ca.book.certificates.length, 1);
});

define(
  'ari: windows in the past renew once, and not again and again',
  withoutFaketime,
  async (t) => {
    let aheadMs = 0;
    const { ca, stage } = await open(t, { nowMs: () => Date.now() + aheadMs });
    ca.book.renewalInfo = () => {
      const nowMs = Date.now() + aheadMs;
      const suggestedWindow = { start: iso(nowMs - 2 * DAY_MS), end: iso(nowMs - DAY_MS) };
      return { status: 200, body: { suggestedWindow } };
    };
    const clock = path.join(stage.folder, 'clock');
    fs.writeFileSync(clock, '+0\n');
    await stage.start(clockEnv(clock));
    const first = await stage.served(HTTP.served);
    await stage.kill();
    aheadMs = 2 * 3_600_000; // What was just made is not made again within the hour.
    fs.writeFileSync(clock, '+2h\n');
    await stage.start(clockEnv(clock));
    await stage.served(HTTP.served, ({ serial }) => serial !== first.serial, LOOK_MS);
    await stage.kill();
    await stage.start(clockEnv(clock));
    const looks = ca.requests.get('renewalInfo')!;
    await until(() => ca.requests.get('renewalInfo')! > looks, 'one more look', LOOK_MS);
    await delay(3_000);
    assert.equal(ca.book.certificates.length, 2, 'a window in the past is no reason for a storm');
  },
);

define(
  'clock: jumps of sixty days while it runs renew nothing and break nothing',
  withoutFaketime,
  async (t) => {
    const { ca, stage } = await open(t);
    const clock = path.join(stage.folder, 'clock');
    fs.writeFileSync(clock, '+0\n');
    await stage.start(clockEnv(clock));
    const first = await stage.served(HTTP.served);
    for (const jump of ['+60d', '-60d']) {
      fs.writeFileSync(clock, `${jump}\n`);
      await until(() => stage.child!.output.includes('clock jumped'), 'a line about it', LOOK_MS);
      stage.child!.output = '';
      await delay(1_000);
      assert.equal((await stage.connect(HTTP.served)).serial, first.serial, jump);
    }
    assert.equal(ca.book.certificates.length, 1);
    assert.equal(stage.child!.exit, null);
  },
);

define(
  'clock: a start sixty-one days later renews once and serves both until then',
  withoutFaketime,
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

define(
  'clock: a start sixty days too early still serves what there is',
  withoutFaketime,
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

for (const kind of ['full', 'read-only'] as const) {
  const title = `store: when it is ${kind} nothing is ordered and the old one is served`;
  define(title, withoutPebble, async (t) => {
    const disk = smallDisk(t, '2m');
    if (disk === null) return t.skip('a file system cannot be mounted here');
    const store = path.join(disk, 'store');
    const { gate, authority } = await openPebble(t, 24);
    const stage = await IssuingStage.open(authority, { names: [HTTP], store });
    t.after(() => stage.close());
    await stage.start();
    const first = await stage.served(HTTP.served);
    if (kind === 'full') fill(disk);
    else spawnSync('mount', ['-o', 'remount,ro', disk]);
    const isSaid = (): boolean => / warn .*(not renewed|store)/.test(stage.child!.output);
    await until(isSaid, 'a line about the store', 20_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${stage.child!.output}`, { cause: error });
    });
    assert.equal((await stage.connect(HTTP.served)).serial, first.serial);
    const line = stage.child!.output.split('\n').find((text) => text.includes(' warn '));
    t.diagnostic(line ?? '');
    assert.equal(gate.answered('201 POST /order-plz'), 1, 'nothing that could not be kept');
    await stage.kill();
    await stage.start();
    const again = await stage.served(HTTP.served, () => true);
    assert.equal(again.serial, first.serial, 'nothing is lost');
    // With room again it goes on as if nothing had been.
    await stage.kill();
    if (kind === 'full') fs.rmSync(path.join(disk, 'ballast'));
    else spawnSync('mount', ['-o', 'remount,rw', disk]);
    await stage.start();
    await stage.served(HTTP.served, ({ serial }) => serial !== first.serial);
    assert.equal(gate.answered('201 POST /sign-me-up'), 1);
  });
}

define('two processes on one store: one certificate, one account', withoutPebble, async (t) => {
  const { gate, authority } = await openPebble(t);
  const store = scratchDirectory();
  const [httpPort, tlsPort] = await freePorts(2);
  const ports = { http: httpPort!, tls: tlsPort! };
  const one = await IssuingStage.open(authority, { names: [WILD], store });
  const two = await IssuingStage.open(authority, { names: [WILD], store, ports });
  t.after(async () => {
    await Promise.all([one.close(), two.close()]);
    fs.rmSync(store, { recursive: true, force: true });
  });
  await Promise.all([one.start(), two.start()]);
  const [first, second] = await Promise.all([one.served(WILD.served), two.served(WILD.served)]);
  assert.equal(first.serial, second.serial);
  assert.equal(gate.answered('201 POST /sign-me-up'), 1);
  assert.equal(gate.answered('201 POST /order-plz'), 1);
  assert.equal(gate.answered('200 POST /finalize-order'), 1);
});

suite('certificates under faults', { concurrency: 4 }, () => {
  for (const { title, skip, run } of CASES) test(title, { skip }, run);
});
