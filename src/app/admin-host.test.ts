import assert from 'node:assert/strict';
import test from 'node:test';

import { CONTROL_CELLS, ControlCell, METRIC_CELLS, WorkerCell } from '../contract/metric-layout.ts';
import type { EndpointState } from '../contract/health.ts';
import { Reloader } from '../control/apply/reloader.ts';
import { compile } from '../control/compile/compile.ts';
import { MetricIndexes } from '../control/compile/metric-indexes.ts';
import { loadConfig } from '../control/config/load-config.ts';
import { memorySource } from '../control/config/memory-source.ts';
import type { HealthRow } from '../control/probe/health-board.ts';
import { EMPTY_DESK } from '../control/certificate/certificate-desk.ts';
import { adminHost } from './admin-host.ts';
import type { ControlView } from './admin-host.ts';

const PATH = '/p/main.toml';
const TEXT = `
[listeners.web]
address = "[::1]:8080"
[listeners.local]
address = "unix:/run/p.sock"
[routes.all]
service = "all"
[services.all]
endpoints = ["http://10.0.0.1:80"]
`;

function row(state: EndpointState): HealthRow {
  const figures = { reason: '', sinceMs: 0, ejections: 0, latencyMs: -1 };
  return { service: 'all', endpoint: `http://${state}`, state, ...figures };
}

async function open() {
  const files: Record<string, string> = { [PATH]: TEXT };
  const source = memorySource(files);
  const { config } = await loadConfig(PATH, source);
  let snapshot = compile(config!, 1, new MetricIndexes());
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const reloader = new Reloader({
    path: PATH,
    source,
    served: { config: config!, generation: 1, files: [] },
    publish: (publication) => {
      snapshot = compile(publication.config, 2, new MetricIndexes());
      return Promise.resolve(2);
    },
    log,
    nowMs: () => 1,
    wallMs: () => 9_000,
  });
  const cells = [new Float64Array(METRIC_CELLS), new Float64Array(METRIC_CELLS)];
  cells[0]![WorkerCell.generation] = 1;
  cells[1]![WorkerCell.overloadLevel] = 2;
  const view: ControlView = {
    configPath: PATH,
    startTimeMs: 1_000,
    reloader,
    snapshot: () => snapshot,
    figures: () => ({
      workers: 2,
      workerRestarts: 3,
      processRestarts: 4,
      accessLogWriteDropped: 5,
      autosaveFailures: 6,
      ejections: 7,
      healthChecks: 8,
      healthChecksFailed: 9,
      upgrades: 10,
      eventLoopLagMs: 11,
    }),
    readiness: () => 'ready',
    cells: () => cells.map((own, index) => ({ id: String(index), cells: own })),
    workers: () => cells.map((_, index) => ({ id: String(index), state: 'listening' })),
    endpoints: () => [row('up'), row('down'), row('out'), row('draining')],
    setDraining: () => 1,
    upgrade: () => Promise.resolve({ status: 'busy' }),
    certificates: EMPTY_DESK,
    logLevel: () => 'warn',
    setLogLevel: () => {},
  };
  return { files, host: adminHost(view), view };
}

test('admin host: the status says what is served and by whom', async () => {
  const { host } = await open();
  const status = host.status();
  assert.deepEqual(status.listeners, [
    { name: 'web', address: '[::1]:8080' },
    { name: 'local', address: 'unix:/run/p.sock' },
  ]);
  assert.deepEqual(status.workers, [
    { id: '0', state: 'listening', generation: 1 },
    { id: '1', state: 'listening', generation: 0 },
  ]);
  assert.equal(status.overloadLevel, 2);
  assert.deepEqual(status.endpoints, { total: 4, up: 1, down: 2, draining: 1 });
  assert.deepEqual(status.config, { path: PATH, isGood: true, appliedAtMs: null });
  assert.equal(status.logLevel, 'warn');
});

test('admin host: a reload shows in the state of the configuration', async () => {
  const { host, files } = await open();
  files[PATH] = TEXT.replace('10.0.0.1', '10.0.0.2');
  assert.equal((await host.previewReload()).status, 'applied');
  assert.equal((await host.reload()).status, 'applied');
  const config = host.config();
  assert.equal(config.generation, 2);
  assert.equal(config.lastApplied?.cause, 'api');
  assert.deepEqual(config.files, [PATH]);
  assert.equal(host.status().config.appliedAtMs, 9_000);
});

test('admin host: every figure of the control plane has its cell', async () => {
  const { host, files } = await open();
  files[PATH] = TEXT.replace('10.0.0.1', '10.0.0.2');
  await host.reload();
  await host.reload();
  files[PATH] = 'broken';
  await host.reload();
  const { control } = host.metrics();
  assert.equal(control.length, CONTROL_CELLS);
  const expected: readonly (readonly [cell: number, value: number])[] = [
    [ControlCell.startTimeMs, 1_000],
    [ControlCell.workers, 2],
    [ControlCell.workerRestarts, 3],
    [ControlCell.processRestarts, 4],
    [ControlCell.accessLogWriteDropped, 5],
    [ControlCell.isReady, 1],
    [ControlCell.generation, 2],
    [ControlCell.reloadsApplied, 1],
    [ControlCell.reloadsUnchanged, 1],
    [ControlCell.reloadsRejected, 1],
    [ControlCell.lastReloadAtMs, 9_000],
    [ControlCell.isConfigGood, 0],
    [ControlCell.rollbacks, 0],
    [ControlCell.autosaveFailures, 6],
    [ControlCell.ejections, 7],
    [ControlCell.healthChecks, 8],
    [ControlCell.healthChecksFailed, 9],
    [ControlCell.upgrades, 10],
    [ControlCell.eventLoopLagMs, 11],
  ];
  for (const [cell, value] of expected) assert.equal(control[cell], value, `cell ${cell}`);
  assert.ok(control[ControlCell.residentBytes]! > 0);
});

test('admin host: metric blocks are made once per snapshot', async () => {
  const { host, files } = await open();
  const { blocks } = host.metrics();
  assert.equal(host.metrics().blocks, blocks);
  files[PATH] = TEXT.replace('10.0.0.1', '10.0.0.2');
  await host.reload();
  assert.notEqual(host.metrics().blocks, blocks);
});
