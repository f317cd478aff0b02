/** Seeing certificates: the commands, the admin API and the metrics of a real proxy. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import type { CertificateRow } from '../../src/control/certificate/certificate-row.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom } from '../support/http-origin.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

interface Ended {
  readonly code: number;
  readonly output: string;
}

function run(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(PROXY_BINARY, [...args], { timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr });
    });
  });
}

/** SHA-256 of the certificate that a client of `name` is shown and trusts by `ca`. */
function shownTo(port: number, name: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', servername: name, ca };
    const socket = tls.connect(options, () => {
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      resolve(fingerprint256.replaceAll(':', '').toLowerCase());
    });
    socket.on('error', reject);
  });
}

/** A proxy that serves two internal names, and the commands that ask it. */
async function openProxy(t: test.TestContext) {
  const [port = 0, adminPort = 0] = await freePorts(2);
  const folder = scratchDirectory();
  const file = path.join(folder, 'proxy-now.toml');
  fs.writeFileSync(
    file,
    `${baseToml({ admin: `127.0.0.1:${adminPort}` })}
[storage]
path = "storage"
[listeners.secure]
address = "127.0.0.1:${port}"
tls = "default"
[routes.wiki]
host = "wiki.internal"
service = "all"
[routes.shop]
host = "shop.internal"
service = "all"
[services.all]
endpoints = ["http://127.0.0.1:1"]
`,
  );
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(async () => {
    await proxy.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });
  await proxy.ready(/is ready/, 20_000);
  const command = (...args: readonly string[]) => run([...args, '-c', file]);
  return { port, adminPort, proxy, command };
}

test('certs: what the proxy serves is what it shows, also after a renewal', async (t) => {
  const { port, adminPort, proxy, command } = await openProxy(t);
  const rowOf = async (name: string): Promise<CertificateRow> => {
    return JSON.parse((await command('certs', name, '--json')).output) as CertificateRow;
  };
  await until(
    async () => (await rowOf('wiki.internal')).state === 'valid',
    'a certificate',
    10_000,
  );

  const table = await command('certs');
  assert.equal(table.code, 0, table.output);
  assert.match(table.output, /^shop\.internal +internal +valid +in 6 days +in \d days$/m);
  assert.match((await command('status')).output, /^certificates: 2 valid$/m);
  const unknown = await command('certs', 'wiki.intern');
  assert.deepEqual(
    [unknown.code, unknown.output.includes('Did you mean wiki.internal?')],
    [1, true],
  );

  const first = await rowOf('wiki.internal');
  const root = (await command('trust', '--print')).output;
  const shown = (): Promise<string> => shownTo(port, 'wiki.internal', root);
  assert.equal(await shown(), first.id);
  assert.equal(
    (await command('certs', 'wiki.internal', '--renew')).output,
    'renewing wiki.internal\n',
  );
  await until(async () => (await shown()) !== first.id, 'another certificate');
  assert.equal(await shown(), (await rowOf('wiki.internal')).id);

  const post = { method: 'POST' };
  const refused = await fetchFrom(adminPort, '/certificates/wiki.internal/renew', post);
  assert.equal(refused.status, 403, 'a change over TCP needs a token');
  assert.equal((await fetchFrom(adminPort, '/certificates')).status, 200);
  const { body } = await fetchFrom(adminPort, '/metrics');
  const metrics = String(body);
  const renewals = '{issuer="internal",operation="renew",result="success"} 1';
  assert.ok(metrics.includes(`proxy_now_certificate_attempts_total${renewals}`));
  const end = Math.floor((await rowOf('wiki.internal')).notAfterMs / 1_000);
  const set = '{name="wiki.internal",issuer="internal"}';
  assert.ok(metrics.includes(`proxy_now_certificate_not_after_seconds${set} ${end}\n`));
  assert.match(proxy.output, /info +certificate renewed name=wiki\.internal/);
  assert.doesNotMatch(proxy.output + table.output + metrics, /PRIVATE KEY/);
});
