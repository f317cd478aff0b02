/**
 * Three names, three ways of proof, one renewal: the real proxy beside Pebble.
 *
 *   node test/acme/three-names.ts                    issue and renew, table
 *   node test/acme/three-names.ts --json             the same for machines
 *   node test/acme/three-names.ts --nonce-reject 50  half of all good nonces are refused
 *   node test/acme/three-names.ts --life 24          seconds that a certificate lasts
 *   node test/acme/three-names.ts --no-renewal       ends when all three are served
 *
 * No clock is turned: the certificates last so short that their renewal is waited for in real
 * time. Exit code 1 when a certificate does not come.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isFromAuthority, IssuingStage, NAMES, pebbleAuthority } from '../support/issuing-stage.ts';
import type { Served } from '../support/issuing-stage.ts';
import { endOnSignals } from '../support/child.ts';
import { hasPebble, Pebble } from '../support/pebble.ts';
import { treeUsage } from '../support/process-tree.ts';

export interface ThreeNamesOptions {
  /** Good nonces that are refused, in percent. */
  readonly nonceReject: number;
  /** Seconds that a certificate lasts; 0: years, and then there is no renewal. */
  readonly lifeSeconds: number;
}

export interface NameResult {
  readonly name: string;
  readonly challenge: string;
  /** From the start of the proxy to the first handshake with the certificate, milliseconds. */
  readonly issuedMs: number;
  /** The same to the next certificate; 0: not waited for. */
  readonly renewedMs: number;
  readonly serial: string;
  readonly renewedSerial: string;
  /** `openssl s_client` trusts it and the name; null: openssl is not installed. */
  readonly opensslVerifies: boolean | null;
}

export interface ThreeNamesResult {
  readonly names: readonly NameResult[];
  /** CPU time of all processes of the proxy, milliseconds, start included. */
  readonly cpuMs: number;
  /** CPU time up to the point where it listened. */
  readonly startCpuMs: number;
  readonly elapsedMs: number;
  readonly rssSize: number;
}

const MS_PER_TICK = 10;

/** Runs all of it. @throws Error when a certificate does not come */
export async function threeNames(options: ThreeNamesOptions): Promise<ThreeNamesResult> {
  const { nonceReject, lifeSeconds } = options;
  const life = lifeSeconds > 0 ? { validitySeconds: lifeSeconds } : {};
  const pebble = await Pebble.start({ nonceReject, ...life });
  let stage: IssuingStage | null = null;
  try {
    stage = await IssuingStage.open(pebbleAuthority(pebble));
    return await run(stage, pebble, lifeSeconds);
  } finally {
    await stage?.close();
    await pebble.stop();
  }
}

async function run(
  stage: IssuingStage,
  pebble: Pebble,
  lifeSeconds: number,
): Promise<ThreeNamesResult> {
  const root = path.join(stage.folder, 'root.pem');
  fs.writeFileSync(root, await pebble.root());
  const startedMs = performance.now();
  await stage.start();
  const startCpuMs = treeUsage(stage.child!.pid).cpuTicks * MS_PER_TICK;
  const since = (): number => Math.round(performance.now() - startedMs);
  const names = await Promise.all(
    NAMES.map(async ({ challenge, name, served }): Promise<NameResult> => {
      const first = await stage.served(served);
      const issuedMs = since();
      if (first.status !== 200 || first.body !== 'hello https') {
        throw new Error(`${served}: status ${first.status}, body ${JSON.stringify(first.body)}`);
      }
      const opensslVerifies = verifiedByOpenssl(stage.authority.tlsPort, served, root);
      const isNext = (next: Served): boolean =>
        isFromAuthority(next) && next.serial !== first.serial;
      const waitMs = lifeSeconds * 1_000 + 10_000;
      const next = lifeSeconds > 0 ? await stage.served(served, isNext, waitMs) : null;
      const renewedMs = next === null ? 0 : since();
      const renewedSerial = next?.serial ?? '';
      const { serial } = first;
      return { name, challenge, issuedMs, renewedMs, serial, renewedSerial, opensslVerifies };
    }),
  );
  const { cpuTicks, rssSize } = treeUsage(stage.child!.pid);
  return { names, cpuMs: cpuTicks * MS_PER_TICK, startCpuMs, elapsedMs: since(), rssSize };
}

/** @returns null: openssl is not installed */
function verifiedByOpenssl(port: number, name: string, root: string): boolean | null {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', name];
  args.push('-CAfile', root, '-verify_hostname', name, '-verify_return_error');
  const { status, error } = spawnSync('openssl', args, { input: '', timeout: 5_000 });
  return error === undefined ? status === 0 : null;
}

function table(result: ThreeNamesResult): string {
  const lines = result.names.map(
    ({ name, challenge, issuedMs, renewedMs, opensslVerifies }) =>
      `${name.padEnd(22)} ${challenge.padEnd(12)} ${String(issuedMs).padStart(7)} ms ` +
      `${(renewedMs === 0 ? '-' : `${renewedMs} ms`).padStart(10)}   ` +
      (opensslVerifies === null ? 'no openssl' : opensslVerifies ? 'verified' : 'NOT VERIFIED'),
  );
  const { cpuMs, startCpuMs, elapsedMs, rssSize } = result;
  return (
    `${'name'.padEnd(22)} ${'proved by'.padEnd(12)} ${'served'.padStart(10)} ` +
    `${'renewed'.padStart(10)}   openssl\n${lines.join('\n')}\n` +
    `CPU of the proxy ${cpuMs} ms (${startCpuMs} ms of it until it listened), ` +
    `time ${elapsedMs} ms, memory ${Math.round(rssSize / 1_048_576)} MB`
  );
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      'nonce-reject': { type: 'string', default: '0' },
      life: { type: 'string', default: '24' },
      'no-renewal': { type: 'boolean', default: false },
    },
  });
  if (!hasPebble()) throw new Error('pebble and pebble-challtestsrv are not installed');
  const result = await threeNames({
    nonceReject: Number(values['nonce-reject']),
    lifeSeconds: values['no-renewal'] ? 0 : Number(values.life),
  });
  console.log(values.json ? JSON.stringify(result, null, 2) : table(result));
  if (result.names.some(({ opensslVerifies }) => opensslVerifies === false)) process.exitCode = 1;
}

if (import.meta.main) await main();
