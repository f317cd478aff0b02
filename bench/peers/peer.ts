/**
 * What the harness knows of a peer: a name, how to find it, and a plan that turns a setup into
 * files and a command. Plans are pure, so that what a peer was told can be read and tested; the
 * harness writes the files, starts the command and ends it.
 *
 * Every plan is the same job in the peer's words: listen on 127.0.0.1:`port`, forward everything
 * to 127.0.0.1:`originPort` over a pool of kept-alive connections, pass the client's Host on, add
 * X-Forwarded-For, stream bodies both ways, one worker, no access log unless asked.
 */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** PEM texts: leaf and its key. */
export interface BenchCertificate {
  readonly chain: string;
  readonly key: string;
}

/** Files of a plan that hold the certificate: apart, and together as HAProxy wants them. */
export function certificateFiles(setup: PeerSetup): Record<string, string> {
  const { certificate } = setup;
  if (certificate === null) return {};
  const { chain, key } = certificate;
  return { 'site.pem': chain, 'site.key': key, 'site-both.pem': chain + key };
}

/** One job for a peer. */
export interface PeerSetup {
  /** Folder of this peer alone; the plan's files go there. */
  readonly dir: string;
  readonly port: number;
  /** A second free port for peers that have something to ask there. */
  readonly adminPort: number;
  readonly originPort: number;
  readonly hasAccessLog: boolean;
  /** 0: one route that takes everything; else this many routes by host and path. */
  readonly routeCount: number;
  /** Bodies too large to be kept on disk for readers that are slower than the origin. */
  readonly isLongStream: boolean;
  /** Null: without TLS. Else TLS 1.3 and 1.2 with this certificate, session tickets on. */
  readonly certificate: BenchCertificate | null;
}

/** How one peer does it. */
export interface PeerPlan {
  /** Text by file name, relative to the setup's folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Peer {
  readonly name: string;
  /** Why it cannot run here, in words for the report; null when it can. */
  missing(): string | null;
  /** Prints the version when run, or null when the peer has no such command. */
  readonly versionCommand: readonly string[] | null;
  /** null: this peer is not driven with such a setup, and why is in bench/README.md. */
  plan(setup: PeerSetup): PeerPlan | null;
}

/** True for a file this process may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where `name` is on `searchPath`, which lacks the system folders for some users; or null. */
export function findProgram(name: string, searchPath: string): string | null {
  if (name.includes('/')) return isExecutable(name) ? name : null;
  for (const folder of [...searchPath.split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    if (folder !== '' && isExecutable(join(folder, name))) return join(folder, name);
  }
  return null;
}

/** `missing()` of a peer that is one program. */
export function missingProgram(name: string, searchPath: string): string | null {
  return findProgram(name, searchPath) === null ? `${name} is not installed` : null;
}
