import assert from 'node:assert/strict';
import test from 'node:test';

import type { LogSink } from '../../contract/access-log.ts';
import { WorkerCell, createMetricBuffer } from '../../contract/metric-layout.ts';
import { ACCESS_LOG_BUFFER_SIZE, AccessLog, LOG_FIELD_SIZE_SHORT } from './access-log.ts';
import { LogLine } from './log-line.ts';

/** A sink that keeps what it is given until `give` is called. */
class SlowSink implements LogSink {
  readonly lines: string[] = [];
  readonly #held: (() => void)[] = [];

  write(bytes: Uint8Array, done: () => void): void {
    this.lines.push(...new TextDecoder().decode(bytes).split('\n').slice(0, -1));
    this.#held.push(done);
  }

  get heldCount(): number {
    return this.#held.length;
  }

  give(): void {
    this.#held.shift()!();
  }
}

function open(bufferSize: number, bufferCount: number, template = '{path}') {
  const sink = new SlowSink();
  const cells = new Float64Array(createMetricBuffer());
  const line = new LogLine({ path: 'stdout', format: 'template', template });
  const buffers = Array.from({ length: bufferCount }, () => new Uint8Array(bufferSize));
  const log = new AccessLog({ line, sink, cells, buffers });
  const write = (path: string): boolean => {
    const bytes = new TextEncoder().encode(path);
    log.record.path.set(bytes, 0, bytes.length);
    return log.encode();
  };
  return { log, sink, cells, write };
}

test('access log: nothing reaches the sink before a flush or a full buffer', () => {
  const { log, sink, write, cells } = open(64, 2);
  assert.ok(write('/a'));
  assert.equal(sink.heldCount, 0);
  assert.equal(log.isDrained, false);
  log.flush();
  assert.deepEqual(sink.lines, ['/a']);
  log.flush();
  assert.equal(sink.heldCount, 1, 'an empty buffer is not handed on');
  sink.give();
  assert.equal(log.isDrained, true);
  assert.equal(cells[WorkerCell.accessLogRecords], 1);
  assert.equal(cells[WorkerCell.accessLogBytes], 3);
});

test('access log: encode clears the record', () => {
  const { log, write } = open(64, 2, '{path} {status}');
  log.record.status = 200;
  write('/a');
  assert.equal(log.record.status, 0);
  assert.equal(log.record.path.end, 0);
});

test('access log: drops and counts exactly when every buffer is with the sink', () => {
  const { log, sink, write, cells } = open(64, 2);
  write('/1');
  log.flush();
  assert.ok(write('/2'), 'the second buffer is free');
  log.flush();
  assert.equal(write('/3'), false);
  assert.equal(write('/4'), false);
  assert.equal(cells[WorkerCell.accessLogDropped], 2);
  assert.equal(cells[WorkerCell.accessLogRecords], 2);
  sink.give();
  assert.ok(write('/5'), 'a buffer that came back is used again');
  log.flush();
  assert.deepEqual(sink.lines, ['/1', '/2', '/5']);
});

test('access log: a line that does not fit the rest goes whole into the next buffer', () => {
  const { log, sink, write } = open(64, 3);
  write(`/${'a'.repeat(40)}`);
  write(`/${'b'.repeat(40)}`);
  log.flush();
  assert.deepEqual(sink.lines, [`/${'a'.repeat(40)}`, `/${'b'.repeat(40)}`]);
});

test('access log: order is kept through many buffers with a sink that answers late', () => {
  const { log, sink, write } = open(64, 4);
  const wanted: string[] = [];
  for (let i = 0; i < 500; i++) {
    if (write(`/request/${i}`)) wanted.push(`/request/${i}`);
    if (sink.heldCount === 3) sink.give();
  }
  log.flush();
  assert.equal(wanted.length, 500);
  assert.deepEqual(sink.lines, wanted);
});

test('access log: a huge hostile record is cut short, not lost', () => {
  const template = '{path} {query} {host} {user-agent} {referer}';
  const { log, sink, cells } = open(ACCESS_LOG_BUFFER_SIZE, 2, template);
  const bytes = new Uint8Array(16_384).fill(1);
  const { path, query, host, userAgent, referer } = log.record;
  for (const range of [path, query, host, userAgent, referer]) range.set(bytes, 0, bytes.length);
  assert.ok(log.encode());
  log.flush();
  assert.equal(sink.lines.length, 1);
  const cut = `${'\\x01'.repeat(LOG_FIELD_SIZE_SHORT)}...`;
  assert.equal(sink.lines[0], Array.from({ length: 5 }, () => cut).join(' '));
  assert.equal(cells[WorkerCell.accessLogDropped], 0);
});

test('access log: a line that cannot fit any buffer is dropped and leaves no trace', () => {
  const { log, sink, write, cells } = open(64, 2, '{path}{path}{path}');
  assert.equal(write('a'.repeat(60)), false);
  assert.equal(cells[WorkerCell.accessLogDropped], 1);
  assert.ok(write('b'));
  log.flush();
  assert.deepEqual(sink.lines, ['bbb']);
});

test('access log: a sink that is done at once keeps the ring free', () => {
  const cells = new Float64Array(createMetricBuffer());
  const line = new LogLine({ path: 'stdout', format: 'common', template: '' });
  let bytes = 0;
  const sink: LogSink = {
    write(chunk, done) {
      bytes += chunk.length;
      done();
    },
  };
  const buffers = [new Uint8Array(256), new Uint8Array(256)];
  const log = new AccessLog({ line, sink, cells, buffers });
  for (let i = 0; i < 1_000; i++) assert.ok(log.encode());
  log.flush();
  assert.equal(cells[WorkerCell.accessLogBytes], bytes);
  assert.equal(log.isDrained, true);
});
