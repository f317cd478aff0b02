import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';

import { MemoryGauge } from './memory-gauge.ts';

const MB = 1_048_576;

/** A process and its groups as files. */
function withFiles(
  files: Readonly<Record<string, string>>,
  check: (gauge: () => MemoryGauge, write: (name: string, text: string) => void) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-now-'));
  const write = (name: string, text: string): void => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  try {
    for (const [name, text] of Object.entries(files)) write(name, text);
    const processPath = join(folder, 'proc');
    const cgroupPath = join(folder, 'cgroup');
    check(() => new MemoryGauge({ processPath, cgroupPath }), write);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const pages = (megabytes: number): string => `999999 ${(megabytes * MB) / 4_096} 10 1 0 1 0\n`;

const V2 = {
  'proc/cgroup': '0::/system.slice/proxy-now.service\n',
  'proc/statm': pages(80),
  'cgroup/system.slice/proxy-now.service/memory.max': `${100 * MB}\n`,
  'cgroup/system.slice/proxy-now.service/memory.current': `${90 * MB}\n`,
  'cgroup/system.slice/proxy-now.service/memory.stat': `anon 5\ninactive_file ${10 * MB}\nfile 7\n`,
};

test('memory gauge: cgroup v2, without the page cache that can be dropped', () =>
  withFiles(V2, (open, write) => {
    const gauge = open();
    assert.equal(gauge.share(), 0.8);
    assert.equal(gauge.residentSize(), 80 * MB);
    write('cgroup/system.slice/proxy-now.service/memory.current', `${50 * MB}\n`);
    assert.equal(gauge.share(), 0.5);
    write('cgroup/system.slice/proxy-now.service/memory.max', 'max\n'); // Lifted while it runs.
    assert.equal(gauge.share(), 0);
  }));

test('memory gauge: the tightest limit on the way to the root counts', () =>
  withFiles(
    {
      ...V2,
      'cgroup/system.slice/memory.max': `${200 * MB}\n`,
      'cgroup/system.slice/memory.current': `${190 * MB}\n`,
      'cgroup/system.slice/memory.stat': `inactive_file 0\n`,
    },
    (open) => assert.equal(open().share(), 0.95),
  ));

test('memory gauge: cgroup v1, and its number for no limit', () =>
  withFiles(
    {
      'proc/cgroup': '9:name=systemd:/a\n4:cpu,memory:/docker/1\n0::/\n',
      'proc/statm': pages(60),
      'cgroup/memory/docker/1/memory.limit_in_bytes': `${100 * MB}\n`,
      'cgroup/memory/docker/1/memory.usage_in_bytes': `${99 * MB}\n`,
      'cgroup/memory/docker/1/memory.stat': `inactive_file 1\ntotal_inactive_file ${9 * MB}\n`,
      'cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'cgroup/memory/memory.usage_in_bytes': `${5_000 * MB}\n`,
      'cgroup/memory/memory.stat': '',
    },
    (open) => assert.equal(open().share(), 0.9),
  ));

test('memory gauge: a container that sees the path of its host uses the root of the mount', () =>
  withFiles(
    {
      'proc/cgroup': '0::/kubepods/pod1/c1\n',
      'proc/statm': pages(30),
      'cgroup/memory.max': `${100 * MB}\n`,
      'cgroup/memory.current': `${60 * MB}\n`,
      'cgroup/memory.stat': '',
    },
    (open) => assert.equal(open().share(), 0.6),
  ));

test('memory gauge: a neighbour that fills the group is not shed for', () =>
  withFiles({ ...V2, 'proc/statm': pages(24) }, (open, write) => {
    const gauge = open();
    assert.equal(gauge.share(), 0.24);
    write('proc/statm', pages(26));
    assert.equal(gauge.share(), 0.8);
  }));

test('memory gauge: what is missing, empty or nonsense is no limit', () => {
  withFiles({}, (open) => assert.equal(open().share(), 0));
  withFiles({ 'proc/cgroup': '0::/\n' }, (open) => assert.equal(open().residentSize(), 0));
  withFiles({ ...V2, 'proc/cgroup': 'nonsense\n' }, (open) => assert.equal(open().share(), 0));
  withFiles({ ...V2, 'cgroup/system.slice/proxy-now.service/memory.max': '' }, (open) =>
    assert.equal(open().share(), 0),
  );
});

test('memory gauge: reads this process', () => {
  const gauge = new MemoryGauge();
  assert.ok(gauge.residentSize() > 10 * MB);
  assert.ok(gauge.share() >= 0);
});
