/**
 * HTTPS on the admin API, with curl: who gets in, and what a reload swaps. The token, a client
 * certificate, or both are what a change takes.
 */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Child } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { until } from '../support/wait.ts';

const hasCurl = spawnSync('curl', ['--version']).status === 0;
const folder = scratchDirectory();
const config = path.join(folder, 'proxy-now.toml');
const file = (name: string): string => path.join(folder, name);
let child: Child;
let port: number;

/** An authority, a client of it, and one of another. */
const CLIENTS = new URL('../fixtures/tls/', import.meta.url).pathname;

function write(admin: string): void {
  const text = `workers = 1
[admin]
address = "127.0.0.1:${port}"
socket = "${file('admin.sock')}"
${admin}
[certificates.admin]
cert = "server.pem"
key = "server.key"
`;
  fs.writeFileSync(`${config}.new`, text);
  fs.renameSync(`${config}.new`, config);
}

async function put(name: string, authority: TestAuthority, host: string): Promise<void> {
  const { cert, key } = await authority.issue([host]);
  fs.writeFileSync(file(`${name}.key`), key, { mode: 0o600 });
  fs.writeFileSync(file(`${name}.pem`), cert);
}

/** @returns the status; 000 where there was no answer */
function curl(target: string, ...more: string[]): Promise<string> {
  const url = `${target.includes('://') ? '' : `https://localhost:${port}`}${target}`;
  const common = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-m', '5', '--noproxy', '*'];
  return new Promise((resolve) => {
    const ca = ['--cacert', file('ca.pem')];
    execFile('curl', [...common, ...ca, ...more, url], (_error, out) => resolve(out));
  });
}

const as = (name: string): string[] => {
  return ['--cert', `${CLIENTS}${name}.pem`, '--key', `${CLIENTS}${name}.key`];
};
const CHANGE = ['-X', 'PUT', '-d', 'info'];

test.before(async () => {
  if (!hasCurl) return;
  port = await freePort();
  const authority = await TestAuthority.create();
  fs.writeFileSync(file('ca.pem'), authority.ca);
  fs.copyFileSync(`${CLIENTS}ca.pem`, file('clients.pem'));
  fs.writeFileSync(file('others.pem'), authority.ca);
  await put('server', authority, 'localhost');
  write('tls = { certificate = "admin" }\ntoken = "t0ken"');
  child = new Child(PROXY_BINARY, ['run', '-c', config], { XDG_STATE_HOME: folder });
  await child.ready(/is ready/, 20_000);
});

test.after(async () => {
  if (hasCurl) await child.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('admin API: HTTPS, client certificates, and reloads of both', { skip: !hasCurl }, async () => {
  assert.equal(await curl('/healthz'), '200');
  assert.equal(await curl('/healthz', '--tls-max', '1.1'), '000');
  assert.equal(await curl(`http://localhost:${port}/healthz`), '000');
  assert.equal(await curl('/log-level', ...CHANGE), '401');
  assert.equal(await curl('/log-level', ...CHANGE, '-H', 'Authorization: Bearer t0ken'), '200');

  write('tls = { certificate = "admin", client-ca = "clients.pem" }');
  await until(async () => (await curl('/healthz')) === '000', 'it asks for certificates');
  assert.equal(await curl('/healthz', ...as('stranger')), '000');
  assert.equal(await curl('/healthz', ...as('client')), '200');
  assert.equal(await curl('/log-level', ...as('client'), ...CHANGE), '200');
  assert.equal(await curl(`http://localhost:${port}/healthz`), '000');

  write('tls = { certificate = "admin", client-ca = "clients.pem" }\ntoken = "t0ken"');
  const change = (): Promise<string> => curl('/log-level', ...as('client'), ...CHANGE);
  await until(async () => (await change()) === '401', 'it asks for both');

  // A renewed certificate, under another authority: it is taken over without a command.
  const second = await TestAuthority.create('Second');
  fs.writeFileSync(file('ca.pem'), second.ca);
  await put('server', second, 'localhost');
  const asClient = (): Promise<string> => curl('/healthz', ...as('client'));
  await until(async () => (await asClient()) === '200', 'the new certificate');

  write('tls = { certificate = "admin", client-ca = ["others.pem"] }');
  await until(async () => (await asClient()) === '000', 'another authority of clients');
  write('tls = { certificate = "admin", client-ca = ["others.pem", "clients.pem"] }');
  await until(async () => (await asClient()) === '200', 'both authorities');

  // What cannot be used changes nothing.
  write('tls = { certificate = "admin", client-ca = "missing.pem" }');
  await until(() => child.output.includes('PN1501'), 'it is refused');
  assert.equal(await asClient(), '200');
  assert.equal(await curl('/healthz'), '000');

  write('');
  const plain = (): Promise<string> => curl(`http://localhost:${port}/healthz`);
  await until(async () => (await plain()) === '200', 'plain again');
});
