/**
 * Supervisor: owns the listening sockets and the proxy process behind them, and nothing else that
 * matters. Turns signals into orders: SIGTERM and SIGINT drain, a second one aborts, SIGUSR1
 * reopens logs. A proxy process that dies is started again, later and later while it keeps dying.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Config } from '../control/config/config.ts';
import { bindListeners } from './listening-sockets.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { FromProxy, ToProxy } from './orders.ts';
import { workerCount } from './process-limits.ts';

/** Descriptors 0 to 2, then the IPC channel. */
const FIRST_INHERITED_FD = 4;
const RESTART_DELAY_MIN_MS = 100;
const RESTART_DELAY_MAX_MS = 10_000;
/** A signal this soon after another is the same one, sent by a terminal and by npm alike. */
const SIGNAL_ECHO_MS = 200;
/** An aborting process that still lives after this long is stuck, and is killed. */
const ABORT_MAX_MS = 3_000;
/** A process that lived this long was well. */
const STABLE_MS = 10_000;

export interface SupervisorOptions {
  readonly config: Config;
  /** Called with the exit code when everything has ended. */
  readonly onExit: (code: number) => void;
}

export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly workers: number;
  private sockets: ListeningSockets | null = null;
  private child: ChildProcess | null = null;
  private restarts = 0;
  private restartDelayMs = RESTART_DELAY_MIN_MS;
  private startedMs = 0;
  private stopSignals = 0;
  private stopSignalMs = 0;
  private isRefused = false;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.workers = workerCount(options.config.workers);
  }

  /** @throws when an address cannot be bound */
  start(): void {
    const { listeners } = this.options.config;
    this.sockets = bindListeners(listeners, this.workers, FIRST_INHERITED_FD);
    process.on('SIGTERM', () => this.onStopSignal());
    process.on('SIGINT', () => this.onStopSignal());
    process.on('SIGUSR1', () => this.order({ type: 'reopen-logs' }));
    process.on('SIGHUP', () => {}); // A closing terminal must not end a proxy.
    this.spawn();
  }

  private spawn(): void {
    const entry = fileURLToPath(
      new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
    );
    const child = spawn(process.execPath, [...process.execArgv, entry, 'proxy-process'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...this.sockets!.stdio],
      serialization: 'advanced',
    });
    this.child = child;
    this.startedMs = performance.now();
    child.on('message', (message: FromProxy) => {
      if (message.type === 'refused') this.refuse();
    });
    child.on('error', () => {}); // An order to a process that is ending.
    child.on('exit', (code, signal) => this.onChildExit(code, signal));
    this.order({
      type: 'start',
      config: this.options.config,
      workers: this.workers,
      sockets: this.sockets!.inherited,
      restarts: this.restarts,
    });
  }

  private order(message: ToProxy): void {
    if (this.child?.connected === true) this.child.send(message);
  }

  /** Starting again would fail again: the reason has been printed. */
  private refuse(): void {
    this.isRefused = true;
    this.order({ type: 'abort' });
    this.child?.kill('SIGKILL');
  }

  private onStopSignal(): void {
    const nowMs = performance.now();
    const isEcho = this.stopSignals > 0 && nowMs - this.stopSignalMs < SIGNAL_ECHO_MS;
    this.stopSignalMs = nowMs;
    if (isEcho) return;
    this.stopSignals++;
    // First ours, so that the workers' are the last ones: a socket nobody accepts from would
    // queue connections only to reset them.
    this.sockets?.close();
    this.sockets = null;
    if (this.child === null) this.exit(0); // Between two processes.
    else if (this.stopSignals === 1) this.order({ type: 'drain' });
    else this.abort(this.child);
  }

  private abort(child: ChildProcess): void {
    this.order({ type: 'abort' });
    setTimeout(() => child.kill('SIGKILL'), ABORT_MAX_MS);
  }

  private onChildExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.child = null;
    if (this.isRefused) return this.exit(1);
    if (this.stopSignals > 0) return this.exit(code ?? 1);
    const livedMs = performance.now() - this.startedMs;
    if (livedMs > STABLE_MS) this.restartDelayMs = RESTART_DELAY_MIN_MS;
    const delayMs = this.restartDelayMs;
    this.restartDelayMs = Math.min(delayMs * 2, RESTART_DELAY_MAX_MS);
    this.restarts++;
    process.stderr.write(
      `proxy-now: the proxy process ended (${signal ?? `code ${code}`}); ` +
        `starting it again in ${delayMs} ms\n`,
    );
    setTimeout(() => {
      if (this.stopSignals === 0) this.spawn();
    }, delayMs);
  }

  private exit(code: number): void {
    this.sockets?.close();
    this.options.onExit(code);
  }
}
