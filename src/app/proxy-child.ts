/**
 * Proxy child: one proxy process as the supervisor sees it.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

import type { SocketHandle } from './bound-socket.ts';
import type { FromProxy, Heritage, SocketAddress, ToProxy } from './orders.ts';

/** A process that does not take a message for so long is not waited for. */
const DELIVERY_MAX_MS = 5_000;

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

export interface ChildStart {
  readonly command: Command;
  readonly env: NodeJS.ProcessEnv;
  readonly heritage: Heritage;
  /** Of the program that made it. */
  readonly heritageVersion: string;
  readonly workers: number;
  readonly restarts: number;
  readonly upgrades: number;
}

/** What the supervisor uses of it. */
export type Child = Pick<ProxyChild, keyof ProxyChild>;

export interface ChildEvents {
  onMessage(child: Child, message: FromProxy): void;
  /** @param end how it ended, for a sentence: `code 1`, `SIGKILL`, or why it could not start */
  onExit(child: Child, end: string, code: number | null): void;
}

export class ProxyChild {
  readonly workers: number;
  readonly command: Command;
  /** What it started with, or said last that a successor should start with. */
  heritage: Heritage;
  heritageVersion: string;
  isReady = false;
  /** It asked for sockets, so it may have accepted connections. */
  hasSockets = false;
  /** Addresses it said it uses; null before that. */
  addresses: readonly SocketAddress[] | null = null;
  private readonly process: ChildProcess;
  private readonly startMs = performance.now();
  private hasEnded = false;

  constructor(start: ChildStart, events: ChildEvents) {
    const { command, env, ...order } = start;
    this.workers = order.workers;
    this.command = command;
    this.heritage = order.heritage;
    this.heritageVersion = order.heritageVersion;
    this.process = spawn(command.file, command.args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      env,
    });
    this.process.on('message', (message) => {
      if (!this.hasEnded) events.onMessage(this, message as FromProxy);
    });
    this.process.on('exit', (code, signal) => {
      this.end(events, signal ?? `code ${code}`, code);
    });
    // Also an order to a process that is ending: then its exit follows.
    this.process.on('error', (error) => {
      if (this.process.pid === undefined) this.end(events, error.message, null);
    });
    this.order({ type: 'start', ...order });
  }

  get livedMs(): number {
    return performance.now() - this.startMs;
  }

  order(message: ToProxy): void {
    if (this.process.connected) this.process.send(message, undefined, undefined, () => {});
  }

  /** Sends a message with a descriptor; resolves when it is on its way, or cannot be. */
  deliver(message: ToProxy, handle: SocketHandle | null): Promise<void> {
    if (!this.process.connected) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, DELIVERY_MAX_MS);
      this.process.send(message, (handle ?? undefined) as never, undefined, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  private end(events: ChildEvents, text: string, code: number | null): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    events.onExit(this, text, code);
  }
}
