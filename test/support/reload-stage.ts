/**
 * A proxy whose files a test changes while a little traffic runs: two origins that say their
 * names, requests over kept-alive connections, and the commands against the running process.
 */

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from './child.ts';
import { freePorts } from './free-port.ts';
import { fetchFrom, startOrigin } from './http-origin.ts';
import { baseToml, PROXY_BINARY } from './proxy.ts';
import { scratchDirectory } from './subject.ts';
import { delay, until } from './wait.ts';

/** Connections that ask, one request at a time each. */
const LANES = 3;

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

export interface ReloadStageOptions {
  /** Where the main file is, inside the folder of the test; made before the start. */
  readonly place?: (folder: string, toml: string) => string;
  readonly admin?: string;
  /** Top-level lines before everything else. */
  readonly head?: string;
  /** Further tables. */
  readonly tables?: string;
  readonly args?: readonly string[];
}

export class ReloadStage {
  /** Why requests failed; empty is what a test wants. */
  readonly failures: string[] = [];
  /** Answers by origin. */
  readonly answers = new Map<string, number>();
  readonly folder = scratchDirectory();
  file = '';
  child!: Child;
  port = 0;
  sparePorts: readonly number[] = [];
  origins: { readonly a: number; readonly b: number } = { a: 0, b: 0 };
  private options: ReloadStageOptions = {};
  private isAsking = false;
  private readonly lanes: Promise<void>[] = [];
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: LANES });

  /** Starts everything; `t` ends it. */
  static async open(t: TestContext, options: ReloadStageOptions = {}): Promise<ReloadStage> {
    const stage = new ReloadStage();
    stage.options = options;
    const [port, ...spare] = (await freePorts(4)) as [number, ...number[]];
    stage.port = port;
    stage.sparePorts = spare;
    const a = await startOrigin((_request, response) => void response.end('a'));
    const b = await startOrigin((_request, response) => void response.end('b'));
    stage.origins = { a: a.port, b: b.port };
    t.after(async () => {
      await stage.stopAsking();
      await stage.child.stop();
      await Promise.all([a.close(), b.close()]);
      fs.rmSync(stage.folder, { recursive: true, force: true });
    });
    const place = options.place ?? placeDirectly;
    stage.file = place(stage.folder, stage.toml());
    await stage.start(options.args ?? []);
    return stage;
  }

  async start(args: readonly string[]): Promise<void> {
    this.child = new Child(PROXY_BINARY, ['run', '-c', this.file, ...args]);
    await this.child.ready(/is ready/, 20_000);
  }

  /** The configuration with every request going to one origin. */
  toml(origin: 'a' | 'b' = 'a', more = ''): string {
    const { head = '', tables = '', admin = 'off' } = this.options;
    return (
      `include = ["conf.d/*.toml"]\n${head}\n${baseToml({ admin })}` +
      `[listeners.web]\naddress = "127.0.0.1:${this.port}"\n` +
      `[routes.all]\nservice = "all"\n` +
      `[services.all]\nendpoints = ["http://127.0.0.1:${this.origins[origin]}"]\n${tables}\n${more}`
    );
  }

  write(text: string, file = this.file): void {
    fs.writeFileSync(file, text);
  }

  /** Runs a command about this configuration to its end. */
  async command(name: string, ...args: string[]): Promise<CommandResult> {
    const child = new Child(PROXY_BINARY, [name, ...args, '-c', this.file]);
    const { code } = await child.exited;
    await child.stop();
    return { code: code ?? -1, output: child.output };
  }

  /** Asks all the time until `stopAsking`. */
  ask(): void {
    this.isAsking = true;
    for (let lane = 0; lane < LANES; lane++) this.lanes.push(this.askOn());
  }

  async stopAsking(): Promise<void> {
    this.isAsking = false;
    await Promise.all(this.lanes.splice(0));
    this.agent.destroy();
  }

  /** Requests answered so far. */
  get answerCount(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Waits until requests are answered by that origin. */
  async servedBy(name: 'a' | 'b'): Promise<void> {
    await until(async () => (await this.get()) === name, `answers of ${name}`, 8_000);
  }

  async get(headers: Record<string, string> = {}): Promise<string> {
    const { body, status } = await fetchFrom(this.port, '/', { headers });
    return status === 200 ? body.toString('latin1') : String(status);
  }

  /** Waits until the output says so, and answers with all of it. */
  async says(pattern: RegExp): Promise<string> {
    await until(() => pattern.test(this.child.output), `${pattern} in the output`, 8_000);
    return this.child.output;
  }

  private async askOn(): Promise<void> {
    while (this.isAsking) {
      try {
        const { status, body } = await fetchFrom(this.port, '/', { agent: this.agent });
        const name = body.toString('latin1');
        if (status !== 200) this.failures.push(`status ${status}`);
        else this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
      } catch (error) {
        this.failures.push(String(error));
      }
      await delay(2);
    }
  }
}

function placeDirectly(folder: string, toml: string): string {
  const file = path.join(folder, 'proxy-now.toml');
  fs.writeFileSync(file, toml);
  fs.mkdirSync(path.join(folder, 'conf.d'));
  return file;
}
