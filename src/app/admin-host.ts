/**
 * Admin host: what the admin API may ask of this process.
 */

import { readdirSync } from 'node:fs';

import { ControlCell, CONTROL_CELLS } from '../contract/metric-layout.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { AdminHost, Readiness } from '../control/admin/admin-api.ts';
import type { LogFile } from '../control/admin/log-file.ts';
import type { Logger } from '../control/admin/logger.ts';
import { metricBlocks } from '../control/admin/metric-source.ts';
import { version } from './version.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface AdminHostOptions {
  readonly snapshot: Snapshot;
  readonly pool: WorkerPool;
  readonly logger: Logger;
  readonly accessLog: LogFile | null;
  readonly startMs: number;
  readonly restarts: number;
  readonly readiness: () => Readiness;
}

export function adminHost(options: AdminHostOptions): AdminHost {
  const { snapshot, pool, logger } = options;
  const blocks = metricBlocks(snapshot);
  return {
    metrics: () => ({
      version: version(),
      workers: pool.buffers.map((buffer, index) => ({
        id: String(index),
        cells: new Float64Array(buffer),
      })),
      blocks,
      control: controlCells(options),
    }),
    status: () => ({
      version: version(),
      generation: snapshot.generation,
      readiness: options.readiness(),
      uptimeSeconds: Math.floor((Date.now() - options.startMs) / 1_000),
      io: 'node',
      workers: pool.states,
      listeners: snapshot.listeners.map(({ name, host, port }) => ({
        name,
        address: port === 0 ? host : `${host}:${port}`,
      })),
      routes: snapshot.routes.length,
      services: snapshot.services.length,
      endpoints: snapshot.services.reduce((sum, service) => sum + service.endpoints.length, 0),
      logLevel: logger.level,
    }),
    readiness: options.readiness,
    logLevel: () => logger.level,
    setLogLevel: (level) => logger.setLevel(level),
  };
}

function controlCells(options: AdminHostOptions): number[] {
  const cells = Array.from({ length: CONTROL_CELLS }, () => 0);
  const cpu = process.cpuUsage();
  cells[ControlCell.startTimeMs] = options.startMs;
  cells[ControlCell.cpuUs] = cpu.user + cpu.system;
  cells[ControlCell.residentBytes] = process.memoryUsage.rss();
  cells[ControlCell.openFiles] = openFiles();
  cells[ControlCell.workers] = options.pool.states.filter((w) => w.state === 'listening').length;
  cells[ControlCell.workerRestarts] = options.pool.restarts;
  cells[ControlCell.processRestarts] = options.restarts;
  cells[ControlCell.accessLogWriteDropped] = options.accessLog?.droppedLines ?? 0;
  cells[ControlCell.isReady] = options.readiness() === 'ready' ? 1 : 0;
  return cells;
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
