/**
 * An order that is under way when another process takes over is gone on with by that one. Only an
 * order whose URL was in an answer that is lost is made again: nobody knows it.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Child } from '../support/child.ts';
import { FakeCa } from '../support/fake-ca.ts';
import { freePorts } from '../support/free-port.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

const NAME = 'a.example.com';

function configText(directory: string, web: number, secure: number): string {
  return `[storage]
path = "store"
[admin]
address = "off"
socket = "off"
[listeners.web]
address = "127.0.0.1:${web}"
[listeners.secure]
address = "127.0.0.1:${secure}"
tls = "default"
[issuers.ca]
directory = "${directory}"
challenges = ["http-01"]
[routes.a]
host = "${NAME}"
service = "s"
[services.s]
endpoints = ["http://127.0.0.1:9"]
`;
}

for (const operation of ['newAccount', 'challenge', 'finalize']) {
  test(`upgrade: during ${operation} one order goes on, with one account`, async (t) => {
    const [web, secure] = (await freePorts(2)) as [number, number];
    const ca = await FakeCa.start({ ports: { http: web, tls: secure } });
    const folder = mkdtempSync(join(tmpdir(), 'upgrade-'));
    const file = join(folder, 'proxy-now.toml');
    writeFileSync(file, configText(ca.directory, web, secure));
    const reached = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<void>();
    let isHeld = false;
    ca.intercept = async (what, stage) => {
      if (what !== operation || stage !== 'after' || isHeld) return;
      isHeld = true;
      reached.resolve();
      await taken.promise;
    };
    const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
    t.after(async () => {
      taken.resolve();
      await proxy.stop();
      await ca.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    await reached.promise;
    proxy.signal('SIGUSR2');
    await until(() => /stopped/.test(proxy.output), 'the first process to end', 15_000);
    taken.resolve();
    await until(() => /certificate obtained/.test(proxy.output), 'a certificate', 20_000);
    assert.equal(ca.book.accounts.length, 1);
    assert.equal(ca.book.orders.length, 1, proxy.output);
  });
}
