import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { FileWatcher } from './file-watcher.ts';
import type { WatchFolder } from './file-watcher.ts';
import type { WatchedInputs } from './reload-outcome.ts';

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

/** Real files, but a clock and events of our own. */
class Bench {
  readonly folder: string;
  readonly watched = new Map<string, { onEvent: () => void; onError: (error: Error) => void }>();
  readonly warnings: string[] = [];
  changes = 0;
  nowMs = 0;
  /** How long every look at a pattern takes. */
  lookMs = 0;
  looks = 0;
  /** Folders that cannot be watched. */
  readonly refused = new Set<string>();
  readonly watcher: FileWatcher;
  private readonly timers = new Set<Timer>();

  constructor(context: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'proxy-now-watch-'));
    context.after(() => rmSync(this.folder, { recursive: true }));
    const watchFolder: WatchFolder = (folder, onEvent, onError) => {
      if (this.refused.has(folder)) throw new Error('no space left for watches');
      this.watched.set(folder, { onEvent, onError });
      return () => this.watched.delete(folder);
    };
    this.watcher = new FileWatcher({
      debounceMs: 100,
      glob: (pattern, folder) => {
        this.nowMs += this.lookMs;
        this.looks++;
        const names = readdirSync(join(folder, pattern.split('/')[0]!));
        return names.filter((name) => name.endsWith('.toml')).toSorted();
      },
      onChange: () => this.changes++,
      log: {
        info: () => {},
        warn: (message, fields) => this.warnings.push(`${message} ${JSON.stringify(fields)}`),
        error: () => {},
      },
      schedule: (delayMs, task) => {
        const timer = { atMs: this.nowMs + delayMs, task };
        this.timers.add(timer);
        return () => this.timers.delete(timer);
      },
      nowMs: () => this.nowMs,
      watchFolder,
    });
    context.after(() => this.watcher.close());
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  watch(files: readonly string[], globs: WatchedInputs['globs'] = []): void {
    this.watcher.watch({ files: files.map((name) => this.path(name)), globs }, () => true);
  }

  event(name = ''): void {
    this.watched.get(name === '' ? this.folder : this.path(name))!.onEvent();
  }

  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const due = [...this.timers].filter(({ atMs }) => atMs <= endMs);
      const next = due.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.nowMs = next.atMs;
      next.task();
    }
    this.nowMs = endMs;
  }

  get timerCount(): number {
    return this.timers.size;
  }
}

test('file watcher: a change is told once, when it has been quiet for a while', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  assert.deepEqual([...bench.watched.keys()], [bench.folder]);
  for (let i = 0; i < 4; i++) {
    appendFileSync(bench.path('a'), 'x');
    bench.event();
    bench.advance(99);
  }
  assert.equal(bench.changes, 0);
  bench.advance(1);
  assert.equal(bench.changes, 1);
  bench.advance(1_000);
  assert.equal(bench.changes, 1);
});

test('file watcher: what is no change of the files is not told', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  writeFileSync(bench.path('other'), '1');
  bench.event();
  bench.advance(5_000);
  assert.equal(bench.changes, 0);
});

test('file watcher: a busy folder does not hold a change up for ever', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  appendFileSync(bench.path('a'), 'x');
  for (let ms = 0; ms < 990; ms += 90) {
    bench.event();
    bench.advance(90);
  }
  assert.equal(bench.changes, 0);
  bench.event();
  bench.advance(10);
  assert.equal(bench.changes, 1);
});

test('file watcher: without events files are polled, and given a moment', (context) => {
  const bench = new Bench(context);
  bench.refused.add(bench.folder);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  assert.equal(bench.warnings.length, 1);
  assert.match(bench.warnings[0]!, /no space left/);
  appendFileSync(bench.path('a'), 'x');
  bench.advance(2_000);
  assert.equal(bench.changes, 0);
  bench.advance(100);
  assert.equal(bench.changes, 1);
  bench.advance(10_000);
  assert.equal(bench.changes, 1);
  assert.equal(bench.warnings.length, 1);
});

test('file watcher: a look that takes long is taken less often', (context) => {
  const bench = new Bench(context);
  bench.lookMs = 300;
  mkdirSync(bench.path('conf.d'));
  bench.watch([], [{ pattern: 'conf.d/*.toml', folder: bench.folder }]);
  bench.looks = 0;
  bench.advance(2_000);
  assert.equal(bench.looks, 1);
  bench.advance(29_000);
  assert.equal(bench.looks, 1);
  bench.advance(2_000);
  assert.equal(bench.looks, 2);
});

