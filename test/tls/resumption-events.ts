/**
 * Session tickets across what happens to a proxy: clients get tickets, something happens, and each
 * brings its ticket back. What must be resumed is, and what must not be is not.
 *
 *   node test/tls/resumption-events.ts               16 clients per version and event, table
 *   node test/tls/resumption-events.ts --clients 100 --json
 *
 * Exit code 1 when less than 99 % are resumed after an event that nobody should notice, or one is
 * taken under another policy or another certificate.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Child, endOnSignals } from '../support/child.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { processTree } from '../support/process-tree.ts';
import { HOST, TlsStage } from '../support/tls-stage.ts';
import { until, within } from '../support/wait.ts';

export interface EventResult {
  readonly event: string;
  readonly version: Version;
  readonly clients: number;
  readonly resumed: number;
  /** Connections that were refused or broke. */
  readonly failed: number;
  /** `all`: as good as all must be resumed; `none`: none may. */
  readonly expected: 'all' | 'none';
}

type Version = 'TLSv1.2' | 'TLSv1.3';

const VERSIONS: readonly Version[] = ['TLSv1.2', 'TLSv1.3'];
/** Host of another certificate under the same policy. */
const OTHER = 'other.example.test';
/** Host whose policy verifies clients. */
const SECRET = 'secret.example.test';
const WAIT_MS = 5_000;
const FIXTURES = fileURLToPath(new URL('../fixtures/tls', import.meta.url));
const PRELOAD = fileURLToPath(new URL('../support/kill-one-worker.mjs', import.meta.url));

interface Visit {
  readonly session: Buffer | null;
  readonly isResumed: boolean;
}

interface VisitOptions {
  readonly version: Version;
  readonly host?: string;
  readonly session?: Buffer | null;
  readonly client?: { readonly cert: Buffer; readonly key: Buffer };
}

/** A stage with three hosts and two policies. */
class Stage {
  readonly tls: TlsStage;
  #extra = 0;

  private constructor(stage: TlsStage) {
    this.tls = stage;
  }

  static async open(): Promise<Stage> {
    const stage = await TlsStage.open({
      workers: 2,
      env: ({ folder }) => ({
        NODE_OPTIONS: `--import ${PRELOAD}`,
        TEST_KILL_ONE_WORKER: path.join(folder, 'order'),
      }),
      files: async ({ folder, authority }) => {
        await authority.write(folder, 'other', [OTHER]);
        await authority.write(folder, 'secret', [SECRET]);
      },
      tables:
        `[certificates.other]\ncert = "other.pem"\nkey = "other.key"\n` +
        `[certificates.secret]\ncert = "secret.pem"\nkey = "secret.key"\n` +
        `[tls.verified]\nclient-auth = { mode = "verify", ca = "${FIXTURES}/ca.pem" }\n` +
        `[routes.other]\nhost = "${OTHER}"\nservice = "origin"\n` +
        `[routes.secret]\nhost = "${SECRET}"\nservice = "origin"\ntls = "verified"\n`,
    });
    return new Stage(stage);
  }

  /** One connection with one request; resolves with the newest ticket it was given. */
  visit({ version, host = HOST, session = null, client }: VisitOptions): Promise<Visit> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: this.tls.port,
        servername: host,
        ca: this.tls.authority.pem,
        minVersion: version,
        maxVersion: version,
        ...(session === null ? {} : { session }),
        ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
      });
      let newest = session;
      let isResumed = false;
      socket.setTimeout(WAIT_MS, () => socket.destroy(new Error('silent')));
      socket.on('error', reject);
      socket.on('session', (ticket) => (newest = ticket));
      socket.on('secureConnect', () => {
        isResumed = socket.isSessionReused();
        socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      });
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('end', () => {
        socket.end();
        if (text.startsWith('HTTP/1.1 200 ')) resolve({ session: newest, isResumed });
        else reject(new Error(`answered: ${text.slice(0, 80)}`));
      });
      socket.on('close', () => reject(new Error('closed early')));
    });
  }

  async metric(name: string): Promise<number> {
    const text = await readMetrics(this.tls.adminPort).catch(() => '');
    return metricSum(text, name) ?? -1;
  }

  /** Applies a configuration that has one more route. */
  async reload(): Promise<void> {
    const before = await this.metric('proxy_now_config_generation');
    this.tls.write(`[routes.extra${++this.#extra}]\nhost = "e.example.test"\nservice = "origin"\n`);
    this.tls.child.signal('SIGHUP');
    const isApplied = async (): Promise<boolean> =>
      (await this.metric('proxy_now_config_generation')) > before;
    await until(isApplied, 'the reload', WAIT_MS);
  }

  /** A worker thread ends, and another one takes its place. */
  async killWorker(): Promise<void> {
    const before = await this.metric('proxy_now_worker_restarts_total');
    const file = path.join(this.tls.folder, 'order');
    fs.writeFileSync(`${file}.new`, 'exit');
    fs.renameSync(`${file}.new`, file);
    const isReplaced = async (): Promise<boolean> =>
      (await this.metric('proxy_now_worker_restarts_total')) > before &&
      (await this.metric('proxy_now_workers')) === 2;
    await until(isReplaced, 'the new worker', 2 * WAIT_MS);
  }

  async upgrade(): Promise<void> {
    const before = await this.metric('proxy_now_upgrades_total');
    this.tls.child.signal('SIGUSR2');
    const isDone = async (): Promise<boolean> =>
      (await this.metric('proxy_now_upgrades_total')) > before;
    await until(isDone, 'the upgrade', 4 * WAIT_MS);
  }

  /** The proxy process is killed, and the supervisor starts another one. */
  async killProxy(): Promise<void> {
    const before = await this.metric('proxy_now_process_restarts_total');
    const proxy = processTree(this.tls.child.pid).at(-1)!;
    process.kill(proxy, 'SIGKILL');
    const isBack = async (): Promise<boolean> =>
      (await this.metric('proxy_now_process_restarts_total')) > before;
    await until(isBack, 'the new process', 4 * WAIT_MS);
  }
}

