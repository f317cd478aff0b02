/**
 * A worker's data plane on the simulated network: real configuration, real listeners, pools and
 * exchanges; only the kernel, the clock and the peers are invented.
 *
 * Chunks run in debug mode. Whatever a case does, it ends with `assertQuiet` or `assertSound`:
 * no bug was caught by the last resort, nothing leaks, every gauge is back at zero.
 */

import assert from 'node:assert/strict';

import { Fault } from '../../src/contract/fault.ts';
import type { OutlierReport } from '../../src/contract/health.ts';
import {
  createMetricBuffer,
  EndpointCell,
  listenerBase,
  ListenerCell,
  routeBase,
  RouteCell,
  ROUTE_NONE_INDEX,
  WorkerCell,
} from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import type { TlsState } from '../../src/contract/tls.ts';
import { compile } from '../../src/control/compile/compile.ts';
import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import { loadConfig } from '../../src/control/config/load-config.ts';
import { memorySource } from '../../src/control/config/memory-source.ts';
import type { Endpoint } from '../../src/data/balance/endpoint.ts';
import type { Middleware } from '../../src/data/chain/middleware.ts';
import type { SimPeer, SimScript } from '../../src/data/io/sim/sim-peer.ts';
import type { SimulationOptions } from '../../src/data/io/sim/simulation.ts';
import { Simulation } from '../../src/data/io/sim/simulation.ts';
import { DataPlane } from '../../src/data/listener/data-plane.ts';

export const LISTENER = '127.0.0.1:8080';
export const ORIGIN = '10.0.0.1:80';

/** Listeners whose gauges are looked at. */
const LISTENERS_MAX = 16;

/** A network without delay that cuts nothing: a case on it sees exact times and whole writes. */
export const STILL = {
  latencyMinMs: 0,
  latencyMaxMs: 0,
  splitChance: 0,
  partialWriteChance: 0,
} as const;

/** Sections of a configuration with one route to one service, each as lines of TOML. */
export interface AppSections {
  readonly limits?: string;
  readonly transport?: string;
  /** Inside `[services.app]`; the endpoints are `http://10.0.0.1:80` unless it says others. */
  readonly service?: string;
  readonly listener?: string;
  readonly more?: string;
}

/** @returns the text of a configuration file */
export function appToml(sections: AppSections = {}): string {
  const service = sections.service ?? '';
  const endpoints = service.includes('endpoints') ? '' : `endpoints = ["http://${ORIGIN}"]`;
  return `
[listeners.web]
address = "${LISTENER}"
${sections.listener ?? ''}
[admin]
address = "off"
[routes.all]
path = "/*"
service = "app"
[services.app]
${endpoints}
${service}
[transports.default]
${sections.transport ?? ''}
[limits]
${sections.limits ?? ''}
${sections.more ?? ''}
`;
}

/** Loads and compiles a configuration; connection limits are filled in as the app does. */
export async function compileToml(
  toml: string,
  generation = 1,
  indexes: MetricIndexes = new MetricIndexes(),
): Promise<Snapshot> {
  const loaded = await loadConfig('proxy-now.toml', memorySource({ 'proxy-now.toml': toml }));
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.issues, null, 2));
  const snapshot = compile(loaded.config, generation, indexes);
  const { limits } = snapshot;
  const connectionsMax = limits.connectionsMax || 1_000;
  const connectionsPerAddressMax = limits.connectionsPerAddressMax || connectionsMax;
  return { ...snapshot, limits: { ...limits, connectionsMax, connectionsPerAddressMax } };
}

export interface WorldOptions extends Partial<SimulationOptions> {
  /** Middlewares of every route, in order. */
  readonly chain?: readonly Middleware[];
  /** Cells to count in; gauges in it must be zero. Fresh ones by default. */
  readonly cells?: Float64Array;
  readonly tls?: TlsState;
}

const NO_CERTIFICATES: TlsState = {
  certificates: [],
  challenges: [],
  ticketSecrets: { current: new Uint8Array(32), previous: null },
};

export class World {
  readonly sim: Simulation;
  readonly data: DataPlane;
  readonly cells: Float64Array;
  readonly internalErrors: unknown[] = [];
  /** Sentences for the log about what the configuration says. */
  readonly problems: string[] = [];
  /** Names that control was asked for. */
  readonly wantedCertificates: string[] = [];
  /** Bound ports by listener name. */
  ports: { readonly [listener: string]: number } = {};
  readonly outlierReports: OutlierReport[] = [];
  readonly endpoints: readonly Endpoint[];
  readonly #baselineLeaks: number;

  constructor(snapshot: Snapshot, options: WorldOptions = {}) {
    this.sim = new Simulation({ seed: 1, ...options });
    this.cells = options.cells ?? new Float64Array(createMetricBuffer());
    const chain = options.chain ?? [];
    const middlewares = chain.map(({ name }, config) => ({ name, kind: 'scripted', config }));
    const indexes = middlewares.map((_, index) => index);
    const routes = snapshot.routes.map((route) => ({ ...route, middlewares: indexes }));
    this.data = new DataPlane(
      {
        backend: this.sim,
        cells: this.cells,
        workerCount: 1,
        middleware: (_kind, config) => chain[config as number]!,
        servesListener: () => true,
        tls: options.tls ?? NO_CERTIFICATES,
        wantCertificate: (name) => this.wantedCertificates.push(name),
        reportInternal: (error) => this.internalErrors.push(error),
        reportProblem: (message) => this.problems.push(message),
        reportListenError: (listener, message) => assert.fail(`${listener}: ${message}`),
        reportOutlier: (report) => this.outlierReports.push(report),
      },
      { ...snapshot, routes, middlewares },
    );
    const { routes: linked, passthroughs } = this.data.plane.linked;
    this.endpoints = [...linked, ...passthroughs].flatMap((route) => route.service.endpoints);
    this.#baselineLeaks = this.sim.chunks.heldCount;
    this.data.listen({}, (ports) => (this.ports = ports));
    this.sim.advanceMs(0);
  }

