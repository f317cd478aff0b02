/**
 * Health on the simulated clock: the real board and prober, the real registries and balancers of
 * two workers, messages that take their time, and endpoints whose fate a seed decides.
 */

import assert from 'node:assert/strict';

import { Prng } from '../../src/base/prng.ts';
import type { EndpointHealth, EndpointState, OutlierReport } from '../../src/contract/health.ts';
import { endpointId } from '../../src/contract/health.ts';
import {
  createMetricBuffer,
  EndpointCell,
  serviceBase,
  ServiceCell,
} from '../../src/contract/metric-layout.ts';
import type { LimitsSpec, ServiceSpec, TransportSpec } from '../../src/contract/snapshot.ts';
import type { ServiceConfig } from '../../src/control/config/config.ts';
import type { RunCheck } from '../../src/control/probe/check.ts';
import { HealthBoard } from '../../src/control/probe/health-board.ts';
import { Prober } from '../../src/control/probe/prober.ts';
import type { Balancer } from '../../src/data/balance/balancer.ts';
import { linkBalancer, NONE_TRIED } from '../../src/data/balance/balancer.ts';
import type { Candidates } from '../../src/data/balance/candidates.ts';
import type { Endpoint } from '../../src/data/balance/endpoint.ts';
import { Simulation } from '../../src/data/io/sim/simulation.ts';
import { EndpointRegistry } from '../../src/data/listener/endpoint-registry.ts';

/**
 * What becomes of requests and of checks: `sick` answers checks only, `misjudged` requests only;
 * `slow` does both, twenty times as slowly.
 */
export type Fate = 'well' | 'dead' | 'sick' | 'misjudged' | 'slow' | 'hanging';

const MESSAGE_MS_MAX = 5;
const GENERATIONS_MAX = 3;

interface LinkedService {
  readonly spec: ServiceSpec;
  readonly candidates: Candidates;
  readonly balancer: Balancer;
}

/** Delivers in order, each after a random time. */
class Channel<T> {
  /** Messages on their way. */
  pending = 0;
  private lastMs = 0;
  private readonly sim: Simulation;
  private readonly prng: Prng;
  private readonly deliver: (message: T) => void;

  constructor(sim: Simulation, prng: Prng, deliver: (message: T) => void) {
    this.sim = sim;
    this.prng = prng;
    this.deliver = deliver;
  }

  send(message: T): void {
    this.pending++;
    const soonestMs = this.sim.nowMs() + this.prng.next() * MESSAGE_MS_MAX;
    this.lastMs = Math.max(this.lastMs, soonestMs);
    this.sim.world.at(this.lastMs, () => {
      this.pending--;
      this.deliver(message);
    });
  }
}

type ToWorker =
  | { readonly type: 'publish'; readonly services: readonly ServiceSpec[] }
  | { readonly type: 'health'; readonly endpoints: readonly EndpointHealth[] };

/** One worker: a registry, and the generations that exchanges may still be on. */
class SimWorker {
  readonly inbox: Channel<ToWorker>;
  readonly outbox: Channel<OutlierReport>;
  readonly cells = new Float64Array(createMetricBuffer());
  readonly generations: (readonly LinkedService[])[] = [];
  private readonly registry: EndpointRegistry;
  private readonly world: HealthWorld;

  constructor(world: HealthWorld, services: readonly ServiceSpec[]) {
    this.world = world;
    const { sim, prng } = world;
    this.inbox = new Channel(sim, prng, (message) => this.take(message));
    this.outbox = new Channel(sim, prng, (report) => world.board.onOutlier(report));
    this.registry = new EndpointRegistry({
      backend: sim,
      cells: this.cells,
      emptyChunk: sim.chunks.acquire(64)!,
      reportInternal: (error) => assert.fail(String(error)),
      reportOutlier: (report) => this.outbox.send(report),
      reportProblem: (message) => assert.fail(message),
    });
    this.publish(services);
    this.registry.applyHealth(world.board.health());
  }

  get current(): readonly LinkedService[] {
    return this.generations.at(-1)!;
  }

