/**
 * A scripted origin's side of a handshake: waits for the whole ClientHello, secures the connection
 * and gives it to the script.
 */

import type { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type { Chunk, Connection, ConnectionEvents, IoBackend } from '../backend.ts';
import type { SimPeer } from './sim-peer.ts';
import { SimServerContext } from './sim-tls.ts';
import type { ClientAuthMode } from '../../../contract/tls.ts';

/** How a scripted origin speaks TLS. */
export interface SimTlsOrigin {
  readonly alpn: readonly string[];
  readonly clientAuth?: ClientAuthMode;
  /** It takes the ClientHello and never answers. */
  readonly isSilent?: boolean;
}

const RECORD_HEAD_SIZE = 5;

export class SimTlsAccept implements ConnectionEvents {
  readonly #backend: IoBackend;
  readonly #connection: Connection;
  readonly #peer: SimPeer;
  readonly #tls: SimTlsOrigin;
  #received: number[] = [];

  constructor(backend: IoBackend, connection: Connection, peer: SimPeer, tls: SimTlsOrigin) {
    this.#backend = backend;
    this.#connection = connection;
    this.#peer = peer;
    this.#tls = tls;
  }

  onOpen(): void {
    this.#connection.events = this.#peer;
    this.#peer.onOpen();
  }

  onReadable(chunk: Chunk, start: number, end: number): void {
    const received = this.#received;
    received.push(...chunk.bytes.subarray(start, end));
    if (received.length < RECORD_HEAD_SIZE) return;
    const size = RECORD_HEAD_SIZE + ((received[3]! << 8) | received[4]!);
    if (received.length < size || this.#tls.isSilent === true) return;
    const bytes = new Uint8Array(CHUNK_HEADROOM + size);
    bytes.set(received, CHUNK_HEADROOM);
    const hello = { chunk: { bytes, isShared: true }, start: CHUNK_HEADROOM, end: bytes.length };
    const context = new SimServerContext({ clientAuth: this.#tls.clientAuth ?? 'none' });
    this.#backend.secure(this.#connection, context, this.#tls.alpn, hello);
  }

  onWritable(): void {}

  /** In the handshake the backend closes; before it, nobody is there to talk to. */
  onEnd(): void {
    this.#connection.close();
  }

  onClose(fault: Fault): void {
    this.#peer.onClose(fault);
  }
}
