/**
 * Acceptance: a connection from accept to its first decrypted byte, or to whoever gets it as it is.
 *
 *     PROXY header → ClientHello → (wait for a certificate) → handshake → owner
 *
 * Nothing that a client says before the handshake has ended decides more than which certificate it
 * sees, which policy it has to satisfy, or which passthrough it reaches; see
 * docs/internals/tls-routing.md. Versions and ciphers are chosen by the context alone.
 *
 * A1  one timer bounds every state: from accept for who is silent, anew from the first byte of the
 *     hello to the end of the handshake, and for who waits for a certificate.
 * A2  at most `HELLO_WIRE_SIZE_MAX` bytes and one read are held, and none after the hello.
 * A3  a refused client is told why by an alert where TLS has one, and the connection lingers so
 *     that the alert arrives; each is counted once, by its fault.
 * A4  nothing thrown here reaches the backend.
 */

import { Fault } from '../../contract/fault.ts';
import { ListenerCell, WorkerCell } from '../../contract/metric-layout.ts';
import {
  HEADER_SIZE_MAX,
  ProxyHeader,
  ProxyResult,
  readProxyHeader,
} from '../codec/proxy-protocol/proxy-header.ts';
import type { Chunk, Connection, ConnectionEvents, Timer } from '../io/backend.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import type { AcceptanceOwner } from './acceptance-owner.ts';
import type { HelloClient } from './hello-choice.ts';
import { chooseForHello, HelloAction, HelloChoice } from './hello-choice.ts';
import { HELLO_WIRE_SIZE_MAX, HelloResult, readClientHello } from './client-hello.ts';
import type { LinkedPolicy, ListenerTls } from './linked-tls.ts';
import { refuseFor, refuseHello } from './refusal.ts';
import type { Waiter } from './waiting-names.ts';
import { WAIT_MS } from './waiting-names.ts';
import type { WorkerTls } from './worker-tls.ts';

const State = {
  proxyHeader: 0,
  hello: 1,
  /** For a certificate on demand. */
  waiting: 2,
  handshake: 3,
  /** Refused: the alert is on its way. */
  closing: 4,
  /** Given to the owner, or closed. */
  done: 5,
} as const;
type State = (typeof State)[keyof typeof State];

/** Who has just come is about to send. */
const NEW_IDLE_MS = 1_000;

/** Reused, each within one callback. */
const choice = new HelloChoice();
const proxyHeader = new ProxyHeader();

export class Acceptance implements ConnectionEvents, HelloClient, Waiter {
  readonly connection: Connection;
  /** Whom the connection is from, after a PROXY header; empty for unix sockets. */
  peerAddress: string;
  /** From a PROXY header; else as in `connection`. */
  peerPort = 0;
  /** The address that the client connected to, if a PROXY header has said one; else empty. */
  proxiedLocalAddress = '';
  proxiedLocalPort = 0;
  /** A PROXY header has named the client. */
  isProxied = false;
  /** Name in the ClientHello, lower case; empty: none. Advisory, as said by the client. */
  serverName = '';
  /** JA4; empty unless the owner or the policy wants it. */
  fingerprint = '';
  /** As in HelloClient. */
  hasWaited = false;
  /** The policy that the handshake has satisfied; null without TLS. */
  policy: LinkedPolicy | null = null;
  readonly #owner: AcceptanceOwner;
  readonly #worker: WorkerTls;
  readonly #held: HeldBytes;
  readonly #timer: Timer;
  #state: State = State.proxyHeader;
  #fault: Fault = Fault.none;
  /** Bytes that a held hello needs at least to be looked at again. */
  #wantedSize = 0;
  /** The first byte of a hello has come, at `#helloMs`, or later the certificate waited for. */
  #hasBytes = false;
  #helloMs = 0;
  #isChallenge = false;
  /** When the last thing happened that the client did. */
  #activeMs: number;

