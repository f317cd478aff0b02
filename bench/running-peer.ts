/** A peer that runs: started from its plan, checked to do its job, ended with its whole tree. */

import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import type { BenchCertificate, Peer, PeerSetup } from './peers/peer.ts';
import { freePort, waitForPort } from './ports.ts';
import { readProportional, readUsage } from './procfs.ts';
import type { TreeUsage } from './procfs.ts';
import type { KeptProcess } from './process-keeper.ts';
import { REPLY_SIZES } from './origin/fixed-origin.ts';
import type { Origins, Session } from './session.ts';
import type { Workload } from './workloads.ts';

const CHECK_TIMEOUT_MS = 20_000;
/** Larger bodies are left to the load, which counts their bytes. */
const CHECK_SIZE_MAX = 1024 * 1024;

export interface RunningPeer {
  readonly name: string;
  readonly workload: Workload;
  readonly process: KeptProcess;
  readonly setup: PeerSetup;
}

/** CPU time and memory of the peer's tree up to now. */
export function usageOf(peer: RunningPeer): TreeUsage {
  return readUsage(peer.process.pid);
}

function originPort(origins: Origins, workload: Workload): number {
  if (workload.request.uploadSize === 0) return origins.fixed;
  return workload.kind === 'stream' ? origins.slow : origins.upload;
}

/** Memory of a peer's tree, in bytes: pages it maps, and its fair share of them. */
export interface MemoryUse {
  /** Pages that processes share, such as the program itself, count once for each. */
  readonly residentBytes: number;
  /** Shared pages are divided among those who map them: what the peer really takes. */
  readonly proportionalBytes: number;
}

/** Reads both; the second walks page tables, so not while the peer is under measurement. */
export function memoryOf(peer: RunningPeer): MemoryUse {
  const { pids, residentBytes } = usageOf(peer);
  return { residentBytes, proportionalBytes: readProportional(pids) };
}

/**
 * Starts `peer` for `workload` and returns when it listens. `env` is added to the plan's own.
 * @returns null when the peer is not driven with such a workload
 * @throws when it does not come up
 */
export async function startPeer(
  session: Session,
  peer: Peer,
  workload: Workload,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningPeer | null> {
  const origins = await session.origins();
  const setup: PeerSetup = {
    dir: session.folder(peer.name),
    port: await freePort(),
    adminPort: await freePort(),
    originPort: originPort(origins, workload),
    hasAccessLog: workload.hasAccessLog,
    routeCount: workload.routeCount,
    isLongStream: workload.kind === 'stream',
    certificate: workload.request.isTls ? benchCertificate() : null,
  };
  const plan = peer.plan(setup);
  if (plan === null) return null;
  for (const [name, text] of Object.entries(plan.files)) {
    writeFileSync(join(setup.dir, name), text);
  }
  const kept = session.keeper.start({
    name: peer.name,
    command: plan.command,
    core: session.peerCore,
    cwd: setup.dir,
    logPath: join(setup.dir, 'output.log'),
    env: { ...plan.env, ...env },
  });
  await waitForPort(setup.port, kept);
  return { name: peer.name, workload, process: kept, setup };
}

/** The same certificate for all: ECDSA P-256, as issuers give it today. */
function benchCertificate(): BenchCertificate {
  const folder = new URL('../test/fixtures/tls/', import.meta.url);
  const read = (name: string): string => readFileSync(new URL(name, folder), 'latin1');
  return { chain: read('ecdsa.pem'), key: read('ecdsa.key') };
}

/** One request over TLS; nobody knows the certificate, so it is not verified. */
async function checkTls(peer: RunningPeer): Promise<string> {
  const url = `https://127.0.0.1:${peer.setup.port}/seen`;
  const timeout = CHECK_TIMEOUT_MS;
  const options = { rejectUnauthorized: false, agent: false, timeout } as const;
  const { promise, resolve } = Promise.withResolvers<string>();
  const request = get(url, options, (response) => {
    let text = '';
    response.setEncoding('latin1');
    response.on('data', (piece: string) => (text += piece));
    response.on('end', () => resolve(text));
    response.on('error', (error) => resolve(String(error)));
  });
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
  request.on('error', (error) => resolve(String(error)));
  const seen = await promise;
  const wanted = `host=127.0.0.1:${peer.setup.port};for=127.0.0.1`;
  return seen === wanted ? '' : `the origin saw ${seen}`;
}

async function fetchText(url: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url}: status ${response.status}`);
  return text;
}

/**
 * Asks the peer once what the load will ask, and what the origin saw of it.
 * @returns what is wrong in one line; empty when the peer does the same job as the others
 */
export async function checkPeer(peer: RunningPeer): Promise<string> {
  const { path, uploadSize, routes } = peer.workload.request;
  if (peer.workload.request.isTls) return await checkTls(peer);
  const base = `http://127.0.0.1:${peer.setup.port}`;
  try {
    if (uploadSize > 0) {
      const size = Math.min(uploadSize, CHECK_SIZE_MAX);
      const init = { method: 'POST', body: Buffer.alloc(size) };
      const read = await fetchText(`${base}/`, init);
      return read === String(size) ? '' : `the origin read ${read} bytes of ${size}`;
    }
    if (routes.length > 0) return ''; // fetch cannot set Host; wrk counts the errors.
    const size = REPLY_SIZES[path as keyof typeof REPLY_SIZES];
    const text = size > CHECK_SIZE_MAX ? null : await fetchText(`${base}${path}`);
    if (text !== null && text.length !== size) return `${path} has ${text.length} bytes`;
    const seen = await fetchText(`${base}/seen`);
    const wanted = `host=127.0.0.1:${peer.setup.port};for=127.0.0.1`;
    // Extra peers may do less; the report says so instead of leaving them out.
    return seen === wanted ? '' : `the origin saw ${seen}`;
  } catch (error) {
    return String(error);
  }
}
