/**
 * Service manager: tells systemd how the proxy is (sd_notify(3)): ready, reloading, stopping, a
 * sentence of status, and that it is alive.
 *
 * Node has no unix datagram sockets, so each message is one run of `systemd-notify`, which comes
 * with systemd. Messages keep their order: one run at a time. Nothing happens without
 * NOTIFY_SOCKET.
 */

import { spawn } from 'node:child_process';

const PROGRAM = 'systemd-notify';
/** A run that takes longer is given up. */
const RUN_MAX_MS = 5_000;
/** Beyond this a service manager that does not answer loses messages, not we memory. */
const QUEUE_MAX = 16;

export interface ServiceWorld {
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  /** Monotonic, microseconds. */
  readonly nowUs: () => bigint;
  /** Sends `NAME=value` assignments; calls `done` with a problem or null. */
  readonly notify: (assignments: readonly string[], done: (problem: string | null) => void) => void;
  readonly onProblem: (text: string) => void;
}

const WORLD: ServiceWorld = {
  env: process.env,
  pid: process.pid,
  nowUs: () => process.hrtime.bigint() / 1_000n,
  notify: runProgram,
  onProblem: (text) => void process.stderr.write(`proxy-now: ${text}\n`),
};

export class ServiceManager {
  private readonly world: ServiceWorld;
  private readonly isOn: boolean;
  /** 0: nobody watches. */
  private readonly watchdogUs: bigint;
  private readonly queue: (readonly string[])[] = [];
  private isBusy = false;
  private hasComplained = false;
  private lastBeatUs = 0n;

  constructor(world: ServiceWorld = WORLD) {
    this.world = world;
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = world.env;
    this.isOn = NOTIFY_SOCKET !== undefined && NOTIFY_SOCKET !== '';
    const isWatched = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === world.pid;
    const isNumber = /^\d{1,15}$/.test(WATCHDOG_USEC ?? '');
    this.watchdogUs = isWatched && isNumber ? BigInt(WATCHDOG_USEC!) : 0n;
  }

  /** Serves; also the end of a reload. */
  ready(status: string): void {
    this.send(['READY=1', `STATUS=${status}`]);
  }

  reloading(): void {
    this.send(['RELOADING=1', `MONOTONIC_USEC=${this.world.nowUs()}`, 'STATUS=reloading']);
  }

  /** @param maxMs how long stopping may take */
  stopping(maxMs: number): void {
    this.send(['STOPPING=1', `EXTEND_TIMEOUT_USEC=${maxMs * 1_000}`, 'STATUS=draining']);
  }

  status(text: string): void {
    this.send([`STATUS=${text}`]);
  }

  /** The proxy is alive; told on when half of what the watchdog allows has passed. */
  alive(): void {
    if (this.watchdogUs === 0n) return;
    const nowUs = this.world.nowUs();
    if (this.lastBeatUs !== 0n && nowUs - this.lastBeatUs < this.watchdogUs / 2n) return;
    this.lastBeatUs = nowUs;
    this.send(['WATCHDOG=1']);
  }

  private send(assignments: readonly string[]): void {
    if (!this.isOn || this.queue.length >= QUEUE_MAX) return;
    this.queue.push(assignments);
    if (!this.isBusy) this.next();
  }

  private next(): void {
    const assignments = this.queue.shift();
    this.isBusy = assignments !== undefined;
    if (assignments === undefined) return;
    this.world.notify(assignments, (problem) => {
      if (problem !== null && !this.hasComplained) {
        this.hasComplained = true;
        this.world.onProblem(`the service manager cannot be told anything: ${problem}`);
      }
      this.next();
    });
  }
}

function runProgram(assignments: readonly string[], done: (problem: string | null) => void): void {
  let isDone = false;
  const end = (problem: string | null): void => {
    if (isDone) return;
    isDone = true;
    done(problem);
  };
  const child = spawn(PROGRAM, assignments, {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: RUN_MAX_MS,
  });
  child.on('error', (error) => end(`${PROGRAM}: ${error.message}`));
  child.on('exit', (code, signal) => {
    end(code === 0 ? null : `${PROGRAM} ended with ${signal ?? `code ${code}`}`);
  });
}
