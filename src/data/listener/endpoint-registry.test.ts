import assert from 'node:assert/strict';
import test from 'node:test';

import type { EndpointState, OutlierReport } from '../../contract/health.ts';
import {
  createMetricBuffer,
  endpointBase,
  EndpointCell,
  serviceBase,
  ServiceCell,
} from '../../contract/metric-layout.ts';
import type { LimitsSpec, ServiceSpec, TransportSpec } from '../../contract/snapshot.ts';
import type { Balancer } from '../balance/balancer.ts';
import { linkBalancer, NONE_TRIED } from '../balance/balancer.ts';
import type { Candidates } from '../balance/candidates.ts';
import { RAMP_STEPS } from '../balance/endpoint.ts';
import type { Timer } from '../io/backend.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { EndpointRegistry } from './endpoint-registry.ts';

const OUTLIER = {
  consecutiveFaultsMax: 3,
  faultPercentMax: 0,
  attemptsMin: 10,
  latencyFactorMax: 0,
  windowMs: 10_000,
  statuses: [],
  ejectionMs: 1_000,
  ejectionMaxMs: 1_000,
  ejectedPercentMax: 50,
};

interface Wanted {
  readonly name?: string;
  readonly weights?: readonly number[];
  readonly panicPercent?: number;
  readonly latencyFactorMax?: number;
}

function service(keys: readonly string[], wanted: Wanted = {}): ServiceSpec {
  const { name = 's', weights = [], panicPercent = 0, latencyFactorMax = 0 } = wanted;
  const endpoints = keys.map((key, index) => ({
    key,
    kind: 'tcp',
    host: '10.0.0.1',
    port: 80,
    authority: key,
    weight: weights[index] ?? 1,
    metricIndex: key.charCodeAt(0) - 97,
  }));
  const outlier = { ...OUTLIER, latencyFactorMax };
  return { name, endpoints, panicPercent, outlier, metricIndex: 0 } as unknown as ServiceSpec;
}

/** A registry on a simulated clock, and what linking does with it. */
function open() {
  const sim = new Simulation({ seed: 1 });
  const timers: Timer[] = [];
  const timer = sim.timer.bind(sim);
  sim.timer = (onTimer) => {
    timers.push(timer(onTimer));
    return timers.at(-1)!;
  };
  const cells = new Float64Array(createMetricBuffer());
  const reports: OutlierReport[] = [];
  const registry = new EndpointRegistry({
    backend: sim,
    cells,
    emptyChunk: sim.chunks.acquire(64)!,
    reportInternal: (error) => {
      throw error;
    },
    reportOutlier: (report) => reports.push(report),
    reportProblem: (message) => assert.fail(message),
  });
  const transport = { resolveIntervalMs: 1_000 } as TransportSpec;
  /** Links a generation that has these services only. */
  const publish = (...services: ServiceSpec[]): Candidates[] => {
    const linked = services.map((spec) => {
      const endpoints = spec.endpoints.map((endpoint) =>
        registry.endpoint(spec, endpoint, transport, {} as LimitsSpec),
      );
      return registry.candidates(spec, endpoints);
    });
    registry.retain(services);
    return linked;
  };
  const say = (endpoint: string, state: EndpointState, slowStartMs = 0): void =>
    registry.applyHealth([{ service: 's', endpoint, state, slowStartMs }]);
  const chooser = (spec: ServiceSpec, candidates: Candidates): Balancer =>
    linkBalancer('round-robin', candidates, () => 0, registry.position(spec));
  const armedCount = (): number => timers.filter(({ isSet }) => isSet).length;
  return { sim, cells, registry, reports, publish, say, chooser, armedCount };
}

function names(candidates: Candidates): string[] {
  return [...new Set(candidates.schedule.map((endpoint) => endpoint.spec.key))];
}

test('registry: health holds for endpoints that are there, and for those that come later', () => {
  const { registry, publish, say } = open();
  say('b', 'down');
  say('c', 'out');
  const [first] = publish(service(['a', 'b']));
  assert.deepEqual(names(first!), ['a']);
  say('a', 'down');
  say('b', 'up');
  assert.deepEqual(names(first!), ['b']);
  registry.applyHealth([
    { service: 'elsewhere', endpoint: 'b', state: 'down', slowStartMs: 0 },
    { service: 's', endpoint: 'nobody', state: 'down', slowStartMs: 0 },
  ]);
  assert.deepEqual(names(first!), ['b']);
});

test('registry: generations with the same endpoints share their candidates', () => {
  const { publish, say } = open();
  const [before] = publish(service(['a', 'b']));
  say('a', 'down');
  const [after] = publish(service(['a', 'b'], { weights: [1, 5], panicPercent: 60 }));
  assert.equal(after, before);
  assert.equal(after!.isPanic, true, 'the new threshold holds');
  assert.equal(after!.schedule.length, 6, 'and the new weights');
});

