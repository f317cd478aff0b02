/**
 * Starts the real Proxy Now binary with a configuration written for the test.
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { portsOpen, scratchDirectory, subjectOf, type Link, type Subject } from './subject.ts';

/** The launcher under test; `PROXY_NOW_BINARY` names another one, such as an installed package. */
export const PROXY_BINARY =
  process.env['PROXY_NOW_BINARY'] ?? fileURLToPath(new URL('../../bin/proxy-now', import.meta.url));

/** What proxies of a test keep and bind lies in a folder of its own, not in the user's. */
const PRIVATE_FOLDER = scratchDirectory();
process.env['XDG_STATE_HOME'] = PRIVATE_FOLDER;
process.env['XDG_RUNTIME_DIR'] = PRIVATE_FOLDER;
process.env['XDG_DATA_HOME'] = PRIVATE_FOLDER;
process.on('exit', () => fs.rmSync(PRIVATE_FOLDER, { recursive: true, force: true }));

export function proxyExists(): boolean {
  return fs.existsSync(PROXY_BINARY);
}

/** Small timeouts, so that every test of one ends soon. Durations of the `[limits]` table. */
export const TEST_TIMEOUTS = {
  headTimeoutMs: 1_500,
  bodyProgressTimeoutMs: 1_500,
  responseHeadTimeoutMs: 1_500,
  progressTimeoutMs: 1_500,
};

export interface ProxyOptions {
  readonly drainTimeout?: string;
  /** `off`, or an address such as `127.0.0.1:9901`. */
  readonly admin?: string;
  /** Lines of `[limits]` that replace or extend the small timeouts. */
  readonly limits?: Readonly<Record<string, string | number>>;
  readonly transport?: Readonly<Record<string, string | number>>;
}

function lines(table: Readonly<Record<string, string | number>>): string {
  return Object.entries(table)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('');
}

/** The part of a test configuration that does not name listeners, routes or services. */
export function baseToml(options: ProxyOptions = {}): string {
  const limits = {
    'head-timeout': `${TEST_TIMEOUTS.headTimeoutMs}ms`,
    'body-progress-timeout': `${TEST_TIMEOUTS.bodyProgressTimeoutMs}ms`,
    ...options.limits,
  };
  const transport = {
    'connect-timeout': '1s',
    'response-head-timeout': `${TEST_TIMEOUTS.responseHeadTimeoutMs}ms`,
    'progress-timeout': `${TEST_TIMEOUTS.progressTimeoutMs}ms`,
    ...options.transport,
  };
  return (
    `io = "node"\nworkers = 1\ndrain-timeout = "${options.drainTimeout ?? '2s'}"\n\n` +
    `[admin]\naddress = "${options.admin ?? 'off'}"\n\n` +
    `[limits]\n${lines(limits)}\n[transports.default]\n${lines(transport)}\n`
  );
}

/** One listener, route and service per link. */
export function linksToml(links: readonly Link[]): string {
  return links
    .map(
      ({ listenPort, originPort }, i) =>
        `[listeners.l${i}]\naddress = "127.0.0.1:${listenPort}"\n\n` +
        `[routes.r${i}]\npath = "/*"\nlisteners = ["l${i}"]\nservice = "s${i}"\n\n` +
        `[services.s${i}]\nendpoints = ["http://127.0.0.1:${originPort}"]\n\n`,
    )
    .join('');
}

/**
 * Starts the binary and waits until it says it is ready and its ports accept.
 * @throws with its output when it does not get there
 */
export async function startProxy(toml: string, links: readonly Link[]): Promise<Subject> {
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  fs.writeFileSync(file, toml);
  const child = new Child(PROXY_BINARY, ['run', '-c', file]);
  const subject = subjectOf('proxy-now', '', { child, links, directory });
  try {
    await child.ready(/\bready\b/i, 20_000);
    await portsOpen(
      child,
      links.map((link) => link.listenPort),
    );
    return subject;
  } catch (error) {
    await subject.stop();
    throw error;
  }
}