test('file watcher: renamed over, deleted, and there again', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  const steps = [
    () => {
      writeFileSync(bench.path('a.new'), '1'); // The same content and size.
      renameSync(bench.path('a.new'), bench.path('a'));
    },
    () => rmSync(bench.path('a')),
    () => writeFileSync(bench.path('a'), '1'),
  ];
  for (const [index, step] of steps.entries()) {
    step();
    bench.event();
    bench.advance(100);
    assert.equal(bench.changes, index + 1);
  }
});

test('file watcher: a swapped link is seen, as Kubernetes swaps ..data', (context) => {
  const bench = new Bench(context);
  for (const version of ['v1', 'v2']) {
    mkdirSync(bench.path(version));
    writeFileSync(bench.path(`${version}/a`), version);
  }
  symlinkSync('v1', bench.path('..data'));
  symlinkSync('..data/a', bench.path('a'));
  bench.watch(['a']);
  assert.deepEqual([...bench.watched.keys()].toSorted(), [bench.folder, bench.path('v1')]);
  symlinkSync('v2', bench.path('..new'));
  renameSync(bench.path('..new'), bench.path('..data'));
  bench.event();
  bench.advance(100);
  assert.equal(bench.changes, 1);
  assert.deepEqual([...bench.watched.keys()].toSorted(), [bench.folder, bench.path('v2')]);
});

test('file watcher: a link in the middle of a path is watched where it lies', (context) => {
  const bench = new Bench(context);
  mkdirSync(bench.path('releases/1/etc'), { recursive: true });
  writeFileSync(bench.path('releases/1/etc/a'), '1');
  symlinkSync('releases/1', bench.path('current'));
  bench.watch(['current/etc/a']);
  assert.deepEqual(
    [...bench.watched.keys()].toSorted(),
    [bench.folder, bench.path('releases/1/etc')].toSorted(),
  );
});

test('file watcher: a file that comes or goes for a pattern is a change', (context) => {
  const bench = new Bench(context);
  mkdirSync(bench.path('conf.d'));
  bench.watch([], [{ pattern: 'conf.d/*.toml', folder: bench.folder }]);
  assert.deepEqual([...bench.watched.keys()], [bench.path('conf.d')]);
  writeFileSync(bench.path('conf.d/a.toml'), '');
  bench.event('conf.d');
  bench.advance(100);
  assert.equal(bench.changes, 1);
  rmSync(bench.path('conf.d/a.toml'));
  bench.event('conf.d');
  bench.advance(100);
  assert.equal(bench.changes, 2);
});

test('file watcher: a folder that was replaced is watched anew', (context) => {
  const bench = new Bench(context);
  mkdirSync(bench.path('d'));
  writeFileSync(bench.path('d/a'), '1');
  bench.watch(['d/a']);
  const first = bench.watched.get(bench.path('d'));
  renameSync(bench.path('d'), bench.path('old'));
  bench.advance(2_100);
  assert.equal(bench.changes, 1); // The file is gone.
  assert.equal(bench.watched.size, 0);
  mkdirSync(bench.path('d'));
  writeFileSync(bench.path('d/a'), '1');
  bench.advance(2_100);
  assert.equal(bench.changes, 2);
  assert.notEqual(bench.watched.get(bench.path('d')), first);
});

test('file watcher: a change between load and watch is not lost', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watcher.watch({ files: [bench.path('a')], globs: [] }, () => false);
  assert.equal(bench.changes, 0);
  bench.advance(100);
  assert.equal(bench.changes, 1);
});

test('file watcher: a watch that breaks is a warning, once, and polling goes on', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  bench.watched.get(bench.folder)!.onError(new Error('gone'));
  appendFileSync(bench.path('a'), 'x');
  bench.advance(2_100);
  assert.equal(bench.changes, 1);
  assert.equal(bench.warnings.length, 1);
});

test('file watcher: after close nothing is watched and no timer is left', (context) => {
  const bench = new Bench(context);
  writeFileSync(bench.path('a'), '1');
  bench.watch(['a']);
  const { onEvent } = bench.watched.get(bench.folder)!;
  bench.watcher.close();
  onEvent();
  assert.equal(bench.watched.size, 0);
  assert.equal(bench.timerCount, 0);
  bench.watch(['a']);
  assert.equal(bench.timerCount, 0);
});

test('file watcher: the system tells of a real change', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-now-watch-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a');
  writeFileSync(path, '1');
  await new Promise<void>((resolve) => {
    const watcher = new FileWatcher({
      debounceMs: 1,
      pollMs: 3_600_000, // Only an event can tell.
      glob: () => [],
      onChange: resolve,
      log: { info: () => {}, warn: () => {}, error: () => {} },
      schedule: (delayMs, task) => {
        const timer = setTimeout(task, delayMs);
        return () => clearTimeout(timer);
      },
      nowMs: () => performance.now(),
    });
    context.after(() => watcher.close());
    watcher.watch({ files: [path], globs: [] }, () => true);
    appendFileSync(path, 'x');
  });
});
