/**
 * Serves with a folder of many certificates and says what that costs.
 *
 *   node test/tls/many-certificates.ts [--certificates 10000] [--handshakes 2000] [--json]
 *
 * Measured, of the whole process tree: time and CPU time from the start to the first handshake with
 * the last name, memory at that moment, when all has settled, and after handshakes with all names,
 * and CPU time per handshake with few names and with all of them. Exit code 1 when a handshake
 * fails, a name gets another one's certificate, or the start takes 3 s.
 */

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { parseArgs } from 'node:util';

import {
  buildCaCertificate,
  buildLeafCertificate,
} from '../../src/control/x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../../src/control/x509/keys.ts';
import { writePem } from '../../src/control/x509/pem.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { treeUsage } from '../support/process-tree.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay } from '../support/wait.ts';

const START_MS_MAX = 3_000;
const DAY_MS = 86_400_000;
const TICK_MS = 10;
const PARALLEL = 8;
/** The files are read once more after the start, and garbage is collected then. */
const SETTLE_MS = 9_000;

interface Figures {
  readonly certificates: number;
  readonly startMs: number;
  readonly startCpuMs: number;
  readonly residentMbAtStart: number;
  readonly residentMb: number;
  readonly residentMbAfterAll: number;
  readonly fewNamesCpuMs: number;
  readonly allNamesCpuMs: number;
  readonly failed: number;
}

const { values } = parseArgs({
  options: {
    certificates: { type: 'string', default: '10000' },
    handshakes: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});

function note(text: string): void {
  if (!values.json) console.log(text);
}

/** Writes `count` pairs into `folder`, leaf and intermediate each. @returns the root, PEM */
async function writeCertificates(folder: string, count: number): Promise<string> {
  const rootKey = await generateKey('ecdsa-p256');
  const caKey = await generateKey('ecdsa-p256');
  const now = Date.now();
  const validity = { notBeforeMs: now - DAY_MS, notAfterMs: now + 90 * DAY_MS };
  const organization = 'Many certificates';
  const root = buildCaCertificate({
    ...validity,
    organization,
    commonName: 'root',
    key: rootKey,
    pathLength: 1,
    signer: null,
  });
  const ca = buildCaCertificate({
    ...validity,
    organization,
    commonName: 'intermediate',
    key: caKey,
    pathLength: 0,
    signer: { certificate: root, key: rootKey },
  });
  const caPem = writePem('CERTIFICATE', ca);
  const signer = { certificate: ca, key: caKey };
  for (let i = 0; i < count; i++) {
    const key = await generateKey('ecdsa-p256');
    const leaf = buildLeafCertificate({ ...validity, names: [nameOf(i)], key, signer });
    writeFileSync(join(folder, `n${i}.crt`), writePem('CERTIFICATE', leaf) + caPem);
    writeFileSync(join(folder, `n${i}.key`), keyToPem(key), { mode: 0o600 });
  }
  return writePem('CERTIFICATE', root);
}

function nameOf(index: number): string {
  return `n${index}.example.com`;
}

/** One handshake, verified. @returns false when it fails */
async function handshake(port: number, ca: string, name: string): Promise<boolean> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: name, ca });
  socket.setTimeout(5_000, () => socket.destroy());
  try {
    await once(socket, 'secureConnect');
    return socket.authorized;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Handshakes with `names` in turn. @returns CPU time of the proxy per handshake, and failures */
async function handshakes(
  stage: { readonly pid: number; readonly port: number; readonly ca: string },
  names: number,
): Promise<{ readonly cpuMs: number; readonly failed: number }> {
  const count = Number(values.handshakes);
  const before = treeUsage(stage.pid).cpuTicks;
  let next = 0;
  let failed = 0;
  const run = async (): Promise<void> => {
    while (next < count) {
      // A stride that visits all names, so that neighbours in time are strangers.
      const name = nameOf((next++ * 7_919) % names);
      if (!(await handshake(stage.port, stage.ca, name))) failed++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, run));
  const cpuMs = ((treeUsage(stage.pid).cpuTicks - before) * TICK_MS) / count;
  return { cpuMs, failed };
}

async function main(): Promise<Figures> {
  const count = Number(values.certificates);
  const directory = scratchDirectory();
  const folder = join(directory, 'certificates');
  mkdirSync(folder);
  note(`making ${count} certificates`);
  const ca = await writeCertificates(folder, count);
  const port = await freePort();
  const file = join(directory, 'proxy-now.toml');
  writeFileSync(
    file,
    `workers = 1\n[admin]\naddress = "off"\n[storage]\npath = "storage"\n` +
      `[listeners.secure]\naddress = "127.0.0.1:${port}"\ntls = "default"\n` +
      `[certificates.all]\nfolder = "certificates"\n` +
      `[routes.all]\nservice = "s"\n[services.s]\nendpoints = ["http://127.0.0.1:9"]\n`,
  );
  const startedMs = performance.now();
  const child = new Child(PROXY_BINARY, ['run', '-c', file]);
  try {
    await child.ready(/\bready\b/i, 60_000);
    let failed = (await handshake(port, ca, nameOf(count - 1))) ? 0 : 1;
    const startMs = performance.now() - startedMs;
    note(`first handshake after ${Math.round(startMs)} ms`);
    const atStart = treeUsage(child.pid);
    await delay(SETTLE_MS);
    const residentMb = treeUsage(child.pid).rssSize / 1e6;
    const stage = { pid: child.pid, port, ca };
    await handshakes(stage, Math.min(10, count)); // Warm.
    const few = await handshakes(stage, Math.min(10, count));
    const all = await handshakes(stage, count);
    failed += few.failed + all.failed;
    return {
      certificates: count,
      startMs: Math.round(startMs),
      startCpuMs: atStart.cpuTicks * TICK_MS,
      residentMbAtStart: Math.round(atStart.rssSize / 1e6),
      residentMb: Math.round(residentMb),
      residentMbAfterAll: Math.round(treeUsage(child.pid).rssSize / 1e6),
      fewNamesCpuMs: few.cpuMs,
      allNamesCpuMs: all.cpuMs,
      failed,
    };
  } finally {
    await child.stop();
  }
}

const figures = await main();
if (values.json) console.log(JSON.stringify(figures));
else console.table(figures);
if (figures.failed > 0 || figures.startMs >= START_MS_MAX) process.exitCode = 1;
