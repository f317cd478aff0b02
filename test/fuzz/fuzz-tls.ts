/**
 * Fuzzes what comes before the handshake: mutated ClientHellos and PROXY headers against the real
 * binary, beside what clients of other protocols send.
 *
 *     node test/fuzz/fuzz-tls.ts [--seconds 600] [--seed 1] [--case N] [--lanes 8]
 *
 * A case is right when the proxy answers with nothing, with a TLS record, or with the one answer it
 * has for plain HTTP. After every batch: a clean request is answered on each port, the proxy has
 * counted no internal error and no handshake in progress, and its process lives.
 */

import { randomInt } from 'node:crypto';
import tls from 'node:tls';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { freePorts, listenLoopback } from '../support/free-port.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { createPrng } from '../support/prng.ts';
import type { Prng } from '../support/prng.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { converse } from '../support/raw-client.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { fetchTls } from '../support/tls-fetch.ts';
import { until } from '../support/wait.ts';
import { mutate, randomCuts } from './mutate.ts';

const BATCH_SIZE = 64;
const PROGRESS_MS = 10_000;
const FAILURES_MAX = 20;
const HANDSHAKE_MS = 400;
const NAME = 'a.test';

const V1 = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n');
const V2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
  Buffer.from([
    0x21, 0x11, 0, 19, 192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 1, 187, 4, 0, 4, 1, 2, 3, 4,
  ]),
]);

interface TlsCase {
  readonly isProxied: boolean;
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
  readonly ends: 'stay' | 'fin' | 'reset';
}

/** First flights of a real client, as it sends them. */
async function recordHellos(): Promise<Buffer[]> {
  const hellos: Buffer[] = [];
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      hellos.push(Buffer.from(bytes));
      socket.destroy();
    });
  });
  const port = await listenLoopback(server);
  const clients: tls.ConnectionOptions[] = [
    { servername: NAME, ALPNProtocols: ['http/1.1'] },
    { servername: NAME, ALPNProtocols: ['acme-tls/1'], ecdhCurve: 'X25519' },
    { servername: NAME, maxVersion: 'TLSv1.2' },
    { servername: 'unknown.test', ecdhCurve: 'P-256' },
    { host: '127.0.0.1', ecdhCurve: 'X25519' },
  ];
  for (const [index, options] of clients.entries()) {
    tls.connect({ host: '127.0.0.1', ...options, port }).on('error', () => {});
    await until(() => hellos.length > index, 'a recorded hello');
  }
  server.close();
  return hellos;
}

/** One hello in several records. */
function inRecords(hello: Buffer, random: Prng): Buffer {
  const message = hello.subarray(5);
  const size = 1 + random.below(message.length);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}

function makeCase(seed: number, number: number, hellos: readonly Buffer[]): TlsCase {
  const random = createPrng((Math.imul(seed, 2_654_435_761) ^ Math.imul(number, 40_503)) >>> 0);
  const pick = (): Buffer => {
    const hello = random.pick(hellos);
    return random.below(3) === 0 ? inRecords(hello, random) : hello;
  };
  const isProxied = random.below(3) === 0;
  const head = random.pick([V1, V2]);
  const hello = random.below(4) === 0 ? pick() : mutate(pick(), pick(), random);
  const proxied = Buffer.concat([random.below(2) === 0 ? head : mutate(head, V2, random), hello]);
  const bytes = isProxied ? proxied : hello;
  const ends = random.pick(['stay', 'stay', 'fin', 'reset'] as const);
  return { isProxied, bytes, cuts: randomCuts(bytes.length, random), ends };
}

/** @returns what went wrong; empty when nothing did */
async function runCase(port: number, one: TlsCase): Promise<string> {
  const end = one.ends === 'stay' ? [] : [{ end: one.ends }];
  const { received } = await converse(port, {
    steps: [{ send: one.bytes }, ...end],
    cuts: one.cuts,
    isEnough: (bytes) => one.ends === 'reset' || bytes.length > 0,
    quietMs: 5,
    timeoutMs: 2 * HANDSHAKE_MS,
  });
  if (received.length === 0) return '';
  const isRecord = received[0]! >= 20 && received[0]! <= 23 && received[1] === 3;
  const isPlain = received.toString('latin1', 0, 25) === 'HTTP/1.1 400 Bad Request\r';
  return isRecord || isPlain ? '' : `the answer is ${received.subarray(0, 40).toString('hex')}`;
}

class TlsFuzzer {
  readonly #seed: number;
  readonly #lanes: number;
  readonly #hellos: readonly Buffer[];
  readonly #ports: readonly number[];
  readonly #subject: Awaited<ReturnType<typeof startProxy>>;
  passed = 0;
  failed = 0;

  private constructor(
    [seed, lanes]: readonly [number, number],
    hellos: readonly Buffer[],
    ports: readonly number[],
    subject: Awaited<ReturnType<typeof startProxy>>,
  ) {
    this.#seed = seed;
    this.#lanes = lanes;
    this.#hellos = hellos;
    this.#ports = ports;
    this.#subject = subject;
  }