test('registry: an older generation with other endpoints follows health too', () => {
  const { publish, say } = open();
  const [before] = publish(service(['a', 'b', 'x']));
  const [after] = publish(service(['b', 'a', 'c']));
  assert.notEqual(after, before);
  say('b', 'down');
  assert.deepEqual(names(before!), ['a', 'x']);
  assert.deepEqual(names(after!), ['a', 'c']);
});

test('registry: forgets health of endpoints that are gone', () => {
  const { publish, say } = open();
  publish(service(['a', 'b']));
  say('b', 'down');
  publish(service(['a']));
  const [again] = publish(service(['a', 'b']));
  assert.deepEqual(names(again!), ['a', 'b']);
});

test('registry: the turn of round-robin survives health and reloads', () => {
  const { publish, say, chooser } = open();
  const spec = service(['a', 'b', 'c']);
  const [candidates] = publish(spec);
  const balancer = chooser(spec, candidates!);
  assert.equal(balancer.pick(NONE_TRIED)!.spec.key, 'a');
  say('c', 'down');
  assert.equal(balancer.pick(NONE_TRIED)!.spec.key, 'b');
  const [next] = publish(spec);
  assert.equal(chooser(spec, next!).pick(NONE_TRIED)!.spec.key, 'a');
});

test('registry: a slow start takes ten steps and leaves no timer', () => {
  const { sim, publish, say, armedCount } = open();
  const [candidates] = publish(service(['a', 'b']));
  const [a] = candidates!.endpoints;
  say('a', 'down');
  say('a', 'up', 10_000);
  const share = (): number => {
    const places = candidates!.schedule.filter((endpoint) => endpoint === a).length;
    return places / (candidates!.schedule.length - places);
  };
  assert.equal(share(), 0.1);
  sim.advanceMs(1_990);
  assert.equal(share(), 0.1);
  for (let step = 2; step <= RAMP_STEPS; step++) {
    sim.advanceMs(step === 2 ? 60 : 1_000);
    assert.equal(share(), step / 10);
  }
  assert.equal(armedCount(), 0);
});

test('registry: going down ends a slow start; so does going away', () => {
  const { publish, say, armedCount } = open();
  const [candidates] = publish(service(['a', 'b']));
  const [a] = candidates!.endpoints;
  say('a', 'up', 10_000);
  assert.equal(a!.rampStep, 1);
  say('a', 'down');
  assert.equal(a!.rampStep, RAMP_STEPS);
  say('a', 'up', 10_000);
  publish(service(['b']));
  assert.equal(armedCount(), 0);
});

test('registry: counts who is up, how many may be chosen, and the panic', () => {
  const { cells, publish, say } = open();
  publish(service(['a', 'b', 'c'], { panicPercent: 50 }));
  const read = (): number[] => [
    ...[0, 1, 2].map((index) => cells[endpointBase(index) + EndpointCell.isUp]!),
    cells[serviceBase(0) + ServiceCell.endpointsAvailable]!,
    cells[serviceBase(0) + ServiceCell.panic]!,
  ];
  assert.deepEqual(read(), [1, 1, 1, 3, 0]);
  say('a', 'down');
  assert.deepEqual(read(), [0, 1, 1, 2, 0]);
  say('b', 'down');
  assert.deepEqual(read(), [0, 0, 1, 3, 1]);
  say('c', 'draining');
  assert.deepEqual(read(), [0, 0, 0, 2, 1]);
  say('a', 'up');
  assert.deepEqual(read(), [1, 0, 0, 1, 0]);
});

test('registry: reports outliers by name, and none of an endpoint that is down', () => {
  const { publish, say, reports } = open();
  const [candidates] = publish(service(['a', 'b']));
  const [a] = candidates!.endpoints;
  for (let i = 0; i < 3; i++) a!.outlier.onFault();
  assert.deepEqual(reports, [{ service: 's', endpoint: 'a', cause: 'consecutive-faults' }]);
  say('a', 'down');
  for (let i = 0; i < 30; i++) a!.outlier.onFault();
  say('a', 'up');
  for (let i = 0; i < 2; i++) a!.outlier.onFault();
  assert.equal(reports.length, 1);
  a!.outlier.onFault();
  assert.equal(reports.length, 2);
});

test('registry: compares latencies each second, only while a service asks for it', () => {
  const { sim, publish, reports, armedCount } = open();
  publish(service(['a', 'b']));
  assert.equal(armedCount(), 0);
  const [candidates] = publish(service(['a', 'b'], { latencyFactorMax: 3 }));
  const [a, b] = candidates!.endpoints;
  for (let i = 0; i < 10; i++) {
    a!.outlier.onAnswer(200, 20);
    b!.outlier.onAnswer(200, 100);
  }
  sim.advanceMs(1_050);
  assert.deepEqual(reports, [{ service: 's', endpoint: 'b', cause: 'latency' }]);
  publish(service(['a', 'b']));
  sim.advanceMs(2_100);
  assert.equal(armedCount(), 0);
});