  /** @param peerAddress of the connection, which its owner has asked for already */
  constructor(
    owner: AcceptanceOwner,
    worker: WorkerTls,
    connection: Connection,
    peerAddress: string,
  ) {
    this.#owner = owner;
    this.#worker = worker;
    this.connection = connection;
    this.peerAddress = peerAddress;
    this.#held = new HeldBytes(worker.backend);
    this.#timer = worker.backend.timer(() => this.#onTimer());
    this.#activeMs = worker.backend.nowMs();
  }

  /** Takes the connection, which is not reading yet, and makes it read. */
  begin(): void {
    this.#state = this.#expectsProxyHeader() ? State.proxyHeader : State.hello;
    this.#startTimer();
    this.connection.events = this;
    this.connection.resume();
  }

  /** The address that the client connected to. */
  get localAddress(): string {
    return this.proxiedLocalAddress || this.connection.localAddress;
  }

  /** As in HelloClient. */
  get wantsFingerprint(): boolean {
    return this.#owner.wantsFingerprint;
  }

  /** As in Idler: how long a client has left us without its hello; -1 from then on. */
  get unusedMs(): number {
    if (this.#state > State.hello) return -1;
    const unusedMs = this.#worker.backend.nowMs() - this.#activeMs;
    return unusedMs < NEW_IDLE_MS ? -1 : unusedMs;
  }

  /** Closes at once, in favour of others. */
  makeRoom(): void {
    this.#end(Fault.none);
  }

  /** Closes at once, for a drain that has taken too long. */
  abort(): void {
    this.#end(this.isSilent ? Fault.none : Fault.aborted);
  }

  /** True while not a byte has come: a drain may close it, and nobody misses anything. */
  get isSilent(): boolean {
    return this.#state <= State.hello && !this.#hasBytes && this.#held.isEmpty;
  }

  // From the world.

  onReadable(chunk: Chunk, start: number, end: number): void {
    try {
      this.#read(chunk, start, end);
    } catch (error) {
      this.#onInternalError(error);
    }
  }

  /** The handshake has ended well. */
  onOpen(): void {
    try {
      this.#onSecured();
    } catch (error) {
      this.#onInternalError(error);
    }
  }

  onWritable(): void {
    // An alert is written once and never waited for.
  }

  onEnd(): void {
    if (this.#state === State.closing) return;
    this.#fail(this.#faultOfEnd(Fault.tlsHandshakeFailed)); // Who has ended cannot be answered.
    this.connection.close();
  }

  onClose(fault: Fault): void {
    if (this.#state === State.done) return;
    const isRefused = fault === Fault.tlsClientRefused;
    this.#fail(isRefused ? fault : this.#faultOfEnd(Fault.tlsHandshakeFailed));
    this.#gone();
  }

  /** As in Waiter. */
  onSettled(): void {
    try {
      if (this.#state !== State.waiting) return;
      this.#state = State.hello;
      this.#helloMs = this.#worker.backend.nowMs();
      this.#onHello(this.#held.chunk!, this.#held.start, this.#held.end);
    } catch (error) {
      this.#onInternalError(error);
    }
  }

  // The steps.

  #read(chunk: Chunk, start: number, end: number): void {
    if (this.#state > State.hello || start >= end) return;
    this.#activeMs = this.#worker.backend.nowMs();
    if (this.#held.isEmpty) {
      this.#look(chunk, start, end);
      return;
    }
    if (!this.#held.append(chunk, start, end)) {
      this.#refuse(Fault.memoryLimit);
      return;
    }
    if (this.#held.end - this.#held.start < this.#wantedSize) return;
    this.#look(this.#held.chunk!, this.#held.start, this.#held.end);
  }

  /** Looks at all bytes that are there, held or just received. */
  #look(chunk: Chunk, start: number, end: number): void {
    let position = start;
    if (this.#state === State.proxyHeader) {
      const result = readProxyHeader(chunk.bytes, start, end, proxyHeader);
      if (result === ProxyResult.invalid) {
        this.#refuse(Fault.proxyHeaderInvalid);
        return;
      }
      if (result === ProxyResult.more) {
        this.#hold(chunk, start, end, HEADER_SIZE_MAX);
        return;
      }
      this.#takeProxyHeader();
      position += proxyHeader.size;
      this.#state = State.hello;
      this.#startTimer();
    }
    if (this.#owner.listenerTls === null) {
      this.#handOver(() => this.#owner.onPlain(this, chunk, position, end));
      return;
    }
    if (position === end) this.#held.drop();
    else this.#onHello(chunk, position, end);
  }

  /** Reads a hello, and goes on when it is complete. */
  #onHello(chunk: Chunk, start: number, end: number): void {
    const tls = this.#owner.listenerTls;
    if (tls === null) {
      this.#refuse(Fault.tlsHandshakeFailed); // A reload has taken TLS away meanwhile.
      return;
    }
    if (!this.#hasBytes) {
      this.#hasBytes = true;
      this.#helloMs = this.#worker.backend.nowMs();
      this.#startTimer();
    }
    const { hello } = this.#worker;
    const result = readClientHello(chunk.bytes, start, end, hello);
    if (result === HelloResult.ok) {
      this.#choose(tls, chunk, start, end);
      return;
    }
    if (result === HelloResult.more) {
      this.#wantedSize = hello.wantedSize;
      this.#hold(chunk, start, end, HELLO_WIRE_SIZE_MAX);
      return;
    }
    this.#fail(Fault.tlsHelloInvalid);
    refuseHello(this.#worker.backend.chunks, this.connection, result);
  }

  /** Decides what becomes of a complete hello, which is in `worker.hello`. */
  #choose(tls: ListenerTls, chunk: Chunk, start: number, end: number): void {
    chooseForHello(this.#worker, tls, this, choice);
    this.serverName = choice.serverName;
    this.fingerprint = choice.fingerprint;
    switch (choice.action) {
      case HelloAction.pass: {
        const passthrough = choice.passthrough!;
        this.#handOver(() => this.#owner.onPassthrough(this, passthrough, chunk, start, end));
        return;
      }
      case HelloAction.secure:
        this.policy = choice.policy;
        this.#secure(chunk, start, end);
        return;
      case HelloAction.challenge:
        this.#isChallenge = true;
        this.#secure(chunk, start, end);
        return;
      case HelloAction.wait:
        this.#await(tls, chunk, start, end);
        return;
      default:
        this.#refuse(choice.fault);
    }
  }

  /** Begins the handshake that `choice` says. */
  #secure(chunk: Chunk, start: number, end: number): void {
    const { backend, cells } = this.#worker;
    const { handshakeTimeoutMs } = choice.policy!.spec;
    this.#state = State.handshake;
    this.#timer.set(Math.max(this.#helloMs + handshakeTimeoutMs - backend.nowMs(), 0));
    cells[WorkerCell.handshakesInProgress]!++;
    backend.secure(this.connection, choice.context!, choice.alpn, { chunk, start, end });
    this.#held.drop();
  }

  /** Keeps the hello until its certificate is settled. Nothing is read meanwhile. */
  #await(tls: ListenerTls, chunk: Chunk, start: number, end: number): void {
    this.hasWaited = true;
    const { waiting } = this.#worker;
    if (!waiting.wait(this.serverName, this.peerAddress, this)) {
      this.#choose(tls, chunk, start, end); // Now without waiting.
      return;
    }
    this.#state = State.waiting;
    this.connection.pause();
    this.#timer.set(WAIT_MS);
    if (!this.#holdOnly(chunk, start, end)) this.#refuse(Fault.memoryLimit);
  }

  #onSecured(): void {
    if (this.#state !== State.handshake) return;
    const { backend, cells } = this.#worker;
    this.#release();
    this.#state = State.closing;
    const isResumed = this.connection.tls?.isResumed === true;
    const cell = isResumed ? ListenerCell.handshakesResumed : ListenerCell.handshakesFull;
    cells[this.#owner.metricBase + cell]!++;
    this.#worker.observeHandshake(backend.nowMs() - this.#helloMs);
    // RFC 8737 §3: the certificate was all that was asked for.
    if (this.#isChallenge) this.connection.close();
    else this.#handOver(() => this.#owner.onSecure(this));
  }

  // Refusing and ending.

  #refuse(fault: Fault): void {
    this.#fail(fault);
    refuseFor(this.#worker.backend.chunks, this.connection, fault);
  }

  /** Counts the end of what cannot become a connection. The caller closes. */
  #fail(fault: Fault): void {
    if (this.#state >= State.closing) return;
    this.#release();
    this.#state = State.closing;
    this.#fault = fault;
    if (fault === Fault.none) return;
    const { cells } = this.#worker;
    cells[WorkerCell.faults + fault]!++;
    if (this.#owner.listenerTls === null || fault === Fault.proxyHeaderInvalid) return;
    cells[this.#owner.metricBase + ListenerCell.handshakesFailed]!++;
  }

  /** Gives back what the current state holds. */
  #release(): void {
    if (this.#state === State.waiting) this.#worker.waiting.leave(this.serverName, this);
    if (this.#state === State.handshake) this.#worker.cells[WorkerCell.handshakesInProgress]!--;
    this.#held.drop();
    this.#timer.clear();
  }

  /** Closes now, and tells the owner. */
  #end(fault: Fault): void {
    if (this.#state === State.done) return;
    this.#fail(fault);
    this.connection.abort();
    this.#gone();
  }

  #gone(): void {
    this.#state = State.done;
    try {
      this.#owner.onGone(this, this.#fault);
    } catch (error) {
      this.#worker.reportInternal(error);
    }
  }

  /** Why an acceptance ends that did not get on: `inHandshake` once a hello has begun. */
  #faultOfEnd(inHandshake: Fault): Fault {
    if (this.isSilent) return Fault.none;
    return this.#state === State.proxyHeader ? Fault.proxyHeaderInvalid : inHandshake;
  }

  #onTimer(): void {
    switch (this.#state) {
      case State.waiting:
        this.#refuse(Fault.tlsNameRefused);
        return;
      case State.handshake:
        this.#fail(Fault.tlsHandshakeTimeout);
        this.connection.abort();
        return;
      default: // Not set in the last two states.
        this.#fail(this.#faultOfEnd(Fault.tlsHandshakeTimeout));
        this.connection.close();
    }
  }

  #onInternalError(error: unknown): void {
    this.#worker.reportInternal(error);
    if (this.#state === State.done) this.connection.abort(); // The owner did not get on with it.
    else this.#end(Fault.internal);
  }

  // Small steps.

  #expectsProxyHeader(): boolean {
    const { proxyPeers } = this.#owner;
    if (proxyPeers === null) return false;
    return this.peerAddress === '' || proxyPeers.contains(this.peerAddress);
  }

  #takeProxyHeader(): void {
    if (!proxyHeader.hasAddresses) return;
    this.isProxied = true;
    this.peerAddress = proxyHeader.sourceAddress;
    this.peerPort = proxyHeader.sourcePort;
    this.proxiedLocalAddress = proxyHeader.destinationAddress;
    this.proxiedLocalPort = proxyHeader.destinationPort;
  }

  #startTimer(): void {
    const tls = this.#owner.listenerTls;
    this.#timer.set(tls === null ? this.#owner.headTimeoutMs : tls.policy.spec.handshakeTimeoutMs);
  }

  /** The last act: what is called may take the connection's events. */
  #handOver(give: () => void): void {
    this.#timer.clear();
    this.#state = State.done;
    give();
    this.#held.drop();
  }

  /** Holds bytes that are no whole hello or header yet. */
  #hold(chunk: Chunk, start: number, end: number, sizeMax: number): void {
    if (end - start <= sizeMax && this.#holdOnly(chunk, start, end)) return;
    this.#refuse(Fault.memoryLimit);
  }

  /** Makes `chunk.bytes[start, end)` what is held. @returns false without memory */
  #holdOnly(chunk: Chunk, start: number, end: number): boolean {
    if (chunk !== this.#held.chunk) return this.#held.take(chunk, start, end);
    this.#held.consume(start);
    return true;
  }
}
