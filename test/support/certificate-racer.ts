/**
 * One process of several that share a certificate store: gets a certificate for every name it is
 * given, writes a line for each order into a file and a line to its output for each name it has.
 *
 *   node certificate-racer.ts FOLDER ORDERS-FILE NAME...
 */

import { appendFileSync } from 'node:fs';

import { openFileStore } from '../../src/control/certificate/file-store.ts';
import { CertificateManager } from '../../src/control/certificate/manager.ts';
import {
  configWith,
  FakeIssuer,
  FakeTime,
  nodesFor,
} from '../../src/control/certificate/manager-stage.contract.ts';

/** An order takes so long: others come to wait for it. */
const ORDER_MS = 20;

const [folder = '', ordersFile = '', ...names] = process.argv.slice(2);
const setTimer = (delayMs: number, callback: () => void): (() => void) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};
const wallMs = (): number => Date.now();
const random = (): number => Math.random();
const time = new FakeTime();
time.wallOffsetMs = Date.now() - time.nowMs;

const manager = new CertificateManager({
  store: openFileStore({ folder, wallMs, random, setTimer }),
  createIssuer: (config) => {
    const issuer = new FakeIssuer(time, config);
    const issue = issuer.issue.bind(issuer);
    issuer.issue = async (request, context) => {
      appendFileSync(ordersFile, `${process.pid} ${request.names.join(' ')}\n`);
      await new Promise((resolve) => setTimeout(resolve, ORDER_MS));
      return issue(request, context);
    };
    return issuer;
  },
  publish: ({ add }) => {
    for (const entry of add) process.stdout.write(`${entry.names.join(' ')} ${entry.id}\n`);
  },
  publishSecrets: () => {},
  settled: () => {},
  secrets: null,
  onEvent: (event) => {
    if (event.kind === 'failed' || event.kind === 'trouble') console.error(JSON.stringify(event));
  },
  preflight: null,
  nowMs: () => performance.now(),
  wallMs,
  random,
  setTimer,
});
manager.configure(configWith(nodesFor(names)));
await manager.start();
process.on('SIGTERM', () => void manager.close().then(() => process.exit(0)));
