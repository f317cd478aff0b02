/**
 * Admin host: what the admin API may ask of this process, read from its control plane.
 */

import { readdirSync } from 'node:fs';

import { ControlCell, CONTROL_CELLS, WorkerCell } from '../contract/metric-layout.ts';
import type { LogLevel, Snapshot } from '../contract/snapshot.ts';
import type {
  AdminHost,
  AdminStatus,
  EndpointCounts,
  Readiness,
  UpgradeOutcome,
  WorkerStatus,
} from '../control/admin/admin-api.ts';
import { metricBlocks } from '../control/admin/metric-source.ts';
import type { MetricBlocks, WorkerCells } from '../control/admin/metric-source.ts';
import type { CertificateDesk } from '../control/certificate/certificate-desk.ts';
import type { CertificateState } from '../control/certificate/certificate-row.ts';
import type { HealthRow } from '../control/probe/health-board.ts';
import type { Reloader } from '../control/apply/reloader.ts';
import { MemoryGauge } from '../data/io/node/memory-gauge.ts';
import { version } from './version.ts';

/** Reads without opening anything: a scrape works when descriptors have run out. */
const MEMORY = new MemoryGauge();

/** Figures of the control plane that nobody else keeps; totals unless they say otherwise. */
export interface ControlFigures {
  /** Workers that serve now. */
  readonly workers: number;
  readonly workerRestarts: number;
  readonly processRestarts: number;
  readonly accessLogWriteDropped: number;
  readonly autosaveFailures: number;
  readonly ejections: number;
  readonly healthChecks: number;
  readonly healthChecksFailed: number;
  readonly upgrades: number;
  /** Longest delay of the control thread's loop since the last scrape. */
  readonly eventLoopLagMs: number;
}

/** What the admin API sees of the control plane. */
export interface ControlView {
  /** Path of the main file, absolute. */
  readonly configPath: string;
  /** Start of the process, milliseconds since 1970. */
  readonly startTimeMs: number;
  readonly reloader: Reloader;
  /** What was published last. */
  snapshot(): Snapshot;
  /** Asked once per scrape. */
  figures(): ControlFigures;
  readiness(): Readiness;
  /** Metric cells of every worker. Labels are those of `workers()`. */
  cells(): readonly WorkerCells[];
  workers(): readonly { readonly id: string; readonly state: string }[];
  endpoints(): readonly HealthRow[];
  /** As `AdminHost` says. */
  setDraining(endpoint: string, service: string | null, isDraining: boolean): number;
  upgrade(): Promise<UpgradeOutcome>;
  readonly certificates: CertificateDesk;
  logLevel(): LogLevel;
  setLogLevel(level: LogLevel): void;
}

/** The host of the admin API over `view`. */
export function adminHost(view: ControlView): AdminHost {
  const blocksOf = cachedBlocks();
  return {
    metrics: () => ({
      version: version(),
      workers: view.cells(),
      blocks: blocksOf(view.snapshot()),
      control: controlCells(view),
      certificates: view.certificates.rows(),
      certificateAttempts: view.certificates.attempts(),
    }),
    status: () => status(view),
    readiness: () => view.readiness(),
    logLevel: () => view.logLevel(),
    setLogLevel: (level) => view.setLogLevel(level),
    config: () => {
      const { generation, isGood, lastOutcome, lastApplied, counts, files } = view.reloader;
      const paths = files.map(({ path }) => path);
      const path = view.configPath;
      return { path, generation, isGood, files: paths, lastOutcome, lastApplied, counts };
    },
    endpoints: () => view.endpoints(),
    reload: () => view.reloader.reload('api'),
    previewReload: () => view.reloader.preview(),
    setDraining: (endpoint, service, isDraining) => view.setDraining(endpoint, service, isDraining),
    upgrade: () => view.upgrade(),
    certificates: view.certificates,
  };
}

