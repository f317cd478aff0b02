import test from 'node:test';
import assert from 'node:assert/strict';
import { judge, judgeAll } from './gates.ts';
import { makeRow } from './row.ts';

const against = (peer: string | null, max: number) =>
  ({ workload: 'a', quantity: 'figure', against: peer, max }) as const;

const rows = [
  makeRow('a', 'nginx', { figure: 20, halfP99Us: 1000 }),
  makeRow('a', 'caddy', { figure: 80, errors: 1 }),
  makeRow('a', 'proxy-now', { figure: 32, halfP99Us: 1600 }),
];

test('gates: the limit itself is met, anything above is missed', () => {
  assert.deepEqual(judge(against('nginx', 1.6), rows).outcome, 'met');
  assert.deepEqual(judge(against('nginx', 1.59), rows).outcome, 'missed');
  assert.equal(judge(against('nginx', 1.6), rows).value, 1.6);
  assert.equal(judge(against(null, 31), rows).outcome, 'missed');
});

test('gates: a counterpart that had errors or is absent leaves a gate not judged', () => {
  assert.equal(judge(against('caddy', 0.4), rows).outcome, 'not judged');
  assert.equal(judge(against('traefik', 0.4), rows).outcome, 'not judged');
});

test('gates: an invalid own row is never a met gate', () => {
  const failed = [rows[0]!, makeRow('a', 'proxy-now', { figure: 1, errors: 7 })];
  assert.equal(judge(against('nginx', 1.6), failed).outcome, 'not judged');
});

test('gates: compares ten thousand routes with one route of the same peer', () => {
  const routed = [
    makeRow('g1', 'proxy-now', { figure: 30 }),
    makeRow('g1', 'nginx', { figure: 10 }),
    makeRow('g10000', 'proxy-now', { figure: 33 }),
  ];
  const verdicts = judgeAll(routed);
  assert.deepEqual(
    verdicts.map((one) => [one.gate.workload, one.outcome]),
    [['g10000', 'missed']],
  );
  assert.ok(Math.abs(verdicts[0]!.value - 1.1) < 1e-9);
});

test('gates: judges latency on latency, and nothing of workloads that did not run', () => {
  const verdicts = judgeAll(rows);
  assert.ok(verdicts.every((one) => one.gate.workload === 'a'));
  const half = verdicts.find((one) => one.gate.quantity === 'halfP99Us');
  assert.equal(half?.outcome, 'missed');
});
