import test from 'node:test';
import assert from 'node:assert/strict';
import {
  parseProportional,
  parseStat,
  readProportional,
  readUsage,
  selectTree,
  sumUsage,
} from './procfs.ts';

/** A stat line in the order of proc(5): utime is field 14, rss field 24. */
function line(pid: number, name: string, parent: number, cpu: readonly number[]): string {
  const [user, system, childUser, childSystem] = cpu;
  return (
    `${pid} (${name}) S ${parent} 1 1 0 -1 4194304 99 0 0 0 ${user} ${system} ` +
    `${childUser} ${childSystem} 20 0 1 0 131141 3133440 362 18446744073709551615 1 1 0\n`
  );
}

test('procfs: reads parent, CPU of self and ended children, and resident pages', () => {
  assert.deepEqual(parseStat(line(70, 'nginx', 7, [10, 20, 300, 4000])), {
    pid: 70,
    parentPid: 7,
    cpuTicks: 4330,
    residentPages: 362,
  });
});

test('procfs: finds the fields when the name holds spaces and parentheses', () => {
  const stat = parseStat(line(71, 'a) S 9 (b', 7, [1, 2, 0, 0]));
  assert.equal(stat?.parentPid, 7);
  assert.equal(stat?.cpuTicks, 3);
});

test('procfs: returns null when the line is cut or not a stat line', () => {
  assert.equal(parseStat(''), null);
  assert.equal(parseStat('12 sleep S 1'), null);
  assert.equal(parseStat('12 (sleep) S 1 1 1'), null);
});

test('procfs: a tree holds grandchildren and leaves strangers out', () => {
  const stats = [
    { pid: 1, parentPid: 0, cpuTicks: 1000, residentPages: 1000 },
    { pid: 12, parentPid: 11, cpuTicks: 30, residentPages: 3 },
    { pid: 10, parentPid: 1, cpuTicks: 100, residentPages: 1 },
    { pid: 11, parentPid: 10, cpuTicks: 20, residentPages: 2 },
    { pid: 20, parentPid: 1, cpuTicks: 5000, residentPages: 9 },
  ];
  const usage = sumUsage(selectTree(stats, 10));
  assert.deepEqual(usage, { pids: [10, 11, 12], cpuSeconds: 1.5, residentBytes: 6 * 4096 });
  assert.deepEqual(selectTree(stats, 99), []);
});

test('procfs: reads this very process when asked for it', () => {
  const usage = readUsage(process.pid);
  assert.equal(usage.pids[0], process.pid);
  assert.ok(usage.residentBytes > 1_000_000);
});

test('procfs: reads the proportional share and not a line that begins alike', () => {
  const text = 'Rss:   900 kB\nPss_Anon:   7 kB\nPss:              400 kB\nPss_Dirty:  3 kB\n';
  assert.equal(parseProportional(text), 400 * 1024);
  assert.equal(parseProportional('Pss_Anon:   7 kB\n'), 0);
  assert.ok(readProportional([process.pid, process.pid]) > 0);
});
