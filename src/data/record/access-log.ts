/**
 * Access log, write side: encodes records into a ring of fixed buffers and hands full ones on.
 *
 * A1  never waits: when every buffer is with the sink, records are dropped and counted.
 * A2  a buffer holds whole lines; it is not touched between `sink.write` and its `done`.
 * A3  no record is lost for its size alone: one that does not fit an empty buffer is written with
 *     its values cut short, so that a client cannot stay out of the log by sending long fields.
 *     (Only a template that repeats many fields can still fail; that is counted too.)
 * A4  `flush` is called by the owner's timer, so that a quiet worker's lines appear in time.
 */

import type { LogSink } from '../../contract/access-log.ts';
import { WorkerCell } from '../../contract/metric-layout.ts';
import { assert } from '../../base/assert.ts';
import { AccessRecord } from './access-record.ts';
import { LineWriter } from './line-writer.ts';
import type { LogLine } from './log-line.ts';

/** Size of one buffer: below it, cut records could stop fitting (A3). */
export const ACCESS_LOG_BUFFER_SIZE = 65_536;
/** Buffers per worker: one fills while the others are written. */
export const ACCESS_LOG_BUFFER_COUNT = 4;
/** Bytes of one value before it is cut. */
export const LOG_FIELD_SIZE_MAX = 4_096;
/** The same for a record that did not fit an empty buffer. */
export const LOG_FIELD_SIZE_SHORT = 256;

export interface AccessLogOptions {
  readonly line: LogLine;
  readonly sink: LogSink;
  /** The worker's metric cells. */
  readonly cells: Float64Array;
  /** At least two, owned by the log from now on; may lie over shared memory. */
  readonly buffers: readonly Uint8Array[];
}

export class AccessLog {
  /** The one record: fill it, `encode` it. Byte ranges are borrowed until then. */
  readonly record = new AccessRecord();
  #line: LogLine;
  readonly #sink: LogSink;
  readonly #cells: Float64Array;
  readonly #buffers: readonly Uint8Array[];
  /** 1 while the sink has the buffer. */
  readonly #isLent: Uint8Array;
  /** One callback per buffer, made once. */
  readonly #returns: readonly (() => void)[];
  #writer: LineWriter;
  #current = 0;

  constructor(options: AccessLogOptions) {
    assert(options.buffers.length >= 2, 'an access log needs two buffers');
    this.#line = options.line;
    this.#sink = options.sink;
    this.#cells = options.cells;
    this.#buffers = options.buffers;
    this.#isLent = new Uint8Array(options.buffers.length);
    this.#returns = options.buffers.map((_, index) => () => {
      this.#isLent[index] = 0;
    });
    this.#writer = new LineWriter(options.buffers[0]!, options.line.isJson);
  }

  /**
   * Encodes `record` and clears it.
   * @returns false when it was dropped (and counted): no free buffer, or a line too large
   */
  encode(): boolean {
    const isWritten = this.#place();
    this.record.clear();
    this.#cells[isWritten ? WorkerCell.accessLogRecords : WorkerCell.accessLogDropped]!++;
    return isWritten;
  }

  /** Writes lines of another format from now on. Those written so far are handed to the sink. */
  useLine(line: LogLine): void {
    this.flush(); // Now the current buffer is empty, or with the sink.
    this.#line = line;
    this.#writer = new LineWriter(this.#buffers[this.#current]!, line.isJson);
  }

  /** As in LogLine. */
  get wantsFingerprint(): boolean {
    return this.#line.wantsFingerprint;
  }

  /** Hands the lines written so far to the sink, if there are any. */
  flush(): void {
    const index = this.#current;
    const size = this.#writer.position;
    if (this.#isLent[index] === 1 || size === 0) return;
    const buffer = this.#buffers[index]!;
    this.#isLent[index] = 1;
    this.#current = (index + 1) % this.#buffers.length;
    this.#writer.open(this.#buffers[this.#current]!, 0);
    this.#cells[WorkerCell.accessLogBytes]! += size;
    this.#sink.write(buffer.subarray(0, size), this.#returns[index]!);
  }

  /** True when the sink has given every buffer back and no line waits for `flush`. */
  get isDrained(): boolean {
    return this.#writer.position === 0 && this.#isLent.indexOf(1) === -1;
  }

  #place(): boolean {
    if (this.#isLent[this.#current] === 1) return false;
    if (this.#fits(LOG_FIELD_SIZE_MAX)) return true;
    if (this.#writer.position > 0) {
      this.flush();
      if (this.#isLent[this.#current] === 1) return false;
      if (this.#fits(LOG_FIELD_SIZE_MAX)) return true;
    }
    return this.#fits(LOG_FIELD_SIZE_SHORT);
  }

  /** Writes the record at the current position, or leaves the buffer as it was. */
  #fits(fieldSizeMax: number): boolean {
    const writer = this.#writer;
    const start = writer.position;
    writer.isFull = false;
    this.#line.write(writer, this.record, fieldSizeMax);
    if (!writer.isFull) return true;
    writer.position = start;
    return false;
  }
}
