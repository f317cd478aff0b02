/**
 * Limits that depend on the machine: how many workers, and how many connections its open file
 * limit allows.
 */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

import type { LimitsSpec } from '../contract/snapshot.ts';

/** Part of the open file limit that client connections may use; the rest is for endpoints. */
const CLIENT_SHARE = 0.8;
const CONNECTIONS_MAX = 65_536;
/** Descriptors of the process itself: some 25, and 10 for each worker. */
const OWN_FILES = 32;
const OWN_FILES_PER_WORKER = 12;
const AUTOMATIC_MIN = 16;
/** Part of all connections that one client address may have, so that others always get in. */
const ADDRESS_SHARE = 0.75;
const OPEN_FILES_UNKNOWN = 1_024;

/** Worker threads for a `workers` setting. */
export function workerCount(setting: number | 'auto'): number {
  return setting === 'auto' ? availableParallelism() : setting;
}

/** `limits` with every automatic value filled in, for a process with so many workers. */
export function resolveLimits(limits: LimitsSpec, workers: number): LimitsSpec {
  const usable = openFilesMax() - OWN_FILES - OWN_FILES_PER_WORKER * workers;
  const wanted = Math.max(Math.floor(usable * CLIENT_SHARE), AUTOMATIC_MIN);
  const automatic = Math.min(wanted, CONNECTIONS_MAX);
  const connectionsMax = limits.connectionsMax > 0 ? limits.connectionsMax : automatic;
  const perAddress =
    limits.connectionsPerAddressMax > 0
      ? limits.connectionsPerAddressMax
      : Math.ceil(connectionsMax * ADDRESS_SHARE);
  return { ...limits, connectionsMax, connectionsPerAddressMax: perAddress };
}

/** Soft limit of open files; Node raises it to the hard one when it starts. */
function openFilesMax(): number {
  try {
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(
      readFileSync('/proc/self/limits', 'utf8'),
    );
    if (match?.[1] === 'unlimited') return CONNECTIONS_MAX * 2;
    return match === null ? OPEN_FILES_UNKNOWN : Number(match[1]);
  } catch {
    return OPEN_FILES_UNKNOWN;
  }
}
