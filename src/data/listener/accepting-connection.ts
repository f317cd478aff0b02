/**
 * A connection between accept and its protocol, as its listener counts it: reads a PROXY header,
 * or is in its handshake. An acceptance does the work; this ties it to one listener, whatever
 * generation that has.
 */

import type { CidrSet } from '../../base/cidr.ts';
import type { ClientConnection } from '../connection/client-connection.ts';
import type { Chunk, Connection } from '../io/backend.ts';
import { Acceptance } from '../tls/acceptance.ts';
import type { AcceptanceOwner } from '../tls/acceptance-owner.ts';
import type { LinkedPassthrough, ListenerTls } from '../tls/linked-tls.ts';
import type { WorkerTls } from '../tls/worker-tls.ts';

/** The listener. Fields are read when they are needed: a reload changes them. */
export interface AcceptingOwner {
  readonly listenerTls: ListenerTls | null;
  readonly proxyPeers: CidrSet | null;
  readonly metricBase: number;
  readonly headTimeoutMs: number;
  readonly wantsFingerprint: boolean;
  /** As in AcceptanceOwner; `accepting` leaves the listener by each of them. */
  onSecure(accepting: AcceptingConnection, acceptance: Acceptance): void;
  onPlain(
    accepting: AcceptingConnection,
    acceptance: Acceptance,
    chunk: Chunk,
    start: number,
    end: number,
  ): void;
  onPassthrough(
    accepting: AcceptingConnection,
    acceptance: Acceptance,
    passthrough: LinkedPassthrough,
    chunk: Chunk,
    start: number,
    end: number,
  ): void;
  onConnectionClosed(accepting: AcceptingConnection): void;
}

export class AcceptingConnection implements ClientConnection, AcceptanceOwner {
  readonly peerAddress: string;
  private readonly owner: AcceptingOwner;
  private readonly acceptance: Acceptance;

  /**
   * @param address of the other end of `connection`
   * @param peerAddress what it is counted for; empty where a PROXY header will name somebody else
   */
  constructor(
    owner: AcceptingOwner,
    tls: WorkerTls,
    connection: Connection,
    address: string,
    // oxlint-disable-next-line max-params -- one connection, and who it is from.
    peerAddress: string,
  ) {
    this.owner = owner;
    this.peerAddress = peerAddress;
    this.acceptance = new Acceptance(this, tls, connection, address);
  }

  begin(): void {
    this.acceptance.begin();
  }

  // As its listener sees it.

  get unusedMs(): number {
    return this.acceptance.unusedMs;
  }

  makeRoom(): void {
    this.acceptance.makeRoom();
  }

  /** Closes it as long as it has said nothing; a handshake goes on, and is served. */
  closeIdle(): void {
    if (this.acceptance.isSilent) this.acceptance.makeRoom();
  }

  closeIfStalled(): void {} // Its handshake has a timeout of its own.

  visitExchange(): void {}

  abortNow(): void {
    this.acceptance.abort();
  }

  // As its acceptance sees it.

  get listenerTls(): ListenerTls | null {
    return this.owner.listenerTls;
  }

  get proxyPeers(): CidrSet | null {
    return this.owner.proxyPeers;
  }

  get metricBase(): number {
    return this.owner.metricBase;
  }

  get headTimeoutMs(): number {
    return this.owner.headTimeoutMs;
  }

  get wantsFingerprint(): boolean {
    return this.owner.wantsFingerprint;
  }

  onSecure(acceptance: Acceptance): void {
    this.owner.onSecure(this, acceptance);
  }

  onPlain(acceptance: Acceptance, chunk: Chunk, start: number, end: number): void {
    this.owner.onPlain(this, acceptance, chunk, start, end);
  }

  onPassthrough(
    acceptance: Acceptance,
    passthrough: LinkedPassthrough,
    chunk: Chunk,
    start: number,
    // oxlint-disable-next-line max-params -- as in AcceptanceOwner.
    end: number,
  ): void {
    this.owner.onPassthrough(this, acceptance, passthrough, chunk, start, end);
  }

  onGone(): void {
    this.owner.onConnectionClosed(this);
  }
}
