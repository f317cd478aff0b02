/**
 * A strict reader of the chunked coding (RFC 9112 §7.1), written apart from the product's own
 * decoder so that it can judge it. Incremental: feed a growing buffer, it resumes.
 */

export type ChunkedState = 'more' | 'done' | 'bad';

const HEX = /^[0-9A-Fa-f]{1,14}$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export class ChunkedReader {
  /** Offset of the next unread byte in the buffer given to `read`. */
  position: number;
  readonly parts: Buffer[] = [];
  readonly trailers: string[] = [];
  chunkCount = 0;
  extensionSize = 0;
  reason = '';
  #inTrailers = false;

  constructor(position: number) {
    this.position = position;
  }

  body(): Buffer {
    return Buffer.concat(this.parts);
  }

  /** Reads as far as `bytes` goes. */
  read(bytes: Buffer): ChunkedState {
    for (;;) {
      const state = this.#inTrailers ? this.#readTrailer(bytes) : this.#readChunk(bytes);
      if (state !== 'next') return state;
    }
  }

  #bad(reason: string): ChunkedState {
    this.reason = reason;
    return 'bad';
  }

  #line(bytes: Buffer): string | null {
    const end = bytes.indexOf('\r\n', this.position, 'latin1');
    if (end < 0) return null;
    return bytes.toString('latin1', this.position, end);
  }

  #readChunk(bytes: Buffer): ChunkedState | 'next' {
    const line = this.#line(bytes);
    if (line === null) {
      const pending = bytes.toString('latin1', this.position, this.position + 200);
      return /[\n\0]/.test(pending) ? this.#bad('bare LF or NUL in a chunk line') : 'more';
    }
    const semicolon = line.indexOf(';');
    const size = semicolon < 0 ? line : line.slice(0, semicolon);
    if (!HEX.test(size)) return this.#bad(`chunk size ${JSON.stringify(size)}`);
    if (/[\r\n\0]/.test(line)) return this.#bad('control byte in a chunk line');
    if (semicolon >= 0) this.extensionSize += line.length - semicolon;
    const length = Number.parseInt(size, 16);
    const dataStart = this.position + line.length + 2;
    if (length === 0) {
      this.position = dataStart;
      this.#inTrailers = true;
      return 'next';
    }
    const dataEnd = dataStart + length;
    if (bytes.length < dataEnd + 2) {
      const tail = bytes.toString('latin1', dataEnd, dataEnd + 1);
      return tail === '' || tail === '\r' ? 'more' : this.#bad('chunk data longer than its size');
    }
    if (bytes.toString('latin1', dataEnd, dataEnd + 2) !== '\r\n') {
      return this.#bad('chunk data not followed by CRLF');
    }
    this.parts.push(Buffer.from(bytes.subarray(dataStart, dataEnd)));
    this.chunkCount++;
    this.position = dataEnd + 2;
    return 'next';
  }

  #readTrailer(bytes: Buffer): ChunkedState | 'next' {
    const line = this.#line(bytes);
    if (line === null) return 'more';
    this.position += line.length + 2;
    if (line === '') return 'done';
    const colon = line.indexOf(':');
    if (colon < 1 || !TOKEN.test(line.slice(0, colon)) || /[\r\n\0]/.test(line)) {
      return this.#bad(`trailer ${JSON.stringify(line)}`);
    }
    this.trailers.push(line);
    return 'next';
  }
}