  /** Publishes the next generation. @returns an object that tells whether it is acknowledged */
  publish(snapshot: Snapshot, changedRoutes: readonly string[] = []): { isLinked: boolean } {
    const state = { isLinked: false };
    const publication = { listenerFds: {}, changedRoutes };
    this.data.publish(snapshot, publication, () => (state.isLinked = true));
    this.sim.advanceMs(0);
    return state;
  }

  /** Begins to drain. @returns an object that tells whether it is done */
  drain(hasSuccessor = false): { isDone: boolean } {
    const state = { isDone: false };
    this.data.drain(hasSuccessor, () => (state.isDone = true));
    this.advance(0);
    return state;
  }

  /** Opens a client connection; on a still network it is established and `bytes` have arrived. */
  client(bytes = '', script: SimScript = {}): SimPeer {
    const peer = this.sim.connectClient(LISTENER, script);
    if (bytes !== '') peer.send(bytes);
    this.sim.advanceMs(0);
    return peer;
  }

  /** Runs what is due in the next `ms`, checking the pools' invariants after every event. */
  advance(ms: number): void {
    const endMs = this.sim.nowMs() + ms;
    const mark = { isPassed: false };
    this.sim.world.at(endMs, () => {
      mark.isPassed = true;
    });
    while (!mark.isPassed && this.sim.world.step()) this.checkInvariants();
    this.sim.advanceMs(0);
    this.checkInvariants();
  }

  /** Runs until nothing is left to happen: no segment on its way and no timer armed. */
  runOut(stepsMax = 2_000_000): void {
    for (let steps = 0; this.sim.world.step(); steps++) {
      this.checkInvariants();
      assert.ok(steps < stepsMax, 'the simulation does not come to rest');
    }
  }

  checkInvariants(): void {
    for (const endpoint of this.endpoints) {
      endpoint.pool.checkInvariants();
      assert.ok(endpoint.inFlight >= 0, 'no endpoint has fewer than no attempts');
    }
  }

  faultCount(fault: Fault): number {
    return this.cells[WorkerCell.faults + fault]!;
  }

  gauge(name: keyof typeof EndpointCell, index = 0): number {
    return this.cells[this.endpoints[index]!.metricBase + EndpointCell[name]]!;
  }

  listenerCell(name: keyof typeof ListenerCell, index = 0): number {
    return this.cells[listenerBase(index) + ListenerCell[name]]!;
  }

  /** Exchanges recorded with a status of that class (0: no status). */
  requestCount(statusClass: number): number {
    const routed = this.cells[routeBase(0) + RouteCell.requests + statusClass]!;
    return routed + this.cells[routeBase(ROUTE_NONE_INDEX) + RouteCell.requests + statusClass]!;
  }

  get exchangesInProgress(): number {
    return this.cells[WorkerCell.exchangesInProgress]!;
  }

  get tunnels(): number {
    return this.cells[WorkerCell.tunnels]!;
  }

  /** No bug was caught. */
  assertSound(): void {
    const texts = this.internalErrors.map((error) => (error as Error).stack ?? String(error));
    assert.deepEqual(texts, [], 'internal errors');
    assert.equal(this.sim.chunks.misuseCount, 0, 'misuse of chunks');
  }

  /** Runs out, then: every connection is closed, nothing leaks, every gauge is at zero. */
  assertQuiet(): void {
    this.runOut();
    this.assertSound();
    assert.equal(this.data.connectionCount, 0, 'client connections open at the end');
    for (let index = 0; index < LISTENERS_MAX; index++) {
      assert.equal(this.listenerCell('open', index), 0, 'gauge of client connections');
    }
    assert.equal(this.exchangesInProgress, 0, 'gauge of exchanges');
    assert.equal(this.tunnels, 0, 'gauge of tunnels');
    this.endpoints.forEach((endpoint, index) => {
      assert.equal(endpoint.inFlight, 0, `attempts in flight at ${endpoint.spec.key}`);
      for (const name of ['connections', 'idleConnections', 'queued'] as const) {
        assert.equal(this.gauge(name, index), 0, `gauge ${name} of ${endpoint.spec.key}`);
      }
    });
    if (this.sim.chunks.heldCount > this.#baselineLeaks) {
      assert.fail(`chunks leak:\n${this.sim.chunks.leaks().slice(this.#baselineLeaks).join('\n')}`);
    }
  }
}

/** A world of one route to one service on a still network, without split reads. */
export async function openWorld(
  sections: AppSections = {},
  options: WorldOptions = {},
): Promise<World> {
  return new World(await compileToml(appToml(sections)), { ...STILL, ...options });
}
