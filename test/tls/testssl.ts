/**
 * What `testssl` says of the real binary with its default TLS policy, with an ECDSA and with an
 * RSA certificate.
 *
 *   node test/tls/testssl.ts                  both certificates, everything (minutes)
 *   node test/tls/testssl.ts --short          protocols, vulnerabilities and defaults only
 *   node test/tls/testssl.ts --json
 *
 * Findings above LOW are printed. Exit code 1 when one of them is MEDIUM or worse and is not in
 * `JUDGED`, which says of each finding there why it is not about the proxy; 2 without `testssl`.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Child, endOnSignals } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { within } from '../support/wait.ts';

const HOST = 'site.example.test';
const RUN_MS_MAX = 600_000;
const KEY_TYPES = ['ecdsa-p256', 'rsa-2048'] as const;
/** Of what `testssl` can look at: what ends within a minute and is about the proxy's own doing. */
const SHORT = ['--protocols', '--server-preference', '--pfs', '--vulnerable', '--headers'];

/** Findings that are not about the proxy, by id. */
const JUDGED: Readonly<Record<string, string>> = {
  cert_revocation: 'the authority of this test offers no revocation lists and no OCSP',
  security_headers: "fields such as Content-Security-Policy are the origin's to say",
  engine_problem: 'about the OpenSSL that testssl runs with',
};

export interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

export interface Scan {
  readonly keyType: string;
  readonly findings: readonly Finding[];
}

/** @returns false where the program is not installed */
export function testsslExists(): boolean {
  return spawnSync('testssl', ['--help'], { stdio: 'ignore' }).error === undefined;
}

/** Findings of LOW and worse, that are about the proxy. */
export function worthReading({ findings }: Scan): Finding[] {
  return findings.filter(({ severity, id }) => isBad(severity, 'LOW') && !(id in JUDGED));
}

/** What must not be there. */
export function failures({ findings }: Scan): Finding[] {
  return findings.filter(({ severity, id }) => isBad(severity, 'MEDIUM') && !(id in JUDGED));
}

const SEVERITIES = ['OK', 'INFO', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'];

/** A word that is none of these is one of the program's own troubles: as bad as can be. */
function isBad(severity: string, least: string): boolean {
  const at = SEVERITIES.indexOf(severity);
  return at < 0 || at >= SEVERITIES.indexOf(least);
}

/** Starts the proxy with one certificate, lets `testssl` at it, and ends both. */
export async function scan(
  keyType: (typeof KEY_TYPES)[number],
  options: readonly string[],
): Promise<Scan> {
  const origin = await startOrigin((_request, response) => void response.end('hello'));
  const folder = scratchDirectory();
  const port = await freePort();
  const authority = await TestAuthority.create();
  const pair = await authority.issue([HOST], { keyType, days: 90 });
  const file = (name: string, text: string): string => {
    fs.writeFileSync(path.join(folder, name), text, { mode: 0o600 });
    return path.join(folder, name);
  };
  const ca = file('ca.pem', authority.ca);
  file('site.pem', pair.cert);
  file('site.key', pair.key);
  const config = file(
    'proxy-now.toml',
    `workers = 1\n[admin]\naddress = "off"\n[storage]\npath = "store"\n` +
      `[listeners.secure]\naddress = "127.0.0.1:${port}"\ntls = "default"\n` +
      `[certificates.site]\ncert = "site.pem"\nkey = "site.key"\n` +
      `[services.origin]\nendpoints = ["http://127.0.0.1:${origin.port}"]\n` +
      `[routes.site]\nhost = "${HOST}"\nservice = "origin"\nhsts = true\n`,
  );
  const proxy = new Child(PROXY_BINARY, ['run', '-c', config]);
  try {
    await proxy.ready(/is ready/, 20_000);
    return { keyType, findings: await run(path.join(folder, 'findings.json'), port, ca, options) };
  } finally {
    await proxy.stop();
    await origin.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function run(
  json: string,
  port: number,
  ca: string,
  options: readonly string[],
): Promise<Finding[]> {
  const still = '--quiet --color 0 --warnings off --nodns none --ip 127.0.0.1'.split(' ');
  const files = ['--add-ca', ca, '--jsonfile', json];
  const testssl = new Child('testssl', [...still, ...files, ...options, `${HOST}:${port}`]);
  try {
    await within(testssl.exited, 'testssl', RUN_MS_MAX);
    return JSON.parse(fs.readFileSync(json, 'utf8')) as Finding[];
  } catch (error) {
    throw new Error(`${String(error)}\n${testssl.output}`, { cause: error });
  } finally {
    testssl.killTree();
  }
}

function print(result: Scan): void {
  const { keyType, findings } = result;
  console.log(`${keyType}: ${findings.length} findings`);
  for (const { id, severity, finding } of findings) {
    if (!isBad(severity, 'LOW')) continue;
    const reason = JUDGED[id];
    console.log(`  ${severity.padEnd(8)} ${id}: ${finding}${reason ? ` (${reason})` : ''}`);
  }
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
    },
  });
  if (!testsslExists()) {
    console.error('testssl is not installed');
    process.exitCode = 2;
    return;
  }
  const scans: Scan[] = [];
  for (const keyType of KEY_TYPES) {
    const result = await scan(keyType, values.short ? SHORT : []);
    scans.push(result);
    if (!values.json) print(result);
  }
  if (values.json) console.log(JSON.stringify(scans, null, 2));
  if (scans.some((result) => failures(result).length > 0)) process.exitCode = 1;
}

if (import.meta.main) await main();
