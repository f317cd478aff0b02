/**
 * Fuzzes the real binary with mutated traffic in both directions.
 *
 *     npm run fuzz -- [--seconds 600] [--seed 1] [--case N] [--lanes 8]
 *
 * After every batch: a clean request is answered, the proxy has counted no internal error, its
 * process lives, and every request that reached the origin was strictly right. A response that
 * looks complete to the client must be whole by the length and hash it carries. A failed case is
 * printed and can be repeated alone with the same seed and its number.
 */

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { freePorts } from '../support/free-port.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { baseToml, linksToml, startProxy } from '../support/proxy.ts';
import { converse } from '../support/raw-client.ts';
import { readResponses, responseField } from '../support/response-reader.ts';
import type { Subject } from '../support/subject.ts';
import { describeCase, makeCase, runCase } from './fuzz-case.ts';
import { FuzzOrigin } from './fuzz-origin.ts';
import { isWhole } from './self-describing.ts';

const BATCH_SIZE = 64;
const PROGRESS_MS = 10_000;
const FAILURES_MAX = 20;

interface Fuzzer {
  readonly seed: number;
  readonly lanes: number;
  readonly port: number;
  readonly adminPort: number;
  readonly origin: FuzzOrigin;
  readonly subject: Subject;
  passed: number;
  failed: number;
}

function fail(fuzzer: Fuzzer, text: string): void {
  fuzzer.failed++;
  if (fuzzer.failed <= FAILURES_MAX) process.stdout.write(`FAILED ${text}\n`);
}

async function runBatch(fuzzer: Fuzzer, first: number, size: number): Promise<void> {
  let next = first;
  const work = async (): Promise<void> => {
    while (next < first + size) {
      const one = makeCase(fuzzer.seed, next++);
      const wrong = await runCase(fuzzer.port, fuzzer.origin, one);
      if (wrong.length === 0) fuzzer.passed++;
      else fail(fuzzer, `${wrong.join('; ')}\n${describeCase(one)}`);
    }
  };
  await Promise.all(Array.from({ length: fuzzer.lanes }, work));
}

async function probe(fuzzer: Fuzzer, number: number): Promise<string> {
  const target = `/probe-${number}`;
  const { received } = await converse(fuzzer.port, {
    steps: [{ send: Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`) }],
    isEnough: (bytes) => readResponses(bytes, false).responses[0]?.isComplete === true,
    quietMs: 0,
    timeoutMs: 5_000,
  });
  const response = readResponses(received, true).responses[0];
  if (response === undefined) return 'no answer to a clean request';
  const isOwn = responseField(response, 'x-origin-target') === encodeURIComponent(target);
  const isGood = response.status === 200 && isOwn && isWhole(response.body);
  return isGood ? '' : `a clean request got ${response.status}`;
}

/** What must hold between batches. @returns false when the proxy is gone */
async function checkHealth(fuzzer: Fuzzer, first: number, size: number): Promise<boolean> {
  const range = `cases ${first} to ${first + size - 1}, seed ${fuzzer.seed}`;
  const { child } = fuzzer.subject;
  const complaints = fuzzer.origin.takeComplaints();
  if (complaints.length > 0) fail(fuzzer, `${range}: origin: ${complaints.slice(0, 3).join('\n')}`);
  if (child.exit !== null) {
    fail(fuzzer, `${range}: the proxy ended\n${child.output.slice(-2_000)}`);
    return false;
  }
  const problem = await probe(fuzzer, first);
  if (problem !== '') fail(fuzzer, `${range}: ${problem}`);
  const metrics = await readMetrics(fuzzer.adminPort).catch(() => '');
  const errors = metricSum(metrics, 'proxy_now_internal_errors_total');
  if (errors !== 0) fail(fuzzer, `${range}: internal errors counted: ${errors}`);
  if (/uncaught|unhandled|TypeError|starting it again/i.test(child.output)) {
    fail(fuzzer, `${range}: the proxy complained:\n${child.output.slice(-2_000)}`);
    return false;
  }
  return true;
}

async function open(seed: number, lanes: number): Promise<Fuzzer> {
  const origin = new FuzzOrigin();
  await origin.start();
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const links = [{ listenPort: port, originPort: origin.port }];
  const options = {
    admin: `127.0.0.1:${adminPort}`,
    limits: { 'head-timeout': '400ms', 'body-progress-timeout': '400ms' },
    transport: { 'response-head-timeout': '400ms', 'progress-timeout': '400ms' },
  };
  const subject = await startProxy(baseToml(options) + linksToml(links), links);
  return { seed, lanes, port, adminPort, origin, subject, passed: 0, failed: 0 };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      seed: { type: 'string', default: String(randomInt(1, 1_000_000)) },
      case: { type: 'string' },
      lanes: { type: 'string', default: '8' },
    },
  });
  const fuzzer = await open(Number(values.seed), Number(values.lanes));
  process.stdout.write(`seed ${fuzzer.seed}, ${values.seconds} s\n`);
  const started = performance.now();
  const endMs = started + Number(values.seconds) * 1_000;
  let progressAt = started + PROGRESS_MS;
  let first = values.case === undefined ? 0 : Number(values.case);
  const size = values.case === undefined ? BATCH_SIZE : 1;
  try {
    for (;;) {
      await runBatch(fuzzer, first, size);
      const isAlive = await checkHealth(fuzzer, first, size);
      first += size;
      if (!isAlive || values.case !== undefined || performance.now() >= endMs) break;
      if (performance.now() < progressAt) continue;
      progressAt += PROGRESS_MS;
      const seconds = Math.round((performance.now() - started) / 1_000);
      const reached = `${fuzzer.origin.requestCount} requests reached the origin`;
      process.stdout.write(`${seconds} s: ${first} cases, ${reached}, ${fuzzer.failed} failed\n`);
    }
  } finally {
    await fuzzer.subject.stop();
    await fuzzer.origin.close();
  }
  process.stdout.write(`${fuzzer.passed} passed, ${fuzzer.failed} failed\n`);
  process.exitCode = fuzzer.failed === 0 ? 0 : 1;
}

await main();