class Trial {
  readonly results: EventResult[] = [];
  readonly #stage: Stage;
  readonly #clients: number;

  constructor(stage: Stage, clients: number) {
    this.#stage = stage;
    this.#clients = clients;
  }

  /** Tickets of `host`, one per client. */
  async #tickets(version: Version, options: Omit<VisitOptions, 'version'>): Promise<Buffer[]> {
    const visits = Array.from({ length: this.#clients }, () =>
      this.#stage.visit({ version, ...options }),
    );
    return (await Promise.all(visits)).map(({ session }) => {
      if (session === null) throw new Error(`no ticket with ${version}`);
      return session;
    });
  }

  async #present(
    event: string,
    expected: EventResult['expected'],
    sessions: readonly Buffer[],
    options: VisitOptions,
  ): Promise<void> {
    const visits = await Promise.allSettled(
      sessions.map((session) => this.#stage.visit({ ...options, session })),
    );
    const resumed = visits.filter((one) => one.status === 'fulfilled' && one.value.isResumed);
    this.results.push({
      event,
      version: options.version,
      clients: sessions.length,
      resumed: resumed.length,
      failed: visits.filter(({ status }) => status === 'rejected').length,
      expected,
    });
  }

  /** Tickets from before `happen` are brought back after it. */
  async across(event: string, happen: () => Promise<void>): Promise<void> {
    const tickets = new Map<Version, Buffer[]>();
    for (const version of VERSIONS) tickets.set(version, await this.#tickets(version, {}));
    await happen();
    for (const [version, sessions] of tickets) {
      await this.#present(event, 'all', sessions, { version });
    }
  }

  /** Tickets of one host are shown to another one. */
  async between(
    event: string,
    from: Omit<VisitOptions, 'version'>,
    to: Omit<VisitOptions, 'version'>,
  ): Promise<void> {
    for (const version of VERSIONS) {
      const sessions = await this.#tickets(version, from);
      await this.#present(event, 'none', sessions, { version, ...to });
    }
  }
}

/**
 * What another TLS library thinks: \`openssl s_client\` writes its session to a file, and brings it
 * back in a second process.
 * @returns null where it is not installed
 */
export async function measureOpenssl(stage: TlsStage): Promise<readonly EventResult[] | null> {
  if (spawnSync('openssl', ['version']).error !== undefined) return null;
  const results: EventResult[] = [];
  for (const [version, option] of [
    ['TLSv1.2', '-tls1_2'],
    ['TLSv1.3', '-tls1_3'],
  ] as const) {
    const file = path.join(stage.folder, `session${option}`);
    const outputs: string[] = [];
    for (const session of ['-sess_out', '-sess_in']) {
      const client = new Child(
        'openssl',
        ['s_client', '-connect', `127.0.0.1:${stage.port}`, '-servername', HOST, option].concat([
          '-ign_eof',
          session,
          file,
        ]),
        {},
        { hasInput: true },
      );
      client.write(`GET / HTTP/1.1\r\nhost: ${HOST}\r\nconnection: close\r\n\r`);
      await within(client.exited, 'openssl', WAIT_MS);
      outputs.push(client.output);
    }
    const [first = '', second = ''] = outputs;
    const isFirstFull = first.includes(`New, ${version}`) && first.includes('200 OK');
    const isSecondReused = second.includes(`Reused, ${version}`) && second.includes('200 OK');
    results.push({
      event: 'openssl s_client -sess_in',
      version,
      clients: 1,
      resumed: Number(isFirstFull && isSecondReused),
      failed: 0,
      expected: 'all',
    });
  }
  return results;
}

/** Runs all events, `clients` connections each. */
export async function measureEvents(clients: number): Promise<readonly EventResult[]> {
  const stage = await Stage.open();
  const client = { cert: fixture('client.pem'), key: fixture('client.key') };
  try {
    const trial = new Trial(stage, clients);
    await trial.across('nothing', () => Promise.resolve());
    trial.results.push(...((await measureOpenssl(stage.tls)) ?? []));
    await trial.across('a reload', () => stage.reload());
    await trial.across('a worker that ended', () => stage.killWorker());
    await trial.across('an upgrade and a reload', async () => {
      await stage.upgrade();
      await stage.reload();
    });
    await trial.across('a proxy process that was killed', () => stage.killProxy());
    await trial.between('another certificate', {}, { host: OTHER });
    await trial.between('a policy that verifies clients', {}, { host: SECRET });
    await trial.between('the same, with a certificate', {}, { host: SECRET, client });
    await trial.between('a policy that does not ask', { host: SECRET, client }, {});
    return trial.results;
  } finally {
    await stage.tls.close();
  }
}

function fixture(name: string): Buffer {
  return fs.readFileSync(path.join(FIXTURES, name));
}

/** The certificate that a client has shown is remembered with its session. */
export function isGood({ clients, resumed, failed, expected, event }: EventResult): boolean {
  if (expected === 'all') return failed === 0 && resumed >= clients * 0.99;
  const areRefused = event === 'a policy that verifies clients';
  return resumed === 0 && failed === (areRefused ? clients : 0);
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      clients: { type: 'string', default: '16' },
    },
  });
  const results = await measureEvents(Number(values.clients));
  if (values.json) console.log(JSON.stringify(results, null, 2));
  else console.table(results.map((result) => ({ ...result, good: isGood(result) })));
  if (!results.every(isGood)) process.exitCode = 1;
}

if (import.meta.main) await main();
