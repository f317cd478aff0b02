import assert from 'node:assert/strict';
import test from 'node:test';

import { loadConfig } from '../config/load-config.ts';
import { memorySource } from '../config/memory-source.ts';
import type { Publication, ReloadOutcome, SavedFile, WatchedInputs } from './reload-outcome.ts';
import { Reloader } from './reloader.ts';
import { RollbackGuard } from './rollback.ts';
import type { RollbackVerdict } from './rollback.ts';

const MAIN = '/p/main.toml';

const text = (port: number, more = ''): string => `
include = ["conf.d/*.toml"]
[listeners.web]
address = ":8080"
[routes.all]
service = "all"
[services.all]
endpoints = ["http://10.0.0.1:${port}"]
${more}`;

/** A guard that gives its verdict when told. */
class HeldGuard extends RollbackGuard {
  verdict: RollbackVerdict | null = null;

  constructor() {
    super({
      sample: () => ({ requests: 0, failures: 0 }),
      schedule: () => () => {},
      nowMs: () => 0,
    });
  }

  override begin(verdict: RollbackVerdict): void {
    this.verdict = verdict;
  }
}

class World {
  readonly files: Record<string, string> = { [MAIN]: text(1) };
  readonly published: Publication[] = [];
  readonly outcomes: ReloadOutcome[] = [];
  readonly kept: (readonly SavedFile[])[] = [];
  readonly inputs: WatchedInputs[] = [];
  readonly lines: string[] = [];
  readonly guard = new HeldGuard();
  nowMs = 100;
  generation = 1;
  /** Set: publishing fails with it. */
  problem = '';
  /** Set: publishing waits for it. */
  gate: Promise<void> = Promise.resolve();
  reloader!: Reloader;

  async open(): Promise<this> {
    const source = memorySource(this.files);
    const { config } = await loadConfig(MAIN, source);
    const log = (message: string, fields: object = {}): void => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    this.reloader = new Reloader({
      path: MAIN,
      source,
      served: {
        config: config!,
        generation: 1,
        files: Object.entries(this.files).map(([path, content]) => ({ path, text: content })),
      },
      publish: async (publication) => {
        await this.gate;
        if (this.problem !== '') throw new Error(this.problem);
        this.published.push(publication);
        return ++this.generation;
      },
      guard: this.guard,
      onInputs: (inputs) => this.inputs.push(inputs),
      onGood: (files) => this.kept.push(files),
      onOutcome: (outcome) => this.outcomes.push(outcome),
      log: { info: log, warn: log, error: log },
      nowMs: () => this.nowMs,
      wallMs: () => 5_000,
    });
    return this;
  }
}

test('reload: applies what changed and says what it was', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2, '[routes.more]\nhost = "more.example"\nservice = "all"\n');
  world.gate = new Promise((resolve) => {
    setImmediate(() => {
      world.nowMs += 40;
      resolve();
    });
  });
  const outcome = await world.reloader.reload('signal');
  assert.equal(outcome.status, 'applied');
  assert.equal(outcome.generation, 2);
  assert.equal(outcome.cause, 'signal');
  assert.equal(outcome.tookMs, 40);
  assert.equal(outcome.atMs, 5_000);
  assert.deepEqual(
    outcome.changes.map(({ kind, name, action }) => `${action} ${kind} ${name}`),
    ['added route more', 'changed service all'],
  );
  assert.deepEqual(world.published[0]!.changedRoutes, ['all']);
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 2);
  assert.equal(world.reloader.generation, 2);
  assert.equal(world.reloader.lastApplied, outcome);
  assert.ok(world.reloader.isGood);
  assert.equal(world.kept.at(-1)![0]!.text, world.files[MAIN]);
  assert.deepEqual(world.inputs.at(-1)!.files, [MAIN]);
});

test('reload: what is served already is unchanged, and is not published', async () => {
  const world = await new World().open();
  const same = world.reloader.config;
  assert.equal((await world.reloader.reload('start')).status, 'unchanged');
  world.files[MAIN] = `# only a comment\n${text(1)}`;
  assert.equal((await world.reloader.reload('file')).status, 'unchanged');
  assert.equal(world.reloader.files[0]!.text, world.files[MAIN]);
  assert.equal(world.reloader.config, same);
  assert.deepEqual(world.published, []);
  assert.deepEqual(world.reloader.counts, {
    applied: 0,
    unchanged: 2,
    rejected: 0,
    rollbacks: 0,
  });
});

test('reload: an error rejects, keeps what is served, and is over when the file is', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2, 'nonsense');
  const outcome = await world.reloader.reload('file');
  assert.equal(outcome.status, 'rejected');
  assert.equal(outcome.generation, 1);
  assert.equal(outcome.issues.find(({ severity }) => severity === 'error')!.line, 9);
  assert.match(outcome.report, /nonsense/);
  assert.ok(!world.reloader.isGood);
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 1);
  assert.ok(world.lines.some((line) => line.startsWith('reload rejected')));
  assert.ok(world.lines.some((line) => line.startsWith(`${MAIN}:9:`)));
  world.files[MAIN] = text(1);
  assert.equal((await world.reloader.reload('file')).status, 'unchanged');
  assert.ok(world.reloader.isGood);
  assert.match(world.lines.at(-1)!, /good again/);
});

