/**
 * Refuser: turns connections away that are over a limit, with a short answer in their own words.
 *
 * R1  nothing is read from a refused connection.
 * R2  in a flood only `REFUSING_MAX` at a time get the answer, the others a reset: a refused
 *     connection that waits for its client holds a descriptor which no limit counts.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { Fault, FAULTS } from '../../contract/fault.ts';
import type { ChunkSource, Connection, ConnectionEvents } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import { refuseFor } from '../tls/refusal.ts';

/** Refused connections that have not ended yet, per listener. */
export const REFUSING_MAX = 256;

const REFUSALS: { readonly [fault: number]: Uint8Array } = {
  [Fault.connectionLimit]: refusal('503 Service Unavailable', Fault.connectionLimit),
  [Fault.addressConnectionLimit]: refusal('429 Too Many Requests', Fault.addressConnectionLimit),
  [Fault.overloaded]: refusal('503 Service Unavailable', Fault.overloaded),
};

/** Events nobody needs any more. */
const IGNORED: ConnectionEvents = {
  onOpen(): void {},
  onReadable(): void {},
  onWritable(): void {},
  onEnd(): void {},
  onClose(): void {},
};

export class Refuser {
  private readonly chunks: ChunkSource;
  /** A refused connection is only written to and closed. */
  private readonly refusing: ConnectionEvents;
  private count = 0;

  constructor(chunks: ChunkSource) {
    this.chunks = chunks;
    this.refusing = { ...IGNORED, onClose: () => void this.count-- };
  }

  /**
   * @param isSealed the client expects TLS, and there is none yet: it is told by an alert, which
   *        says no more than that it is not the client's doing
   */
  refuse(connection: Connection, fault: Fault, isSealed: boolean): void {
    if (this.count >= REFUSING_MAX) {
      connection.events = IGNORED;
      connection.reset();
      return;
    }
    this.count++;
    connection.events = this.refusing;
    if (isSealed) {
      refuseFor(this.chunks, connection, Fault.internal);
      return;
    }
    this.write(connection, REFUSALS[fault]!);
    connection.close();
  }

  private write(connection: Connection, bytes: Uint8Array): void {
    const chunk = this.chunks.acquire(bytes.length);
    if (chunk === null) return;
    chunk.bytes.set(bytes, CHUNK_HEADROOM);
    connection.write(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.length);
    this.chunks.release(chunk);
  }
}

function refusal(status: string, fault: Fault): Uint8Array {
  const body = `${FAULTS[fault].text}\n`;
  return latin1Bytes(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n` +
      `Retry-After: 1\r\nConnection: close\r\n\r\n${body}`,
  );
}
