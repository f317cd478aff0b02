/**
 * Standard error: where the process log and what people are told goes.
 *
 * E1  Node queues what the reader of a pipe does not take, without end. Beyond `WAITING_MAX` lines
 *     are dropped, and counted in the next one that goes out: a reader that is stuck must not fill
 *     the memory of a proxy that serves.
 */

/** Bytes that may wait to be taken. */
const WAITING_MAX = 1_048_576;

/** The part of a stream that is used here. */
export interface TextStream {
  /** Bytes that wait to be taken. */
  readonly writableLength: number;
  write(text: string): unknown;
}

/** @returns writes a line, its end included, to `stream`, or drops it (E1); never waits */
export function lineWriter(stream: TextStream): (line: string) => void {
  let dropped = 0;
  return (line) => {
    if (stream.writableLength > WAITING_MAX) {
      dropped++;
      return;
    }
    if (dropped > 0) stream.write(`proxy-now: ${dropped} lines were dropped, nobody read them\n`);
    dropped = 0;
    stream.write(line);
  };
}

/** Writes a line to standard error of this process. */
export const writeError: (line: string) => void = lineWriter({
  get writableLength() {
    return process.stderr.writableLength;
  },
  write: (text) => process.stderr.write(text),
});