function status(view: ControlView): ReturnType<AdminHost['status']> {
  const snapshot = view.snapshot();
  const { reloader } = view;
  const cells = new Map(view.cells().map((worker) => [worker.id, worker.cells]));
  const cellOf = (id: string, cell: number): number => cells.get(id)?.[cell] ?? 0;
  const workers = view.workers().map(({ id, state }): WorkerStatus => {
    return { id, state, generation: cellOf(id, WorkerCell.generation) };
  });
  return {
    version: version(),
    generation: snapshot.generation,
    readiness: view.readiness(),
    uptimeSeconds: Math.floor((Date.now() - view.startTimeMs) / 1_000),
    io: 'node',
    overloadLevel: Math.max(0, ...workers.map(({ id }) => cellOf(id, WorkerCell.overloadLevel))),
    workers,
    listeners: snapshot.listeners.map(({ name, kind, host, port }) => ({
      name,
      address: kind === 'unix' ? `unix:${host}` : `${bracketed(host)}:${port}`,
    })),
    routes: snapshot.routes.length,
    services: snapshot.services.length,
    endpoints: countEndpoints(view.endpoints()),
    certificates: countCertificates(view.certificates),
    config: {
      path: view.configPath,
      isGood: reloader.isGood,
      appliedAtMs: reloader.lastApplied?.atMs ?? null,
    },
    logLevel: view.logLevel(),
  };
}

function countEndpoints(endpoints: readonly HealthRow[]): EndpointCounts {
  const counts = { total: endpoints.length, up: 0, down: 0, draining: 0 };
  for (const { state } of endpoints) counts[state === 'out' ? 'down' : state]++;
  return counts;
}

function countCertificates(desk: CertificateDesk): AdminStatus['certificates'] {
  const counts: { -readonly [State in CertificateState]?: number } = {};
  for (const { state } of desk.rows()) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

function controlCells(view: ControlView): number[] {
  const figures = view.figures();
  const { reloader } = view;
  const cells = Array.from({ length: CONTROL_CELLS }, () => 0);
  const cpu = process.cpuUsage();
  cells[ControlCell.startTimeMs] = view.startTimeMs;
  cells[ControlCell.cpuUs] = cpu.user + cpu.system;
  cells[ControlCell.residentBytes] = MEMORY.residentSize();
  cells[ControlCell.openFiles] = openFiles();
  cells[ControlCell.workers] = figures.workers;
  cells[ControlCell.workerRestarts] = figures.workerRestarts;
  cells[ControlCell.processRestarts] = figures.processRestarts;
  cells[ControlCell.accessLogWriteDropped] = figures.accessLogWriteDropped;
  cells[ControlCell.isReady] = view.readiness() === 'ready' ? 1 : 0;
  cells[ControlCell.generation] = reloader.generation;
  cells[ControlCell.reloadsApplied] = reloader.counts.applied;
  cells[ControlCell.reloadsUnchanged] = reloader.counts.unchanged;
  cells[ControlCell.reloadsRejected] = reloader.counts.rejected;
  cells[ControlCell.lastReloadMs] = reloader.lastApplied?.tookMs ?? 0;
  cells[ControlCell.lastReloadAtMs] = reloader.lastApplied?.atMs ?? 0;
  cells[ControlCell.isConfigGood] = reloader.isGood ? 1 : 0;
  cells[ControlCell.rollbacks] = reloader.counts.rollbacks;
  cells[ControlCell.autosaveFailures] = figures.autosaveFailures;
  cells[ControlCell.ejections] = figures.ejections;
  cells[ControlCell.healthChecks] = figures.healthChecks;
  cells[ControlCell.healthChecksFailed] = figures.healthChecksFailed;
  cells[ControlCell.upgrades] = figures.upgrades;
  cells[ControlCell.eventLoopLagMs] = figures.eventLoopLagMs;
  return cells;
}

/** Blocks are made once per snapshot, not per scrape. */
function cachedBlocks(): (snapshot: Snapshot) => MetricBlocks {
  let known: { snapshot: Snapshot; blocks: MetricBlocks } | null = null;
  return (snapshot) => {
    if (known?.snapshot !== snapshot) known = { snapshot, blocks: metricBlocks(snapshot) };
    return known.blocks;
  };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
