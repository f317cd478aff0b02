import test from 'node:test';
import assert from 'node:assert/strict';
import { WorkerCell } from '../../contract/metric-layout.ts';
import type { ServerTlsOptions } from '../io/backend.ts';
import { SimServerContext } from '../io/sim/sim-tls.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { certificate, linkedPolicy, metricCells, tlsState } from './tls-fixtures.contract.ts';
import { WorkerTls } from './worker-tls.ts';

const CLIENT = { localAddress: '192.0.2.1' };
const policy = linkedPolicy();

function setup(workerCount = 1): {
  readonly worker: WorkerTls;
  readonly cells: Float64Array;
  readonly built: ServerTlsOptions[];
  readonly wanted: string[];
} {
  const sim = new Simulation({ seed: 1, wallStartMs: 1_500 });
  const built: ServerTlsOptions[] = [];
  const wanted: string[] = [];
  sim.serverTls = (options) => {
    built.push(options);
    return new SimServerContext(options);
  };
  const cells = metricCells();
  const worker = new WorkerTls({
    backend: sim,
    cells,
    workerCount,
    state: tlsState({ certificates: [certificate('a', ['a.test'])] }),
    report: () => {},
    wantCertificate: (name, address) => void wanted.push(`${name} ${address}`),
    reportInternal: () => {},
  });
  return { worker, cells, built, wanted };
}

test('worker-tls: a certificate that comes anew is built anew', () => {
  const { worker, cells, built } = setup();
  const first = worker.contextFor(policy, worker.choiceFor(policy, 'a.test', CLIENT)!);
  assert.equal(worker.contextFor(policy, worker.choiceFor(policy, 'a.test', CLIENT)!), first);
  const ocsp = new Uint8Array(5);
  worker.updateCertificates({ add: [certificate('a', ['a.test'], { ocsp })], remove: [] });
  const second = worker.contextFor(policy, worker.choiceFor(policy, 'a.test', CLIENT)!);
  assert.notEqual(second, first);
  assert.equal(built.at(-1)!.ocsp, ocsp);
  assert.equal(cells[WorkerCell.certificates], 1);
  worker.updateCertificates({ add: [], remove: ['a'] });
  assert.equal(cells[WorkerCell.certificates], 0);
  assert.equal(cells[WorkerCell.tlsContexts], 0);
  assert.equal(worker.choiceFor(policy, 'a.test', CLIENT), null);
});

test('worker-tls: a name that is settled without a certificate is refused for a while', () => {
  const { worker, wanted } = setup();
  const settled: string[] = [];
  const waiter = (name: string): { onSettled(): void } => ({
    onSettled: () => void settled.push(name),
  });
  worker.waiting.wait('b.test', '192.0.2.1', waiter('b.test'));
  worker.waiting.wait('c.test', '192.0.2.2', waiter('c.test'));
  assert.deepEqual(wanted, ['b.test 192.0.2.1', 'c.test 192.0.2.2']);
  worker.settleCertificate('b.test');
  worker.updateCertificates({ add: [certificate('c', ['c.test'])], remove: [] });
  worker.settleCertificate('c.test');
  assert.deepEqual(settled, ['b.test', 'c.test']);
  assert.equal(worker.waiting.wait('b.test', '', waiter('')), false);
  assert.equal(worker.waiting.wait('c.test', '', waiter('')), true);
});

test('worker-tls: the limit of handshakes is shared by the workers', () => {
  const allowed = (workerCount: number): number => {
    const { worker } = setup(workerCount);
    let count = 0;
    for (let i = 0; i < 200; i++) if (worker.allowsHandshake('192.0.2.1', 100)) count++;
    return count;
  };
  assert.equal(allowed(1), 100);
  assert.equal(allowed(4), 40);
  const { worker } = setup();
  for (let i = 0; i < 1_000; i++) assert.equal(worker.allowsHandshake('192.0.2.1', 0), true);
});
