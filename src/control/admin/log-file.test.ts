import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { constants, closeSync, openSync, readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { LogFile } from './log-file.ts';
import type { LogFileSystem } from './log-file-system.ts';
import { nodeLogFileSystem } from './log-file-system.ts';

type Task = () => void;

/** A file system whose calls finish when the test says so, with the outcome it says. */
class SlowFiles implements LogFileSystem {
  readonly content = new Map<number, string>();
  readonly closed: number[] = [];
  opens: ((code: string | null) => void)[] = [];
  writes: ((code: string | null, size?: number) => void)[] = [];
  #nextFd = 10;

  open(_path: string, done: (code: string | null, fd: number) => void): void {
    this.opens.push((code) => done(code, code === null ? this.#nextFd++ : -1));
  }

  write(fd: number, bytes: Uint8Array, done: (code: string | null, size: number) => void): void {
    this.writes.push((code, size = bytes.length) => {
      if (code !== null) return done(code, 0);
      const text = new TextDecoder().decode(bytes.subarray(0, size));
      this.content.set(fd, (this.content.get(fd) ?? '') + text);
      done(null, size);
    });
  }

  close(fd: number): void {
    this.closed.push(fd);
  }

  finishOpen(code: string | null = null): void {
    this.opens.shift()!(code);
  }

  finishWrite(code: string | null = null, size?: number): void {
    this.writes.shift()!(code, size);
  }
}

function open(queueSizeMax = 1_000) {
  const files = new SlowFiles();
  const timers: Task[] = [];
  const problems: string[] = [];
  const file = new LogFile({
    path: '/log',
    fileSystem: files,
    queueSizeMax,
    later: (_delayMs, task) => timers.push(task),
    onProblem: (message, code) => problems.push(`${message}: ${code}`),
  });
  return { files, timers, problems, file };
}

test('log file: lines written before the file is open arrive in order', () => {
  const { files, file } = open();
  file.writeText('a\n');
  file.writeText('b\n');
  assert.equal(files.writes.length, 0);
  files.finishOpen();
  files.finishWrite();
  files.finishWrite();
  assert.equal(files.content.get(10), 'a\nb\n');
  assert.equal(file.writtenBytes, 4);
});

test('log file: a short write is continued where it stopped', () => {
  const { files, file } = open();
  let doneCount = 0;
  file.write(new TextEncoder().encode('hello\n'), () => doneCount++);
  files.finishOpen();
  for (const size of [2, 0, 3]) files.finishWrite(null, size);
  assert.equal(doneCount, 0, 'the bytes are still borrowed');
  files.finishWrite();
  assert.equal(files.content.get(10), 'hello\n');
  assert.equal(doneCount, 1);
});

test('log file: drops at the queue limit, counts lines, and tells the owner at once', () => {
  const { files, file } = open(8);
  file.writeText('1234567\n');
  let isDone = false;
  file.write(new TextEncoder().encode('a\nb\n'), () => (isDone = true));
  assert.ok(isDone);
  assert.equal(file.droppedLines, 2);
  files.finishOpen();
  files.finishWrite();
  file.writeText('1234567\n');
  assert.equal(file.droppedLines, 2, 'exactly the limit fits');
  files.finishWrite();
  assert.equal(files.content.get(10), '1234567\n1234567\n');
});

test('log file: a failed write costs its lines, and the next starts on a line of its own', () => {
  const { files, file, problems } = open();
  files.finishOpen();
  file.writeText('one\ntwo\nthree\n');
  file.writeText('four\n');
  files.finishWrite(null, 6);
  files.finishWrite('ENOSPC');
  assert.equal(file.droppedLines, 2, 'the torn line and the one after it');
  files.finishWrite();
  files.finishWrite();
  assert.equal(files.content.get(10), 'one\ntw\nfour\n');
  assert.deepEqual(problems, ['log /log cannot be written: ENOSPC']);
});

test('log file: reports a lasting problem once, and again after a success', () => {
  const { files, file, problems } = open();
  files.finishOpen();
  for (const code of ['ENOSPC', 'ENOSPC', null, 'ENOSPC']) {
    file.writeText('x\n');
    files.finishWrite(code);
  }
  assert.equal(problems.length, 2);
  assert.equal(file.droppedLines, 3);
});

test('log file: a full pipe is tried again later and loses nothing', () => {
  const { files, file, timers } = open();
  files.finishOpen();
  file.writeText('abc\n');
  files.finishWrite(null, 1);
  files.finishWrite('EAGAIN');
  assert.equal(files.writes.length, 0);
  timers.shift()!();
  files.finishWrite();
  assert.equal(files.content.get(10), 'abc\n');
  assert.equal(file.droppedLines, 0);
});

test('log file: reopen sends later lines to the new file and closes the old one', () => {
  const { files, file } = open();
  files.finishOpen();
  file.writeText('old\n');
  file.reopen();
  file.writeText('new\n');
  files.finishWrite();
  files.finishOpen();
  files.finishWrite();
  assert.deepEqual(
    [...files.content],
    [
      [10, 'old\n'],
      [11, 'new\n'],
    ],
  );
  assert.deepEqual(files.closed, [10]);
});

test('log file: when reopening fails the old file stays in use', () => {
  const { files, file, problems } = open();
  files.finishOpen();
  file.reopen();
  file.writeText('x\n');
  files.finishOpen('EACCES');
  files.finishWrite();
  assert.equal(files.content.get(10), 'x\n');
  assert.deepEqual(problems, ['log /log cannot be opened: EACCES']);
  assert.deepEqual(files.closed, []);
});

test('log file: an open that fails at first is tried again', () => {
  const { files, file, timers } = open();
  file.writeText('x\n');
  files.finishOpen('ENOENT');
  timers.shift()!();
  files.finishOpen();
  files.finishWrite();
  assert.equal(files.content.get(10), 'x\n');
});

test('log file: close writes what is queued, then closes and drops later lines', async () => {
  const { files, file } = open();
  files.finishOpen();
  file.writeText('x\n');
  const closed = file.close(1_000);
  file.writeText('late\n');
  files.finishWrite();
  await closed;
  assert.equal(files.content.get(10), 'x\n');
  assert.deepEqual(files.closed, [10]);
  assert.equal(file.droppedLines, 1);
});

test('log file: close gives up at its timeout and closes the file once', async () => {
  const { files, file, timers } = open();
  files.finishOpen();
  file.writeText('x\n');
  file.writeText('y\n');
  const closed = file.close(1_000);
  timers.shift()!();
  await closed;
  assert.equal(file.droppedLines, 2);
  assert.deepEqual(files.closed, []);
  files.finishWrite();
  assert.deepEqual(files.closed, [10], 'when the call in flight returned');
});

function temporary(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'log-file-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function openReal(path: string, timers: Task[], problems: string[] = []): LogFile {
  return new LogFile({
    path,
    fileSystem: nodeLogFileSystem,
    later: (_delayMs, task) => timers.push(task),
    onProblem: (_message, code) => problems.push(code),
  });
}

test('log file: rotation on a real file system loses no line', async (context) => {
  const path = join(temporary(context), 'access.log');
  const file = openReal(path, []);
  for (let i = 0; i < 500; i++) {
    file.writeText(`line ${i}\n`);
    if (i === 250) {
      await file.idle();
      renameSync(path, `${path}.1`);
      file.writeText('between\n');
      await file.idle();
      file.reopen();
    }
  }
  await file.close(10_000);
  const [first, second] = [readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')];
  assert.equal(first.trimEnd().split('\n').length, 252);
  assert.ok(first.endsWith('line 250\nbetween\n'));
  assert.equal(second.trimEnd().split('\n').length, 249);
  assert.equal(statSync(path).mode & 0o007, 0, 'not readable by others');
});

test('log file: a FIFO nobody reads fails to open, then works once it is read', async (context) => {
  const path = join(temporary(context), 'fifo');
  execFileSync('mkfifo', [path]);
  const timers: Task[] = [];
  const problems: string[] = [];
  const file = openReal(path, timers, problems);
  file.writeText('hello\n');
  while (timers.length === 0) await new Promise(setImmediate);
  assert.deepEqual(problems, ['ENXIO']);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  timers.shift()!();
  await file.idle();
  const bytes = new Uint8Array(100);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, readSync(reader, bytes))), 'hello\n');
  // Nobody reads on: the pipe fills, and the process neither blocks nor fails.
  file.write(new Uint8Array(2_000_000).fill(0x0a));
  while (timers.length === 0) await new Promise(setImmediate);
  assert.deepEqual(problems, ['ENXIO', 'EAGAIN']);
  const closed = file.close(1);
  timers.pop()!();
  await closed;
  timers.shift()!();
  assert.ok(file.droppedLines > 1_000_000);
  closeSync(reader);
});
