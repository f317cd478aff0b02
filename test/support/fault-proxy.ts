/**
 * A TCP proxy that breaks connections on purpose, between proxy and origin or client and proxy.
 *
 * R1  `faults` may be replaced at any time; connections that are open follow at once, except for
 *     `resetEach` and `refuse`, which are decided when a connection is accepted.
 * R2  Without faults every byte, FIN and RST is passed on in order, and a slow reader on one side
 *     pauses the other.
 * R3  Chunks that wait (delay, drip, blackhole) are bounded: past `HELD_MAX` bytes the sender is
 *     paused.
 */

import net from 'node:net';
import { listenLoopback } from './free-port.ts';
import { delay } from './wait.ts';

const HELD_MAX = 1_048_576;

/** What is done to bytes of one direction. Absent: nothing. */
export interface Faults {
  /** Every chunk is this late. */
  readonly delayMs?: number;
  /** No byte is read or forwarded; the connection stays open (a half-open peer). */
  readonly blackhole?: boolean;
  /** Bytes per 20 ms; the rest waits. */
  readonly dripSize?: number;
  /** After so many bytes of this direction on a connection: RST to both sides. */
  readonly resetAfter?: number;
  /** After so many bytes: FIN to the receiver, and nothing more. */
  readonly truncateAfter?: number;
  /** The byte at this offset is sent with its lowest bit turned over. */
  readonly corruptAt?: number;
}

export interface FaultPlan {
  /** From whoever connects to us towards the target. */
  readonly forward?: Faults;
  /** From the target back. */
  readonly backward?: Faults;
  /** Each n-th connection is reset as soon as its first bytes come; 1: every one. */
  readonly resetEach?: number;
  /** Connections are reset when they are accepted. */
  readonly refuse?: boolean;
}

const DRIP_MS = 20;

/** Copies one direction, following the faults of the moment. */
class Direction {
  readonly #from: net.Socket;
  readonly #to: net.Socket;
  readonly #faults: () => Faults;
  readonly #reset: () => void;
  #waiting: Buffer[] = [];
  #waitingSize = 0;
  #isEnding = false;
  #isRunning = false;
  #isCut = false;
  passed = 0;

  constructor(from: net.Socket, to: net.Socket, faults: () => Faults, reset: () => void) {
    this.#from = from;
    this.#to = to;
    this.#faults = faults;
    this.#reset = reset;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => {
      this.#isEnding = true;
      void this.#run();
    });
    to.on('drain', () => from.resume());
  }

  #take(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingSize += bytes.length;
    if (this.#waitingSize > HELD_MAX) this.#from.pause();
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#waiting.length > 0 && !this.#to.destroyed && !this.#isCut) {
      const faults = this.#faults();
      if (faults.blackhole === true) {
        this.#from.pause();
        await delay(DRIP_MS);
        continue;
      }
      if (faults.delayMs !== undefined) await delay(faults.delayMs);
      if (faults.dripSize !== undefined) await delay(DRIP_MS);
      this.#pass(this.#next(faults.dripSize ?? Infinity), this.#faults());
    }
    this.#isRunning = false;
    if (this.#waiting.length === 0 && this.#isEnding && !this.#isCut) this.#to.end();
  }

  #next(sizeMax: number): Buffer {
    const first = this.#waiting[0]!;
    if (first.length <= sizeMax) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(sizeMax);
    const bytes = first.length <= sizeMax ? first : first.subarray(0, sizeMax);
    this.#waitingSize -= bytes.length;
    if (this.#waitingSize <= HELD_MAX) this.#from.resume();
    return bytes;
  }

  #pass(chunk: Buffer, faults: Faults): void {
    if (this.#to.destroyed) return;
    let bytes = chunk;
    const start = this.passed;
    if (faults.corruptAt !== undefined) {
      const at = faults.corruptAt - start;
      if (at >= 0 && at < bytes.length) {
        bytes = Buffer.from(bytes);
        bytes[at]! ^= 1;
      }
    }
    const max = Math.min(faults.resetAfter ?? Infinity, faults.truncateAfter ?? Infinity);
    if (start + bytes.length < max) {
      this.passed += bytes.length;
      if (!this.#to.write(bytes)) this.#from.pause();
      return;
    }
    this.#isCut = true;
    bytes = bytes.subarray(0, Math.max(0, max - start));
    this.passed += bytes.length;
    if (faults.resetAfter === max) this.#to.write(bytes, () => this.#reset());
    else this.#to.end(bytes);
  }
}

function copy(
  from: net.Socket,
  to: net.Socket,
  faults: () => Faults,
  reset: () => void,
): Direction {
  return new Direction(from, to, faults, reset);
}

export class FaultProxy {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #targetPort: number;
  faults: FaultPlan = {};
  /** Connections accepted so far. */
  accepted = 0;
  port = 0;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Listens on `port` of 127.0.0.1, or on a free one. @returns the port */
  async open(port = 0): Promise<number> {
    if (port === 0) this.port = await listenLoopback(this.#server);
    else {
      await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
      this.port = port;
    }
    return this.port;
  }

  /** Resets every open connection. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: net.Socket): void {
    const number = ++this.accepted;
    client.on('error', () => undefined);
    if (this.faults.refuse === true) {
      client.resetAndDestroy();
      return;
    }
    const each = this.faults.resetEach;
    if (each !== undefined && number % each === 0) {
      client.once('data', () => client.resetAndDestroy());
      return;
    }
    this.#join(client);
  }

  #join(client: net.Socket): void {
    const target = net.connect({
      port: this.#targetPort,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    });
    const resetBoth = (): void => {
      client.resetAndDestroy();
      target.resetAndDestroy();
    };
    copy(client, target, () => this.faults.forward ?? {}, resetBoth);
    copy(target, client, () => this.faults.backward ?? {}, resetBoth);
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {
        if (!other.destroyed) other.resetAndDestroy();
      });
      one.on('close', () => {
        this.#sockets.delete(one);
      });
    }
  }
}

/** A fault proxy in front of `targetPort`, closed with the test. */
export async function startFaultProxy(
  lifetime: { after(run: () => unknown): void },
  targetPort: number,
  faults: FaultPlan = {},
): Promise<FaultProxy> {
  const proxy = new FaultProxy(targetPort);
  proxy.faults = faults;
  await proxy.open();
  lifetime.after(() => proxy.close());
  return proxy;
}
