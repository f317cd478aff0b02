/**
 * Certificates that change while clients are served: no handshake fails, no connection is closed,
 * and new handshakes see the new one.
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import { freePort } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import type { HttpOrigin } from '../support/http-origin.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import type { Subject } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import type { IssuedCertificate } from '../support/test-authority.ts';
import { fetchTls } from '../support/tls-fetch.ts';
import { until } from '../support/wait.ts';

let origin: HttpOrigin;
let proxy: Subject;
let authority: TestAuthority;
let folder: string;
let port: number;

function write(issued: IssuedCertificate): void {
  for (const name of ['cert', 'key'] as const) {
    fs.writeFileSync(path.join(folder, `${name}.new`), issued[name], { mode: 0o600 });
  }
  // The key first: a pair that does not fit is no certificate, and the old one serves on.
  fs.renameSync(path.join(folder, 'key.new'), path.join(folder, 'key.pem'));
  fs.renameSync(path.join(folder, 'cert.new'), path.join(folder, 'cert.pem'));
}

test.before(async () => {
  origin = await startOrigin((_request, response) => response.end('ok'));
  authority = await TestAuthority.create();
  folder = scratchDirectory();
  write(await authority.issue(['a.test']));
  port = await freePort();
  const base = baseToml({ limits: { 'keep-alive-timeout': '60s' } });
  const toml = `${base.replace('workers = 1', 'workers = 2')}
[listeners.web]
address = "127.0.0.1:${port}"
tls = "default"
[certificates.own]
cert = "${folder}/cert.pem"
key = "${folder}/key.pem"
[routes.a]
host = "a.test"
service = "app"
[services.app]
endpoints = ["http://127.0.0.1:${origin.port}"]
`;
  proxy = await startProxy(toml, [{ listenPort: port, originPort: origin.port }]);
});

test.after(async () => {
  await proxy?.stop();
  await origin?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A client that asks over and over on one connection. */
class KeptClient {
  answers = 0;
  isClosed = false;
  readonly socket: tls.TLSSocket;
  #isStopping = false;

  constructor() {
    this.socket = tls.connect({ host: '127.0.0.1', port, servername: 'a.test', ca: authority.ca });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.isClosed = !this.#isStopping));
    this.socket.on('data', () => {
      this.answers++;
      if (!this.#isStopping) setTimeout(() => this.#ask(), 5);
    });
    this.#ask();
  }

  stop(): void {
    this.#isStopping = true;
    this.socket.destroy();
  }

  #ask(): void {
    if (!this.socket.destroyed) this.socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  }
}

test('certificates: a change under load fails no handshake and closes no connection', async () => {
  const kept = Array.from({ length: 10 }, () => new KeptClient());
  await until(() => kept.every(({ answers }) => answers > 0), 'all connections');
  const failures: unknown[] = [];
  const seen = new Set<string>();
  const state = { isOver: false };
  let handshakes = 0;
  const ask = async (): Promise<void> => {
    while (!state.isOver && handshakes < 20_000) {
      handshakes++;
      try {
        const { statuses, fingerprint } = await fetchTls({
          port,
          ca: authority.ca,
          rejectUnauthorized: true,
        });
        seen.add(fingerprint);
        if (statuses[0] !== 200) failures.push(statuses);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const asking = Promise.all([ask(), ask(), ask()]);
  try {
    for (let change = 1; change <= 3; change++) {
      await until(() => seen.size === change, `certificate ${change}`, 10_000);
      write(await authority.issue(['a.test']));
    }
    await until(() => seen.size === 4, 'the last certificate', 10_000);
  } finally {
    state.isOver = true;
    await asking;
  }
  assert.deepEqual(failures, []);
  assert.ok(handshakes > 20, `${handshakes} handshakes`);
  assert.equal(kept.filter(({ isClosed }) => isClosed).length, 0);
  const before = kept.map(({ answers }) => answers);
  await until(() => kept.every(({ answers }, at) => answers > before[at]!), 'answers on all');
  for (const client of kept) client.stop();
});

test('certificates: a file that is no pair keeps the old one serving', async () => {
  const { fingerprint } = await fetchTls({ port });
  fs.writeFileSync(path.join(folder, 'cert.pem'), (await authority.issue(['a.test'])).cert);
  await until(
    () => /PN\d+|does not fit|not.*match|rejected/i.test(proxy.child.output),
    'a complaint',
  );
  assert.equal((await fetchTls({ port })).fingerprint, fingerprint);
});