  /** The worker ends: its timers do. */
  close(): void {
    this.registry.retain([]);
  }

  /** Sends one request of any generation in use. @returns who served it; null when nobody could */
  request(): Endpoint | null {
    const { prng } = this.world;
    const services = this.generations[prng.integer(0, this.generations.length - 1)]!;
    const service = services[prng.integer(0, services.length - 1)]!;
    const endpoint = service.balancer.pick(NONE_TRIED);
    this.checkChoice(service, endpoint);
    if (endpoint === null) return null;
    const fate = this.world.fate(endpoint.spec.key);
    if (fate === 'dead' || fate === 'hanging') endpoint.outlier.onFault();
    else endpoint.outlier.onAnswer(fate === 'sick' ? 503 : 200, fate === 'slow' ? 200 : 10);
    return endpoint;
  }

  /** What this worker believes about an endpoint of the current generation. */
  state(service: string, key: string): EndpointState {
    const linked = this.current.find(({ spec }) => spec.name === service)!;
    const endpoint = linked.candidates.endpoints.find(({ spec }) => spec.key === key)!;
    if (endpoint.isUp) return endpoint.isDraining ? 'draining' : 'up';
    return endpoint.isDraining ? 'out' : 'down';
  }

  /** Cells say what balancers do. */
  checkCells(): void {
    for (const { spec, candidates } of this.current) {
      const base = serviceBase(spec.metricIndex);
      const available = new Set(candidates.schedule).size;
      assert.equal(this.cells[base + ServiceCell.endpointsAvailable], available);
      assert.equal(this.cells[base + ServiceCell.panic], candidates.isPanic ? 1 : 0);
      for (const endpoint of candidates.endpoints) {
        const isUp = endpoint.isUp && !endpoint.isDraining ? 1 : 0;
        assert.equal(this.cells[endpoint.metricBase + EndpointCell.isUp], isUp);
      }
    }
  }

  /** Nobody who is down or draining is chosen, and somebody is while there is anybody. */
  private checkChoice({ candidates }: LinkedService, chosen: Endpoint | null): void {
    const { endpoints, isPanic } = candidates;
    const known = endpoints.filter((endpoint) => this.isKnown(endpoint));
    if (known.length < endpoints.length) return; // Of an old set, some of it forgotten.
    const present = endpoints.filter((endpoint) => !endpoint.isDraining);
    const up = present.filter((endpoint) => endpoint.isUp);
    if (chosen === null) {
      assert.ok(up.length === 0 && (present.length === 0 || !isPanic), 'nobody was chosen');
      return;
    }
    assert.ok(!chosen.isDraining, 'chose one that drains');
    assert.ok(chosen.isUp || isPanic, 'chose one that is down, without a panic');
  }

  private isKnown(endpoint: Endpoint): boolean {
    return this.current.some(({ candidates }) => candidates.endpoints.includes(endpoint));
  }

  private take(message: ToWorker): void {
    if (message.type === 'health') this.registry.applyHealth(message.endpoints);
    else this.publish(message.services);
  }

  private publish(services: readonly ServiceSpec[]): void {
    const linked = services.map((spec): LinkedService => {
      const endpoints = spec.endpoints.map((endpoint) =>
        this.registry.endpoint(spec, endpoint, TRANSPORT, {} as LimitsSpec),
      );
      const candidates = this.registry.candidates(spec, endpoints);
      const position = this.registry.position(spec);
      return {
        spec,
        candidates,
        balancer: linkBalancer(spec.balance, candidates, this.world.random, position),
      };
    });
    this.registry.retain(services);
    this.generations.push(linked);
    if (this.generations.length > GENERATIONS_MAX) this.generations.shift();
  }
}

const TRANSPORT = { resolveIntervalMs: 1_000 } as TransportSpec;

export class HealthWorld {
  readonly sim: Simulation;
  readonly prng: Prng;
  readonly board: HealthBoard;
  readonly prober: Prober;
  readonly workers: SimWorker[];
  services: readonly ServiceConfig[];
  readonly random = (): number => this.prng.next();
  private readonly fates = new Map<string, Fate>();

