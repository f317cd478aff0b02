/**
 * Certificates that are swapped and configurations that are reloaded under TLS load: what clients
 * see of it.
 *
 *   node test/tls/swap-under-load.ts                 20 s, a change every 400 ms, table
 *   node test/tls/swap-under-load.ts --seconds 60 --json
 *
 * Half of the clients make a full handshake for each request, the others keep their connections.
 * Every certificate that is shown must be one that was written. Exit code 1 when a handshake fails,
 * a kept connection is closed, or a change is not served within two seconds.
 */

import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { parseArgs } from 'node:util';
import { endOnSignals } from '../support/child.ts';
import { HOST, TlsStage } from '../support/tls-stage.ts';
import { delay, until } from '../support/wait.ts';

export interface SwapResult {
  readonly seconds: number;
  readonly swaps: number;
  readonly reloads: number;
  readonly handshakes: number;
  readonly requestsOnKept: number;
  readonly failures: readonly string[];
  readonly certificatesSeen: number;
  /** From the change of the file to the first handshake with it, longest. */
  readonly slowestSwapMs: number;
}

const SHORT_LANES = 3;
const KEPT_LANES = 8;
const KEPT_PAUSE_MS = 20;
const SWAP_MS_MAX = 2_000;

class Clients {
  readonly failures: string[] = [];
  readonly seen = new Set<string>();
  readonly known = new Set<string>();
  handshakes = 0;
  requestsOnKept = 0;
  #isRunning = true;
  readonly #stage: TlsStage;

  constructor(stage: TlsStage) {
    this.#stage = stage;
  }

  run(): Promise<unknown> {
    const short = Array.from({ length: SHORT_LANES }, () => this.#short());
    const kept = Array.from({ length: KEPT_LANES }, () => this.#kept());
    return Promise.all([...short, ...kept]);
  }

  stop(): void {
    this.#isRunning = false;
  }

  /** The serial number that is shown now. */
  async serial(): Promise<string> {
    const socket = await this.#open();
    const serial = socket.getPeerX509Certificate()!.serialNumber;
    socket.destroy();
    return serial;
  }

  async #short(): Promise<void> {
    while (this.#isRunning) {
      try {
        const socket = await this.#open();
        this.handshakes++;
        const serial = socket.getPeerX509Certificate()!.serialNumber;
        this.seen.add(serial);
        if (!this.known.has(serial)) this.failures.push(`unknown certificate ${serial}`);
        await ask(socket);
        socket.destroy();
      } catch (error) {
        this.failures.push(`handshake: ${String(error)}`);
      }
    }
  }

  async #kept(): Promise<void> {
    try {
      const socket = await this.#open();
      while (this.#isRunning) {
        await ask(socket);
        this.requestsOnKept++;
        await delay(KEPT_PAUSE_MS);
      }
      socket.destroy();
    } catch (error) {
      this.failures.push(`kept connection: ${String(error)}`);
    }
  }

  #open(): Promise<tls.TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: this.#stage.port,
        servername: HOST,
        ca: this.#stage.authority.pem,
      });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.removeListener('error', reject);
        resolve(socket);
      });
      socket.setTimeout(5_000, () => socket.destroy(new Error('silent')));
    });
  }
}

/** One request on an open connection. */
function ask(socket: tls.TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('closed'));
    const onError = (error: Error): void => reject(error);
    socket.once('close', onClose);
    socket.once('error', onError);
    socket.once('data', (bytes: Buffer) => {
      socket.removeListener('close', onClose);
      socket.removeListener('error', onError);
      const status = bytes.subarray(0, 12).toString('latin1');
      if (status === 'HTTP/1.1 200') resolve();
      else reject(new Error(status));
    });
    socket.write(`GET / HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`);
  });
}

/** Changes things for `seconds` and says what clients saw. */
export async function swapUnderLoad(seconds: number, everyMs: number): Promise<SwapResult> {
  const stage = await TlsStage.open({ workers: 2 });
  const clients = new Clients(stage);
  const writtenSerial = (): string => {
    const pem = fs.readFileSync(path.join(stage.folder, 'site.pem'));
    return new X509Certificate(pem).serialNumber;
  };
  try {
    clients.known.add(writtenSerial());
    const running = clients.run();
    const endMs = performance.now() + seconds * 1_000;
    let swaps = 0;
    let reloads = 0;
    let slowestSwapMs = 0;
    while (performance.now() < endMs) {
      if ((swaps + reloads) % 2 === 0) {
        // Clients may see it before we do, so it is known before it is in place.
        await stage.authority.write(stage.folder, 'site', [HOST], (pem) =>
          clients.known.add(new X509Certificate(pem).serialNumber),
        );
        const serial = writtenSerial();
        const writtenMs = performance.now();
        await until(async () => (await clients.serial()) === serial, 'the new certificate', 10_000);
        slowestSwapMs = Math.max(slowestSwapMs, Math.round(performance.now() - writtenMs));
        swaps++;
      } else {
        stage.write(
          `[routes.more]\nhost = "${HOST}"\npath = "/${reloads}/*"\nservice = "origin"\n`,
        );
        reloads++;
      }
      await delay(everyMs);
    }
    clients.stop();
    await running;
    const { failures, handshakes, requestsOnKept, seen } = clients;
    const certificatesSeen = seen.size;
    const counts = { seconds, swaps, reloads, handshakes, requestsOnKept };
    return { ...counts, failures, certificatesSeen, slowestSwapMs };
  } finally {
    clients.stop();
    await stage.close();
  }
}

export function isGood(result: SwapResult): boolean {
  return result.failures.length === 0 && result.swaps > 0 && result.slowestSwapMs <= SWAP_MS_MAX;
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '20' },
      every: { type: 'string', default: '400' },
    },
  });
  const result = await swapUnderLoad(Number(values.seconds), Number(values.every));
  if (values.json) console.log(JSON.stringify(result, null, 2));
  else {
    const { failures, ...counts } = result;
    for (const [name, count] of Object.entries(counts)) console.log(`${name.padEnd(18)}${count}`);
    console.log(`failures          ${failures.length} ${failures.slice(0, 5).join('; ')}`);
  }
  if (!isGood(result)) process.exitCode = 1;
}

if (import.meta.main) await main();