  static async open(seed: number, lanes: number): Promise<TlsFuzzer> {
    const ports = await freePorts(3);
    const [secure, proxied, admin] = ports as [number, number, number];
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.issue([NAME]);
    const toml =
      baseToml({ admin: `127.0.0.1:${admin}` }) +
      `[tls.default]\nhandshake-timeout = "${HANDSHAKE_MS}ms"\n\n` +
      listenerToml('secure', secure, '') +
      listenerToml('proxied', proxied, 'proxy-protocol = { trusted = ["127.0.0.1"] }\n') +
      `[certificates.a]\ncert = '''${cert}'''\nkey = '''${key}'''\n\n` +
      `[routes.a]\nhost = "${NAME}"\nservice = "s"\n\n` +
      `[services.s]\nendpoints = ["http://127.0.0.1:1"]\n`;
    const links = [secure, proxied].map((listenPort) => ({ listenPort, originPort: 1 }));
    const hellos = await recordHellos();
    return new TlsFuzzer([seed, lanes], hellos, ports, await startProxy(toml, links));
  }

  async runBatch(first: number, size: number): Promise<void> {
    let next = first;
    const work = async (): Promise<void> => {
      while (next < first + size) {
        const number = next++;
        const one = makeCase(this.#seed, number, this.#hellos);
        const wrong = await runCase(this.#ports[one.isProxied ? 1 : 0]!, one);
        if (wrong === '') this.passed++;
        else this.#fail(`case ${number}: ${wrong}\n  sent ${one.bytes.toString('hex')}`);
      }
    };
    await Promise.all(Array.from({ length: this.#lanes }, work));
  }

  /** What must hold between batches. @returns false when the proxy is gone */
  async check(first: number, size: number): Promise<boolean> {
    const range = `cases ${first} to ${first + size - 1}, seed ${this.#seed}`;
    const { child } = this.#subject;
    if (
      child.exit !== null ||
      /uncaught|unhandled|TypeError|starting it again/i.test(child.output)
    ) {
      this.#fail(`${range}: the proxy complained or ended\n${child.output.slice(-2_000)}`);
      return false;
    }
    for (const [index, port] of this.#ports.slice(0, 2).entries()) {
      const problem = await probe(port, index === 1);
      if (problem !== '') this.#fail(`${range}: port ${index}: ${problem}`);
    }
    const admin = this.#ports[2]!;
    const errors = metricSum(await readMetrics(admin), 'proxy_now_internal_errors_total');
    if (errors !== 0) this.#fail(`${range}: internal errors counted: ${errors}`);
    const isIdle = async (): Promise<boolean> =>
      metricSum(await readMetrics(admin), 'proxy_now_tls_handshakes_in_progress') === 0;
    await until(isIdle, 'no handshake in progress').catch((error: unknown) =>
      this.#fail(`${range}: ${String(error)}`),
    );
    return true;
  }

  async close(): Promise<void> {
    await this.#subject.stop();
  }

  #fail(text: string): void {
    this.failed++;
    if (this.failed <= FAILURES_MAX) process.stdout.write(`FAILED ${text}\n`);
  }
}

function listenerToml(name: string, port: number, more: string): string {
  return `[listeners.${name}]\naddress = "127.0.0.1:${port}"\ntls = "default"\n${more}\n`;
}

/** A clean request. Its endpoint refuses connections: 502 is the answer. */
async function probe(port: number, isProxied: boolean): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  if (isProxied) socket.write(V1);
  const answer = await fetchTls({ port, servername: NAME, ...(isProxied ? { socket } : {}) }).catch(
    (error: unknown) => String(error),
  );
  socket.destroy();
  if (typeof answer === 'string') return answer;
  return answer.statuses[0] === 502 ? '' : `a clean request got ${answer.text}`;
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
  const fuzzer = await TlsFuzzer.open(Number(values.seed), Number(values.lanes));
  process.stdout.write(`seed ${values.seed}, ${values.seconds} s\n`);
  const started = performance.now();
  const endMs = started + Number(values.seconds) * 1_000;
  let progressAt = started + PROGRESS_MS;
  let first = Number(values.case ?? '0');
  const size = values.case === undefined ? BATCH_SIZE : 1;
  try {
    for (;;) {
      await fuzzer.runBatch(first, size);
      const isAlive = await fuzzer.check(first, size);
      first += size;
      if (!isAlive || values.case !== undefined || performance.now() >= endMs) break;
      if (performance.now() < progressAt) continue;
      progressAt += PROGRESS_MS;
      const seconds = Math.round((performance.now() - started) / 1_000);
      process.stdout.write(`${seconds} s: ${first} cases, ${fuzzer.failed} failed\n`);
    }
  } finally {
    await fuzzer.close();
  }
  process.stdout.write(`${fuzzer.passed} passed, ${fuzzer.failed} failed\n`);
  process.exitCode = fuzzer.failed === 0 ? 0 : 1;
}

await main();