  constructor(seed: number, services: readonly ServiceConfig[]) {
    this.sim = new Simulation({ seed });
    this.prng = new Prng(seed);
    this.services = services;
    const clock = {
      nowMs: () => this.sim.nowMs(),
      wallMs: () => this.sim.wallMs(),
      setTimer: (delayMs: number, callback: () => void) => {
        const timer = this.sim.timer(callback);
        timer.set(delayMs);
        return () => timer.clear();
      },
    };
    this.workers = [];
    this.board = new HealthBoard({
      ...clock,
      publish: (endpoints) => {
        for (const { inbox } of this.workers) inbox.send({ type: 'health', endpoints });
      },
      tryConnect: (service, endpoint, done) => this.prober.tryConnect(service, endpoint, done),
      onChange: () => {},
    });
    const run = this.runCheck();
    this.prober = new Prober({
      ...clock,
      random: () => this.prng.next(),
      onCheck: (service, endpoint, result) => this.board.onCheck(service, endpoint, result),
      run: { http: run, tcp: run },
    });
    this.board.configure(services);
    for (let i = 0; i < 2; i++) this.workers.push(new SimWorker(this, services.map(specOf)));
    this.prober.configure(services);
  }

  fate(key: string): Fate {
    return this.fates.get(key) ?? 'well';
  }

  setFate(key: string, fate: Fate): void {
    this.fates.set(key, fate);
  }

  reload(services: readonly ServiceConfig[]): void {
    this.services = services;
    this.board.configure(services);
    const specs = services.map(specOf);
    for (const { inbox } of this.workers) inbox.send({ type: 'publish', services: specs });
    this.prober.configure(services);
  }

  /** A reload that cannot be published. */
  failToReload(services: readonly ServiceConfig[]): void {
    const takeBack = this.board.configure(services);
    this.sim.advanceMs(this.prng.next() * 50);
    takeBack();
  }

  /** A worker dies, another takes its place. */
  replaceWorker(index: number): void {
    this.workers[index]!.close();
    const [old] = this.workers.splice(index, 1);
    assert.ok(old !== undefined);
    this.workers.push(new SimWorker(this, this.services.map(specOf)));
  }

  /** What must hold at any time. */
  check(): void {
    this.checkCeiling();
    for (const worker of this.workers) worker.checkCells();
    if (this.workers.some(({ inbox }) => inbox.pending > 0)) return;
    for (const { service, endpoint, state } of this.board.rows()) {
      for (const worker of this.workers) {
        assert.equal(worker.state(service, endpoint), state, endpointId(service, endpoint));
      }
    }
  }

  private checkCeiling(): void {
    for (const { name, endpoints, outlier } of this.services) {
      const rows = this.board.rows().filter(({ service }) => service === name);
      const ejected = rows.filter(({ reason }) => reason.includes('ejected')).length;
      const share = Math.floor((endpoints.length * outlier.ejectedPercentMax) / 100);
      const most = endpoints.length < 2 ? 0 : Math.max(1, share);
      assert.ok(ejected <= most, `${ejected} of ${endpoints.length} ejected in ${name}`);
    }
  }

  private runCheck(): RunCheck {
    return (target, _config, done) => {
      const timer = this.sim.timer(() => {
        const fate = this.fate(`http://${target.authority}`);
        if (fate === 'hanging') return;
        done(fate === 'dead' || fate === 'misjudged' ? 'connection refused' : '');
      });
      timer.set(this.prng.next() * 20);
      return () => timer.clear();
    };
  }
}

/** As compiling does, for what health needs. */
function specOf(config: ServiceConfig): ServiceSpec {
  const { name, balance, outlier, panicPercent } = config;
  const endpoints = config.endpoints.map((endpoint) => ({
    ...endpoint,
    metricIndex: Number(/\d+$/.exec(endpoint.authority)![0]) + (name === 's0' ? 0 : 100),
  }));
  const metricIndex = name === 's0' ? 0 : 1;
  return { name, balance, outlier, panicPercent, endpoints, metricIndex } as unknown as ServiceSpec;
}