test('reload: files without a listener are rejected, as a full disk leaves them', async () => {
  const world = await new World().open();
  for (const left of ['', '# nothing\n', text(2).replace(/\[listeners[^]*?\[routes/, '[routes')]) {
    world.files[MAIN] = left;
    assert.equal((await world.reloader.preview()).status, 'rejected');
    const outcome = await world.reloader.reload('file');
    assert.equal(outcome.status, 'rejected');
    assert.match(outcome.message, /no listener/);
    assert.ok(!world.reloader.isGood);
  }
  assert.deepEqual(world.published, []);
});

test('reload: files that have not changed are not loaded again', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2, 'nonsense');
  const first = await world.reloader.reload('file');
  const again = await world.reloader.reload('api');
  assert.equal(again.status, 'rejected');
  assert.equal(again.cause, 'api');
  assert.deepEqual(again.issues, first.issues);
  assert.equal(world.inputs.length, 1);
  assert.equal(world.reloader.lastOutcome, first);
  world.files[MAIN] = text(3);
  await world.reloader.reload('file');
  const unchanged = await world.reloader.reload('api');
  assert.equal(unchanged.status, 'unchanged');
  assert.deepEqual(unchanged.changes, []);
  assert.equal(world.inputs.length, 2);
});

test('reload: a publication that fails rejects, and may be tried again', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2);
  world.problem = 'address in use: 127.0.0.1:80';
  const failed = await world.reloader.reload('file');
  assert.equal(failed.status, 'rejected');
  assert.match(failed.message, /address in use/);
  assert.equal(failed.changes.length, 1);
  assert.equal(world.reloader.generation, 1);
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 1);
  assert.ok(!world.reloader.isGood);
  world.problem = '';
  assert.equal((await world.reloader.reload('api')).status, 'applied');
});

test('reload: calls during one share a single further one', async () => {
  const world = await new World().open();
  const { promise, resolve: open } = Promise.withResolvers<void>();
  world.gate = promise;
  world.files[MAIN] = text(2);
  const first = world.reloader.reload('file');
  while (world.inputs.length === 0) await new Promise((resolve) => setImmediate(resolve));
  world.files[MAIN] = text(3);
  const second = world.reloader.reload('signal');
  const third = world.reloader.reload('api');
  assert.equal(second, third);
  assert.notEqual(first, second);
  open();
  assert.equal((await first).generation, 2);
  assert.equal((await second).generation, 3);
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 3);
  assert.equal(world.outcomes.length, 2);
});

test('reload: a bug while loading rejects instead of throwing', async () => {
  const world = await new World().open();
  Object.defineProperty(world.files, MAIN, {
    get: () => {
      throw new Error('a bug');
    },
  });
  const outcome = await world.reloader.reload('file');
  assert.equal(outcome.status, 'rejected');
  assert.match(outcome.message, /a bug/);
  assert.equal((await world.reloader.preview()).status, 'rejected');
});

test('reload: a setting that needs a new process is said, the rest is applied', async () => {
  const world = await new World().open();
  world.files[MAIN] = `workers = 3\n${text(2)}`;
  const outcome = await world.reloader.reload('api');
  assert.equal(outcome.status, 'applied');
  assert.deepEqual(outcome.needsRestart, ['workers']);
  assert.ok(world.lines.some((line) => line.includes('proxy-now upgrade')));
});

test('reload: a broken included file is served as it was, and counts as not good', async () => {
  const world = new World();
  const part =
    `[routes.b]\nhost = "b.example"\nservice = "b"\n` +
    `[services.b]\nendpoints = ["http://10.0.0.2:80"]\n`;
  world.files['/p/conf.d/b.toml'] = part;
  await world.open();
  world.files['/p/conf.d/b.toml'] = '[routes.b';
  world.files[MAIN] = text(2);
  const outcome = await world.reloader.reload('file');
  assert.equal(outcome.status, 'applied');
  assert.deepEqual(outcome.badFiles, [{ path: '/p/conf.d/b.toml', serves: 'last-good' }]);
  assert.ok(!world.reloader.isGood);
  assert.equal(world.reloader.files.find(({ path }) => path.endsWith('b.toml'))?.text, part);
  assert.equal(world.reloader.config.services.length, 2);
});

test('preview: says what would be, and changes nothing', async () => {
  const world = await new World().open();
  assert.equal((await world.reloader.preview()).status, 'unchanged');
  world.files[MAIN] = `workers = 3\n${text(2)}`;
  const preview = await world.reloader.preview();
  assert.equal(preview.status, 'applied');
  assert.deepEqual(
    preview.changes.map(({ name }) => name),
    ['all', 'workers'],
  );
  assert.deepEqual(preview.needsRestart, ['workers']);
  world.files[MAIN] = 'nonsense';
  const rejected = await world.reloader.preview();
  assert.equal(rejected.status, 'rejected');
  assert.match(rejected.report, /nonsense/);
  assert.deepEqual(world.published, []);
  assert.equal(world.reloader.generation, 1);
  assert.deepEqual(world.outcomes, []);
  assert.ok(world.reloader.isGood);
});

