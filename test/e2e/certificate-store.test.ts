import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

const RACER = join(import.meta.dirname, '../support/certificate-racer.ts');
const NAMES = Array.from({ length: 24 }, (_, index) => `n${index}.example.com`);

class Racer {
  readonly child: ChildProcess;
  /** Certificate by name. */
  readonly has = new Map<string, string>();
  problems = '';
  #onLine: () => void = () => {};

  constructor(t: TestContext, folder: string, ordersFile: string) {
    const options = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] };
    this.child = spawn(process.execPath, [RACER, folder, ordersFile, ...NAMES], options);
    t.after(() => this.child.kill('SIGKILL'));
    let rest = '';
    this.child.stdout!.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.has.set(...(line.split(' ') as [string, string]));
      this.#onLine();
    });
    this.child.stderr!.on('data', (chunk) => (this.problems += String(chunk)));
  }

  async untilHas(count: number): Promise<void> {
    while (this.has.size < count) await new Promise<void>((done) => (this.#onLine = done));
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await gone;
  }
}

async function stage(t: TestContext): Promise<{ folder: string; ordersFile: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'race-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const ordersFile = join(folder, 'orders');
  await writeFile(ordersFile, '');
  return { folder: join(folder, 'store'), ordersFile };
}

async function ordersIn(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).trim().split('\n');
}

test(
  'certificate store: three processes issue each certificate once',
  { timeout: 30_000 },
  async (t) => {
    const { folder, ordersFile } = await stage(t);
    const racers = [1, 2, 3].map(() => new Racer(t, folder, ordersFile));
    await Promise.all(racers.map((racer) => racer.untilHas(NAMES.length)));
    const orders = await ordersIn(ordersFile);
    assert.equal(orders.length, NAMES.length, orders.join('\n'));
    for (const racer of racers) {
      assert.deepEqual(racer.has.size, NAMES.length);
      for (const name of NAMES) assert.equal(racer.has.get(name), racers[0]!.has.get(name), name);
      assert.equal(racer.problems, '');
    }
    await Promise.all(racers.map((racer) => racer.end('SIGTERM')));
    assert.deepEqual(await readdir(join(folder, 'locks')), []);
  },
);

test(
  'certificate store: a process that is killed holds nobody up',
  { timeout: 30_000 },
  async (t) => {
    const { folder, ordersFile } = await stage(t);
    const victim = new Racer(t, folder, ordersFile);
    await victim.untilHas(5);
    await victim.end('SIGKILL');
    const underWay = new Set((await ordersIn(ordersFile)).map((line) => line.split(' ')[1]));
    const heir = new Racer(t, folder, ordersFile);
    await heir.untilHas(NAMES.length);
    assert.equal(heir.problems, '');
    for (const [name, id] of victim.has) assert.equal(heir.has.get(name), id, `${name} is kept`);
    const orders = await ordersIn(ordersFile);
    const twice = orders.length - NAMES.length;
    assert.ok(
      twice >= 0 && twice <= underWay.size - victim.has.size,
      `${twice} names ordered twice`,
    );
    await heir.end('SIGTERM');
  },
);
