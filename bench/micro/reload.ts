/**
 * What a reload costs, whole and for one change, in control and in a worker: 10,000 routes spread
 * over hosts, and 10,000 routes of one host.
 *
 *     node bench/micro/reload.ts [--json] [--rounds 9]
 *
 * Figures are milliseconds, lower quartile of rounds in which all changes take turns; a change
 * costs less than a tenth of the whole, or the table says so. `write` and `read` are the structured
 * clone to one worker.
 */

import { deserialize, serialize } from 'node:v8';

import { createMetricBuffer } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import type { SnapshotUpdate } from '../../src/contract/snapshot-update.ts';
import { applySnapshotUpdate } from '../../src/contract/snapshot-update.ts';
import { Compiler } from '../../src/control/compile/compiler.ts';
import type { Config } from '../../src/control/config/config.ts';
import { loadConfig } from '../../src/control/config/load-config.ts';
import { LoadMemory } from '../../src/control/config/load-memory.ts';
import { memorySource } from '../../src/control/config/memory-source.ts';
import type { MiddlewareKinds } from '../../src/control/config/middleware-section.ts';
import { integer } from '../../src/control/config/schema.ts';
import { object } from '../../src/control/config/schema-compound.ts';
import { Simulation } from '../../src/data/io/sim/simulation.ts';
import { DataPlane } from '../../src/data/listener/data-plane.ts';

const ROUTE_COUNT = 10_000;
const SERVICE_COUNT = 500;
const RATIO_MAX = 0.1;
const STEPS = ['load', 'compile', 'write', 'read', 'apply', 'link'] as const;
type Step = (typeof STEPS)[number];

const middlewareKinds: MiddlewareKinds = new Map([
  ['tag', object('Does nothing.', { value: integer({ doc: 'Any.', default: 0, min: 0, max: 9 }) })],
]);

interface Route {
  readonly name: string;
  readonly match: string;
  readonly service: number;
  readonly middlewares: string;
}

/** What a file says; texts are made of it. */
interface Model {
  readonly routes: readonly Route[];
  readonly ports: readonly number[];
}

const SHAPES: Readonly<Record<string, (index: number) => string>> = {
  hosts: (index) => `host = "h${index % 2_500}.example.com"\npath = "/api/v${index}/*"`,
  'one host': (index) => `host = "shop.example.com"\npath = "/team-${index % 100}/app-${index}/*"`,
};

/** Each turns the model into one that is different in one place; `turn` counts the rounds. */
const CHANGES: Readonly<Record<string, (model: Model, turn: number) => Model>> = {
  service: (model, turn) => editRoute(model, { service: turn % SERVICE_COUNT }),
  middlewares: (model, turn) => {
    return editRoute(model, { middlewares: turn % 2 === 0 ? '["b"]' : '["a", "b"]' });
  },
  rule: (model, turn) =>
    editRoute(model, { match: `host = "new.example.com"\npath = "/${turn}/*"` }),
  'add a route': (model, turn) => {
    const route = { ...model.routes[0]!, name: `new-${turn}`, match: `path = "/new-${turn}"` };
    return { ...model, routes: model.routes.toSpliced(middle(model), 0, route) };
  },
  'remove a route': (model) => ({ ...model, routes: model.routes.toSpliced(middle(model), 1) }),
  endpoint: (model, turn) => ({ ...model, ports: model.ports.with(7, 1_000 + turn) }),
};

function middle({ routes }: Model): number {
  return routes.length >> 1;
}

function editRoute(model: Model, more: Partial<Route>): Model {
  const index = middle(model);
  return { ...model, routes: model.routes.with(index, { ...model.routes[index]!, ...more }) };
}

function textOf({ routes, ports }: Model): string {
  const parts = ['[listeners.web]\naddress = ":8080"\n', '[middlewares.a.tag]\n'];
  parts.push('[middlewares.b.tag]\nvalue = 1\n');
  for (const { name, match, service, middlewares } of routes) {
    parts.push(
      `[routes.${name}]\n${match}\nservice = "s${service}"\nmiddlewares = ${middlewares}\n`,
    );
  }
  for (const [index, port] of ports.entries()) {
    const host = `http://10.0.${index % 250}`;
    parts.push(`[services.s${index}]\nendpoints = ["${host}.1:${port}", "${host}.2:${port}"]\n`);
  }
  return parts.join('');
}

function measured<Result>(times: Map<Step, number>, step: Step, work: () => Result): Result {
  const startMs = performance.now();
  const result = work();
  times.set(step, performance.now() - startMs);
  return result;
}

async function load(model: Model, memory: LoadMemory, times: Map<Step, number>): Promise<Config> {
  const text = textOf(model);
  const source = memorySource({ 'm.toml': text }, {});
  const startMs = performance.now();
  const { config, issues } = await loadConfig('m.toml', source, { memory, middlewareKinds });
  times.set('load', performance.now() - startMs);
  if (config === null) throw new Error(JSON.stringify(issues.slice(0, 3)));
  return config;
}

function fail(problem: unknown): never {
  throw new Error(String(problem));
}

