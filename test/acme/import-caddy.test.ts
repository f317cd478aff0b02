/**
 * Certificates and the account that a real Caddy got are taken over: served at once, without an
 * order and without another account.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import type { ImportLine } from '../../src/control/certificate/import-certificates.ts';
import { Child } from '../support/child.ts';
import { hasPebble, Pebble } from '../support/pebble.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

const hasCaddy = spawnSync('caddy', ['version']).status === 0;
const skip = hasCaddy && hasPebble() ? false : 'caddy or pebble is not installed';
const NAMES = ['a.example.com', 'b.example.com'];

function caddyfile(pebble: Pebble): string {
  return `{
  acme_ca ${pebble.directory}
  acme_ca_root ${pebble.caFile}
  email me@example.com
  http_port ${pebble.httpPort}
  https_port ${pebble.tlsPort}
  admin off
}
${NAMES.join(', ')} {
  respond "caddy"
}
`;
}

function proxyConfig(pebble: Pebble): string {
  const routes = NAMES.map((name, i) => `[routes.r${i}]\nhost = "${name}"\nservice = "s"\n`);
  return `[storage]
path = "store"
[admin]
address = "off"
socket = "off"
[listeners.web]
address = "127.0.0.1:${pebble.httpPort}"
[listeners.secure]
address = "127.0.0.1:${pebble.tlsPort}"
tls = "default"
[issuers.pebble]
directory = "${pebble.directory}"
ca = "${pebble.caFile}"
email = "me@example.com"
${routes.join('')}[services.s]
endpoints = ["http://127.0.0.1:9"]
`;
}

async function runCaddy(pebble: Pebble, folder: string): Promise<string> {
  const file = join(folder, 'Caddyfile');
  writeFileSync(file, caddyfile(pebble));
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const caddy = new Child('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], env);
  const data = join(folder, 'caddy');
  const certificates = join(data, 'certificates');
  const areThere = (): boolean =>
    existsSync(certificates) &&
    readdirSync(certificates, { recursive: true }).filter((path) => String(path).endsWith('.json'))
      .length === NAMES.length;
  await until(areThere, 'Caddy has its certificates', 20_000);
  await caddy.stop();
  return data;
}

function importInto(store: string, data: string): ImportLine[] {
  const args = ['import', 'caddy', data, '--storage', store, '--json'];
  const { status, stdout, stderr } = spawnSync(PROXY_BINARY, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as { lines: ImportLine[] }).lines;
}

test('import: what a real Caddy got is served, and no authority is asked', { skip }, async (t) => {
  const pebble = await Pebble.start();
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  t.after(async () => {
    await pebble.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const data = await runCaddy(pebble, folder);
  const store = join(folder, 'store');
  const lines = importInto(store, data);
  assert.deepEqual(
    lines.map(({ name, outcome }) => `${name} ${outcome}`).toSorted(),
    ['me@example.com', ...NAMES].map((name) => `${name} imported`).toSorted(),
  );
  assert.ok(importInto(store, data).every(({ outcome }) => outcome === 'present'));

  const config = join(folder, 'proxy-now.toml');
  writeFileSync(config, proxyConfig(pebble));
  const asked = pebble.output.length;
  const proxy = new Child(PROXY_BINARY, ['run', '-c', config]);
  await proxy.ready(/is ready/);
  for (const name of NAMES) {
    const trust = join(folder, 'root.pem');
    writeFileSync(trust, await pebble.root());
    const host = `${name}:${pebble.tlsPort}`;
    const where = ['--connect-to', `${host}:127.0.0.1:${pebble.tlsPort}`, '--cacert', trust];
    const curl = spawnSync('curl', ['-sS', '-o', '/dev/null', ...where, `https://${host}/`]);
    assert.equal(curl.status, 0, String(curl.stderr));
  }
  await proxy.stop();
  const since = pebble.output.slice(asked);
  assert.doesNotMatch(since, /accounts in memory|orders in the db/);
});
