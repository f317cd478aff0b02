/**
 * Listener: accepts client connections on one address and hands them to their protocol.
 *
 * L1  a connection over a limit gets a short answer and is closed; nothing is read from it. In a
 *     flood only `REFUSING_MAX` at a time get the answer, the others a reset: a refused connection
 *     that waits for its client holds a descriptor which the limit does not count.
 * L2  draining closes the listening socket first, then idle connections, then each other one after
 *     its answer.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { Fault, FAULTS } from '../../contract/fault.ts';
import { listenerBase, ListenerCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { ListenerSpec } from '../../contract/snapshot.ts';
import type { ConnectionOwner } from '../connection/h1-client-connection.ts';
import { H1ClientConnection } from '../connection/h1-client-connection.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Connection, ConnectionEvents, ListenEvents, Listening } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import type { ConnectionCounts } from './connection-counts.ts';

const REFUSALS: { readonly [fault: number]: Uint8Array } = {
  [Fault.connectionLimit]: refusal('503 Service Unavailable', Fault.connectionLimit),
  [Fault.addressConnectionLimit]: refusal('429 Too Many Requests', Fault.addressConnectionLimit),
};

/** Refused connections that have not ended yet, per listener. */
const REFUSING_MAX = 256;

/** Events nobody needs any more. */
const IGNORED: ConnectionEvents = {
  onOpen(): void {},
  onReadable(): void {},
  onWritable(): void {},
  onEnd(): void {},
  onClose(): void {},
};

export interface ListenerOptions {
  readonly spec: ListenerSpec;
  readonly index: number;
  /** An inherited, already bound socket; -1 to bind here. */
  readonly fd: number;
  readonly plane: Plane;
  readonly counts: ConnectionCounts;
  /** This worker's share of the process limits. */
  readonly connectionsMax: () => number;
  readonly connectionsPerAddressMax: () => number;
  /** The socket is bound and listening; `port` as the kernel chose it. */
  readonly onListening: (port: number) => void;
  readonly onError: (message: string) => void;
  /** The last connection of a draining listener is gone. */
  readonly onDrained: () => void;
}

export class Listener implements ListenEvents, ConnectionOwner {
  readonly listenerIndex: number;
  readonly metricBase: number;
  private readonly options: ListenerOptions;
  private readonly connections = new Set<H1ClientConnection>();
  private readonly listening: Listening;
  /** A refused connection is only written to and closed. */
  private readonly refusing: ConnectionEvents;
  private refusingCount = 0;
  private isDraining = false;

  constructor(options: ListenerOptions) {
    this.options = options;
    this.listenerIndex = options.index;
    this.metricBase = listenerBase(options.spec.metricIndex);
    this.refusing = { ...IGNORED, onClose: () => void this.refusingCount-- };
    const { kind, host, port } = options.spec;
    const target = { kind, host, port, fd: options.fd };
    this.listening = options.plane.backend.listen(target, this);
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  onListening(): void {
    this.options.onListening(this.listening.port);
  }

  onAccept(connection: Connection): void {
    const { plane, counts } = this.options;
    const cells = plane.cells;
    const address = connection.peerAddress;
    const fault = counts.check(
      address,
      this.options.connectionsMax(),
      this.options.connectionsPerAddressMax(),
    );
    if (fault !== Fault.none) {
      cells[this.metricBase + ListenerCell.refused]!++;
      cells[WorkerCell.faults + fault]!++;
      this.refuse(connection, fault);
      return;
    }
    counts.add(address);
    cells[this.metricBase + ListenerCell.accepted]!++;
    cells[this.metricBase + ListenerCell.open]!++;
    const client = new H1ClientConnection(this, plane, connection);
    this.connections.add(client);
    connection.events = client;
    connection.resume();
  }

  onError(message: string): void {
    this.options.onError(message);
  }

  onConnectionClosed(connection: H1ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    this.options.counts.remove(connection.peerAddress);
    this.options.plane.cells[this.metricBase + ListenerCell.open]!--;
    if (this.isDraining && this.connections.size === 0) this.options.onDrained();
  }

  /** Stops accepting and lets connections end; `onDrained` follows, perhaps at once. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.listening.close();
    for (const connection of Array.from(this.connections)) connection.drain();
    if (this.connections.size === 0) this.options.onDrained();
  }

  /** Ends what a drain did not. */
  abort(): void {
    this.listening.close();
    for (const connection of Array.from(this.connections)) connection.abortNow();
  }

  private refuse(connection: Connection, fault: Fault): void {
    const chunks = this.options.plane.backend.chunks;
    const bytes = REFUSALS[fault]!;
    if (this.refusingCount >= REFUSING_MAX) {
      connection.events = IGNORED;
      connection.reset();
      return;
    }
    this.refusingCount++;
    connection.events = this.refusing;
    const chunk = chunks.acquire(bytes.length);
    if (chunk !== null) {
      chunk.bytes.set(bytes, CHUNK_HEADROOM);
      connection.write(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.length);
      chunks.release(chunk);
    }
    connection.close();
  }
}

function refusal(status: string, fault: Fault): Uint8Array {
  const body = `${FAULTS[fault].text}\n`;
  return latin1Bytes(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n` +
      `Retry-After: 1\r\nConnection: close\r\n\r\n${body}`,
  );
}