function openPlane(snapshot: Snapshot): DataPlane {
  return new DataPlane(
    {
      backend: new Simulation({ seed: 1 }),
      cells: new Float64Array(createMetricBuffer()),
      workerCount: 1,
      middleware: (kind) => ({ name: kind, onRequestHead: () => 0 }),
      servesListener: () => true,
      tls: {
        certificates: [],
        challenges: [],
        ticketSecrets: { current: new Uint8Array(32), previous: null },
      },
      wantCertificate: fail,
      reportInternal: fail,
      reportProblem: fail,
      reportListenError: fail,
      reportOutlier: fail,
    },
    snapshot,
  );
}

/** One control plane and one worker, over many reloads. */
class Run {
  readonly #memory = new LoadMemory();
  readonly #compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  #worker: Snapshot | null = null;
  #plane: DataPlane | null = null;

  /** @returns what it took and the bytes to one worker */
  async reload(model: Model): Promise<{ times: Map<Step, number>; size: number }> {
    const times = new Map<Step, number>();
    const config = await load(model, this.#memory, times);
    const { update } = measured(times, 'compile', () => this.#compiler.compile(config));
    const bytes = measured(times, 'write', () => serialize(update));
    const received = measured(times, 'read', () => deserialize(bytes) as SnapshotUpdate);
    const worker = measured(times, 'apply', () => applySnapshotUpdate(this.#worker, received));
    measured(times, 'link', () => {
      if (this.#plane === null) this.#plane = openPlane(worker);
      else this.#plane.publish(worker, { listenerFds: {}, changedRoutes: [] }, () => {});
    });
    this.#worker = worker;
    return { times, size: bytes.length };
  }
}

interface Row {
  readonly shape: string;
  readonly change: string;
  readonly samples: Map<Step, number>[];
  size: number;
}

/** What a quarter of the rounds stayed below: whatever else the machine does only adds. */
function quartile(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 2]!;
}

function timeOf(row: Row, steps: readonly Step[]): number {
  return quartile(
    row.samples.map((times) => steps.reduce((sum, step) => sum + (times.get(step) ?? 0), 0)),
  );
}

async function runShape(shape: string, rounds: number): Promise<Row[]> {
  const match = SHAPES[shape]!;
  const model: Model = {
    routes: Array.from({ length: ROUTE_COUNT }, (_, index) => ({
      name: `r${index}`,
      match: match(index),
      service: index % SERVICE_COUNT,
      middlewares: index === 0 ? '["a", "b"]' : '["a"]',
    })),
    ports: Array.from({ length: SERVICE_COUNT }, () => 80),
  };
  const whole: Row = { shape, change: 'whole', samples: [], size: 0 };
  const rows = Object.keys(CHANGES).map((change): Row => ({ shape, change, samples: [], size: 0 }));
  const run = new Run();
  await run.reload(model);
  for (let round = 0; round < rounds; round++) {
    const fresh = await new Run().reload(model);
    whole.samples.push(fresh.times);
    whole.size = fresh.size;
    await run.reload(model);
    for (const row of rows) {
      const { times, size } = await run.reload(CHANGES[row.change]!(model, round));
      row.samples.push(times);
      row.size = size;
      await run.reload(model); // Back again, so that changes do not add up.
    }
  }
  return [whole, ...rows];
}

/** Ratios to the whole; the worker's is what its event loop stands still for. */
const PARTS: Readonly<Record<string, readonly Step[]>> = {
  load: ['load'],
  control: ['compile', 'write'],
  worker: ['read', 'apply', 'link'],
};

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printShape(rows: readonly Row[]): void {
  const [whole] = rows;
  print(`\n${whole!.shape}: ms, and as part of the whole`);
  const head = [...STEPS, 'bytes', ...Object.keys(PARTS)].map((name) => name.padStart(9)).join('');
  print(`${'change'.padEnd(16)}${head}`);
  for (const row of rows) {
    const times = STEPS.map((step) => timeOf(row, [step]).toFixed(2).padStart(9)).join('');
    const ratios = Object.values(PARTS).map((steps) => {
      const ratio = timeOf(row, steps) / timeOf(whole!, steps);
      const isOver = row !== whole && ratio >= RATIO_MAX;
      return `${(ratio * 100).toFixed(1)}%${isOver ? '!' : ''}`.padStart(9);
    });
    print(`${row.change.padEnd(16)}${times}${String(row.size).padStart(9)}${ratios.join('')}`);
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const roundsAt = args.indexOf('--rounds');
  const rounds = Math.min(100, Math.max(1, roundsAt < 0 ? 9 : Number(args[roundsAt + 1]) || 9));
  const isJson = args.includes('--json');
  const results: object[] = [];
  for (const shape of Object.keys(SHAPES)) {
    const rows = await runShape(shape, rounds);
    if (!isJson) printShape(rows);
    for (const row of rows) {
      const ms = Object.fromEntries(STEPS.map((step) => [step, timeOf(row, [step])] as const));
      const ratios = Object.entries(PARTS).map(([part, steps]) => {
        return [part, timeOf(row, steps) / timeOf(rows[0]!, steps)] as const;
      });
      const { change, size } = row;
      results.push({ shape, change, ms, size, ratio: Object.fromEntries(ratios) });
    }
  }
  if (isJson) print(JSON.stringify({ routes: ROUTE_COUNT, results }));
}

await main();
