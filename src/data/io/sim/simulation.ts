/**
 * The simulator backend: the IO contract on a virtual clock and an invented network, all of it
 * decided by one seed. The same seed and the same calls give the same run.
 *
 * The product under test listens and connects as on any backend; tests play the other ends with
 * `connectClient` and `listenOrigin`, and move time with `advanceMs`. Nothing happens in between.
 */

import { assert } from '../../../base/assert.ts';
import { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type {
  Chunk,
  ClientTls,
  ClientTlsOptions,
  Connection,
  ConnectTarget,
  ConnectionEvents,
  IoBackend,
  ListenEvents,
  Listening,
  ListenTarget,
  ServerTlsOptions,
  Timer,
  TlsContext,
} from '../backend.ts';
import { Slab, SLOT_SIZE_MAX } from '../slab.ts';
import { SimConnection } from './sim-connection.ts';
import type { SimMemory } from './sim-connection.ts';
import { SimPeer } from './sim-peer.ts';
import type { SimScript } from './sim-peer.ts';
import { SimTimer } from './sim-timer.ts';
import { SimClientContext, SimServerContext, SimTls, helloRecord } from './sim-tls.ts';
import { SimTlsAccept } from './sim-tls-accept.ts';
import type { SimTlsOrigin } from './sim-tls-accept.ts';
import { SimWorld } from './sim-world.ts';
import type { SimNetworkOptions } from './sim-world.ts';

export interface SimulationOptions extends Partial<SimNetworkOptions> {
  readonly seed: number;
  /** Most bytes of slab memory of the product. */
  readonly memoryMax?: number;
  /** Part of it that only answers may use; none by default. */
  readonly reserveSize?: number;
  /** Names that can be resolved, and their addresses. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Wall clock at virtual time 0, milliseconds since 1970. */
  readonly wallStartMs?: number;
  readonly allocate?: (size: number) => Uint8Array;
}

interface Listener extends Listening {
  readonly key: string;
  readonly events: ListenEvents;
  readonly memory: SimMemory;
  isPaused: boolean;
  readonly waiting: SimConnection[];
}

const RESOLVE_MS = 5;
const LOCAL_PORT_MIN = 40_000;

export class Simulation implements IoBackend {
  readonly name = 'sim';
  readonly chunks: Slab;
  readonly world: SimWorld;
  keptStart = 0;
  /** Names that can be resolved; may be changed during a run. */
  readonly hosts: Map<string, readonly string[]>;

  readonly #wallStartMs: number;
  readonly #own: SimMemory;
  readonly #scripted: SimMemory;
  readonly #listeners = new Map<string, Listener>();
  readonly #blackholes = new Set<string>();
  readonly #untrusted = new Set<string>();
  readonly #links: { readonly key: string; readonly ends: readonly SimConnection[] }[] = [];
  #nextPort = LOCAL_PORT_MIN;

  constructor(options: SimulationOptions) {
    const allocate = options.allocate ?? ((size: number) => new Uint8Array(size));
    this.world = new SimWorld(options.seed, options);
    this.chunks = new Slab({
      allocate,
      memoryMax: options.memoryMax ?? 67_108_864,
      reserveSize: options.reserveSize ?? 0,
      isDebug: true,
    });
    const peerSlab = new Slab({ allocate, memoryMax: 268_435_456, isDebug: true });
    this.#own = { slab: this.chunks, shared: this.chunks.sharedChunk(SLOT_SIZE_MAX) };
    this.#scripted = { slab: peerSlab, shared: peerSlab.sharedChunk(SLOT_SIZE_MAX) };
    this.hosts = new Map(Object.entries(options.hosts ?? {}));
    this.#wallStartMs = options.wallStartMs ?? 1_800_000_000_000;
  }

  nowMs(): number {
    return this.world.nowMs;
  }

  wallMs(): number {
    return this.#wallStartMs + this.world.nowMs;
  }

  random(): number {
    return this.world.prng.next();
  }

  timer(onTimer: () => void): Timer {
    return new SimTimer(this.world, onTimer);
  }

  defer(task: () => void): void {
    this.world.defer(task);
  }

  /** Runs everything due in the next `ms` milliseconds and moves the clock there. */
  advanceMs(ms: number): void {
    this.world.advanceMs(ms);
  }

  /**
   * Runs events, moving the clock as far as `limitMs`, until `isDone`.
   * @returns whether it came true
   */
  runUntil(isDone: () => boolean, limitMs = 600_000): boolean {
    const endMs = this.world.nowMs + limitMs;
    while (!isDone()) if (!this.world.step() || this.world.nowMs > endMs) return isDone();
    return true;
  }

  listen(target: ListenTarget, events: ListenEvents): Listening {
    return this.#listen(target, events, this.#own);
  }

  /** Tests set it to false to act as a machine out of descriptors. */
  canConnect = true;

  connect(target: ConnectTarget, events: ConnectionEvents): Connection {
    return this.#connect(target, events, this.#own);
  }

  resolve(host: string, done: (addresses: readonly string[]) => void): void {
    const found = isNumeric(host) ? [host] : (this.hosts.get(host.toLowerCase()) ?? []);
    this.world.at(this.world.nowMs + RESOLVE_MS, () => done(found));
  }

  /** From the ClientHello to the end of the handshake, without the way there and back. */
  handshakeMs = 2;

  serverTls(options: ServerTlsOptions): TlsContext | string {
    return new SimServerContext(options);
  }

  clientTls(options: ClientTlsOptions): TlsContext | string {
    return new SimClientContext(options);
  }

  ticketName(secret: Uint8Array, scope: string): Uint8Array {
    const name = new Uint8Array(16);
    for (const [at, byte] of secret.entries()) name[at % 16]! ^= byte;
    for (let at = 0; at < scope.length; at++) name[at % 16]! += scope.charCodeAt(at);
    return name;
  }

  secure(
    connection: Connection,
    context: TlsContext,
    alpn: readonly string[],
    hello: { readonly chunk: Chunk; readonly start: number; readonly end: number },
  ): void {
    const bytes = Uint8Array.from(hello.chunk.bytes.subarray(hello.start, hello.end));
    const server = context as SimServerContext;
    assert(!server.isClosed, 'a closed context makes no connection');
    (connection as SimConnection).secure(server, alpn, bytes, this.handshakeMs);
  }

  keep(chunk: Chunk, start: number, end: number): Chunk | null {
    if (!chunk.isShared) {
      this.chunks.retain(chunk);
      this.keptStart = start;
      return chunk;
    }
    const size = end - start;
    const copy = this.chunks.acquire(size) ?? this.chunks.acquireSlot(size);
    if (copy === null) return null;
    this.keptStart = copy.bytes.byteLength - size >= CHUNK_HEADROOM ? CHUNK_HEADROOM : 0;
    copy.bytes.set(chunk.bytes.subarray(start, end), this.keptStart);
    return copy;
  }

  // The other ends.

  /**
   * A client connects to `address`, such as `127.0.0.1:8080` or `unix:/run/app.sock`.
   * @param tls how it speaks TLS; its context comes from `clientTls`
   */
  connectClient(address: string, script: SimScript = {}, tls: ClientTls | null = null): SimPeer {
    const peer = new SimPeer(this.#scripted.slab, script);
    peer.connection = this.#connect({ ...targetOf(address), tls }, peer, this.#scripted);
    return peer;
  }

  /**
   * An origin listens on `address`. `script` is made anew for each connection.
   * @param tls it speaks TLS; scripts begin when the handshake has ended
   * @returns peers accepted so far, in order, and `close` to stop listening
   */
  listenOrigin(
    address: string,
    script: (peerIndex: number) => SimScript = () => ({}),
    tls: SimTlsOrigin | null = null,
  ): { readonly peers: SimPeer[]; close(): void } {
    const peers: SimPeer[] = [];
    const listening = this.#listen(
      { ...targetOf(address), fd: -1 },
      {
        onListening() {},
        onAccept: (connection) => {
          const peer = new SimPeer(this.#scripted.slab, script(peers.length));
          peers.push(peer);
          peer.connection = connection;
          connection.events = tls === null ? peer : new SimTlsAccept(this, connection, peer, tls);
          connection.resume();
          if (tls === null) peer.onOpen();
        },
        onError(message) {
          throw new Error(message);
        },
      },
      this.#scripted,
    );
    return { peers, close: () => listening.close() };
  }

  // Faults of the network.

  /** Connecting to `address` gets no answer at all, until `heal`. */
  blackhole(address: string): void {
    this.#blackholes.add(keyOf(targetOf(address)));
  }

  /** Undoes `blackhole` and `cut`. What was lost stays lost. */
  heal(address: string): void {
    const key = keyOf(targetOf(address));
    this.#blackholes.delete(key);
    this.#forEachEnd(key, (end) => (end.isCut = false));
  }

  /** Clients that verify find the certificate of `address` invalid, from now on. */
  untrust(address: string): void {
    this.#untrusted.add(keyOf(targetOf(address)));
  }

  /** Segments of open connections to `address` vanish, both ways; nobody is told. */
  cut(address: string): void {
    this.#forEachEnd(keyOf(targetOf(address)), (end) => (end.isCut = true));
  }

  /** Both ends of every connection to `address` see a reset. */
  dropConnections(address: string): void {
    this.#forEachEnd(keyOf(targetOf(address)), (end) => end.lose(Fault.upstreamReset));
  }

  #forEachEnd(key: string, action: (end: SimConnection) => void): void {
    for (const link of this.#links) if (link.key === key) link.ends.forEach(action);
  }

  #listen(target: ListenTarget, events: ListenEvents, memory: SimMemory): Listening {
    const port = target.kind === 'tcp' && target.port === 0 ? this.#nextPort++ : target.port;
    const key = keyOf({ ...target, port });
    const isTaken = this.#listeners.has(key);
    const listeners = this.#listeners;
    const listener: Listener = {
      key,
      port,
      events,
      memory,
      isPaused: false,
      waiting: [],
      pause() {
        this.isPaused = true;
      },
      resume: () => {
        listener.isPaused = false;
        for (const end of listener.waiting.splice(0)) {
          this.world.soon(() => this.#deliver(listener, end));
        }
      },
      close: (done) => {
        if (listeners.get(key) !== listener) return;
        listeners.delete(key);
        listener.resume();
        this.world.soon(() => done?.());
      },
    };
    if (!isTaken) listeners.set(key, listener);
    this.world.soon(() => {
      if (isTaken) events.onError(`address in use: ${key}`);
      else if (listeners.get(key) === listener) events.onListening();
    });
    return listener;
  }

  #deliver(listener: Listener, end: SimConnection): void {
    if (listener.isPaused) listener.waiting.push(end);
    else listener.events.onAccept(end);
  }

  #connect(target: ConnectTarget, events: ConnectionEvents, memory: SimMemory): SimConnection {
    const { world } = this;
    const isUnix = target.kind === 'unix';
    const local = isUnix
      ? { address: '', port: 0 }
      : { address: localAddressFor(target.host), port: this.#nextPort++ };
    const peer = isUnix ? local : { address: target.host, port: target.port };
    const end = new SimConnection(world, memory, { local, peer, isAccepted: false }, events);
    if (!isUnix && !isNumeric(target.host)) {
      world.soon(() => end.lose(Fault.nameNotResolved));
      return end;
    }
    const key = keyOf(target);
    if (target.tls) end.startTls(this.#clientTls(target.tls, key));
    world.at(world.nowMs + world.latencyMs(), () => {
      if (end.isClosed || this.#blackholes.has(key)) return;
      const listener = this.#listeners.get(key) ?? this.#listeners.get(`*:${target.port}`);
      if (listener === undefined) {
        world.at(world.nowMs + world.latencyMs(), () => end.lose(Fault.connectRefused));
        return;
      }
      const ends = { local: peer, peer: local, isAccepted: true };
      const accepted = new SimConnection(world, listener.memory, ends, events);
      accepted.events = NO_EVENTS;
      accepted.pair(end);
      this.#links.push({ key, ends: [end, accepted] });
      // Before the owner can send, so that no byte is there before `onOpen`.
      const openAtMs = world.nowMs + world.network.latencyMinMs;
      world.at(openAtMs, () => end.open());
      this.#deliver(listener, accepted);
    });
    return end;
  }

  #clientTls(tls: ClientTls, key: string): SimTls {
    const context = tls.context as SimClientContext;
    const isInvalid = context.verifies && this.#untrusted.has(key);
    const name = isNumeric(tls.serverName) ? '' : tls.serverName;
    const hello = helloRecord(name, tls.alpn, context.hasCertificate);
    return new SimTls(false, hello, isInvalid ? Fault.upstreamCertificateInvalid : Fault.none);
  }
}

const NO_EVENTS: ConnectionEvents = {
  onOpen() {},
  onReadable() {},
  onWritable() {},
  onEnd() {},
  onClose() {},
};

function keyOf(target: ConnectTarget): string {
  if (target.kind === 'unix') return `unix:${target.host}`;
  const isAny = target.host === '' || target.host === '0.0.0.0' || target.host === '::';
  return `${isAny ? '*' : target.host}:${target.port}`;
}

function targetOf(address: string): ConnectTarget {
  if (address.startsWith('unix:')) return { kind: 'unix', host: address.slice(5), port: 0 };
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { kind: 'tcp', host, port: Number(address.slice(colon + 1)) };
}

function isNumeric(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(':');
}

function localAddressFor(host: string): string {
  if (host.includes(':')) return '::1';
  return host.startsWith('127.') ? '127.0.0.1' : '10.255.0.1';
}

/** The platform's buffers; the pure rooms know only their type. */