test('rollback: the former configuration comes back, the files wait for a change', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2);
  await world.reloader.reload('file');
  const bad = world.files[MAIN];
  world.guard.verdict!.onBad('90 % of 50 requests failed');
  const next = await world.reloader.reload('api'); // Begins after the rollback.
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 1);
  assert.equal(world.reloader.generation, 3);
  assert.equal(world.published.at(-1)!.cause, 'rollback');
  assert.deepEqual(world.published.at(-1)!.changedRoutes, ['all']);
  assert.equal(world.reloader.counts.rollbacks, 1);
  assert.ok(!world.reloader.isGood);
  assert.equal(next.status, 'rejected');
  assert.match(next.message, /90 % of 50 requests failed.*until they change/);
  assert.equal((await world.reloader.preview()).status, 'rejected');
  assert.equal(world.reloader.files[0]!.text, text(1));
  assert.equal(world.kept.at(-1)![0]!.text, text(1));
  world.files[MAIN] = text(3);
  assert.equal((await world.reloader.reload('file')).status, 'applied');
  assert.ok(world.reloader.isGood);
  world.files[MAIN] = bad; // They have changed: they are tried again.
  assert.equal((await world.reloader.reload('file')).status, 'applied');
});

test('rollback: a successor is told, and does not bring the files back either', async () => {
  const world = await new World().open();
  const { config } = world.reloader;
  world.files[MAIN] = text(2);
  await world.reloader.reload('file');
  const before = world.reloader.takenBack;
  assert.equal(before, null);
  await world.reloader.rollBack('asked');
  const { takenBack } = world.reloader;
  assert.equal(takenBack?.reason, 'asked');
  const successor = new Reloader({
    path: MAIN,
    source: memorySource(world.files),
    served: { config, generation: 9, files: [], takenBack },
    publish: () => Promise.resolve(10),
    log: { info: () => {}, warn: () => {}, error: () => {} },
    nowMs: () => 0,
    wallMs: () => 0,
  });
  assert.equal((await successor.preview()).status, 'rejected');
  const outcome = await successor.reload('start');
  assert.equal(outcome.status, 'rejected');
  assert.match(outcome.message, /taken back \(asked\)/);
  assert.deepEqual(successor.takenBack, takenBack);
  world.files[MAIN] = text(3);
  assert.equal((await successor.reload('file')).status, 'applied');
  assert.equal(successor.takenBack, null);
});

test('rollback: goes to what passed its window, not to what was being watched', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2);
  await world.reloader.reload('file');
  world.guard.verdict!.onPassed();
  world.files[MAIN] = text(3);
  await world.reloader.reload('file');
  world.files[MAIN] = text(4);
  await world.reloader.reload('file');
  const outcome = await world.reloader.rollBack('asked');
  assert.equal(outcome.status, 'applied');
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 2);
});

test('rollback: what has been replaced meanwhile is not taken back', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2);
  await world.reloader.reload('file');
  const { promise, resolve: release } = Promise.withResolvers<void>();
  world.gate = promise;
  world.files[MAIN] = text(3);
  const reload = world.reloader.reload('file');
  while (world.inputs.length < 2) await new Promise((resolve) => setImmediate(resolve));
  const rollback = world.reloader.rollBack('asked');
  release();
  assert.equal((await reload).status, 'applied');
  assert.equal((await rollback).status, 'unchanged');
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 3);
  assert.equal(world.reloader.counts.rollbacks, 0);
});

test('rollback: one that cannot be published leaves what is served', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2);
  await world.reloader.reload('file');
  world.problem = 'no';
  const outcome = await world.reloader.rollBack('asked');
  assert.equal(outcome.status, 'rejected');
  assert.equal(world.reloader.config.services[0]!.endpoints[0]!.port, 2);
  assert.equal(world.reloader.counts.rollbacks, 0);
});

test('reload: none begins once closed, and none exists without a file', async () => {
  const world = await new World().open();
  world.files[MAIN] = text(2);
  world.reloader.close();
  assert.equal((await world.reloader.reload('file')).status, 'rejected');
  assert.deepEqual(world.published, []);
  const { config } = world.reloader;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const bare = new Reloader({
    path: '',
    source: memorySource({}),
    served: { config, generation: 7, files: [] },
    publish: () => Promise.reject(new Error('not asked')),
    log,
    nowMs: () => 0,
    wallMs: () => 0,
  });
  assert.equal((await bare.reload('signal')).status, 'unchanged');
  assert.equal((await bare.preview()).status, 'unchanged');
  assert.ok(bare.isGood);
});
