/**
 * The IO contract: what the data plane may ask of the world.
 *
 * Callback objects, no streams and no promises. Designed for io_uring first: received bytes live
 * in a slab chunk that is given back, a send completes later, and a received chunk can be sent
 * from where it was received. The `node` backend may lend one shared read buffer to every
 * connection (`chunk.isShared`); then keeping bytes past the callback copies them.
 *
 * B1  after `onClose` no other callback of that connection fires, and it fires exactly once.
 * B2  no callback fires inside a call of the same connection's methods, `connect` or `listen`
 *     (a method never re-enters its caller).
 * B3  `write` takes bytes in order; `end` sends FIN after everything written before it.
 * B4  while `pause`d no `onReadable` and no `onEnd` fires; errors still close.
 * B5  bytes queued per connection are bounded by the caller, who stops after `write` says false.
 * B6  every method is harmless after close.
 */

import type { Fault } from '../../contract/fault.ts';
import type { ClientAuthMode, TlsVersion } from '../../contract/tls.ts';

/**
 * A view of slab memory with a reference count. Readable bytes lie between `start` and `end` of
 * a callback's arguments. At least `CHUNK_HEADROOM` bytes before and `CHUNK_TAILROOM` after the
 * received bytes belong to the same chunk, so that framing can be written around a body in place.
 * The receiver of `onReadable` may overwrite the whole chunk during the callback.
 */
export interface Chunk {
  readonly bytes: Uint8Array;
  /**
   * True for a read buffer that many connections share: valid only during the callback, and
   * neither retained nor released. `write` and `keep` copy from it.
   */
  readonly isShared: boolean;
}

export const CHUNK_HEADROOM = 32;
export const CHUNK_TAILROOM = 32;

/** Hands out chunks. */
export interface ChunkSource {
  /**
   * A chunk of at least `size` bytes with one reference, owned by the caller.
   * @returns null when the limit is reached or `size` is above the largest size class
   */
  acquire(size: number): Chunk | null;
  /**
   * Like `acquire`, and may use memory that is kept for bytes on their way to clients: an answer
   * can be written while requests hold all the rest.
   */
  acquireReserved(size: number): Chunk | null;
  /** Largest `size` that `acquire` can serve. */
  readonly sizeMax: number;
  /** One more reference. Not for shared chunks: use `keep`. */
  retain(chunk: Chunk): void;
  /** Gives one reference back. */
  release(chunk: Chunk): void;
}

/**
 * Settings, certificates and keys of TLS connections, built once: about a millisecond of work.
 * Opaque; made by the backend that uses it.
 */
export interface TlsContext {
  readonly isServer: boolean;
  /**
   * No connection is made with it any more, such a one fails; those that it has go on. Gives its
   * memory back when the last of them is closed: the garbage collector knows nothing of it.
   */
  close(): void;
}

export interface ServerTlsOptions {
  /** PEM, leaf first; several for several types of key. Not kept. */
  readonly certificates: readonly { readonly chain: Uint8Array; readonly key: Uint8Array }[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly ciphers: readonly string[];
  readonly groups: readonly string[];
  readonly clientAuth: ClientAuthMode;
  readonly clientCas: readonly string[];
  readonly clientCrls: readonly string[];
  /**
   * 32 bytes from which the ticket key of this context is derived; null: no tickets. Contexts of
   * other `ticketScope`s do not take each other's tickets.
   */
  readonly ticketSecret: Uint8Array | null;
  readonly ticketScope: string;
  /** DER of a response to staple; null: none. */
  readonly ocsp: Uint8Array | null;
}

export interface ClientTlsOptions {
  /** As in UpstreamTlsSpec. */
  readonly verify: boolean;
  readonly cas: readonly string[];
  readonly cert: string;
  readonly key: string;
  readonly pins: readonly string[];
  readonly minVersion: TlsVersion;
}

/** How an outgoing connection becomes a TLS client. */
export interface ClientTls {
  readonly context: TlsContext;
  /** Asked for by SNI unless it is an address, and verified either way. */
  readonly serverName: string;
  /** Empty: nothing is offered. */
  readonly alpn: readonly string[];
}

/** What a handshake has settled. */
export interface TlsInfo {
  /** `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name. */
  readonly cipher: string;
  /** Empty: none was agreed on. */
  readonly alpn: string;
  readonly isResumed: boolean;
  /** What the peer has shown; null: nothing. Verified where the context says so. */
  readonly peerCertificate: PeerCertificate | null;
}

export interface PeerCertificate {
  /** RFC 4514 text, leaf only. */
  readonly subject: string;
  readonly issuer: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly names: readonly string[];
}

/** The world's side of a connection. Methods never throw and never call back (B2). */
export interface Connection {
  /**
   * Where callbacks go; may be replaced at any time (a pool hands a connection to an attempt),
   * inside a callback as well.
   */
  events: ConnectionEvents;
  /**
   * Numeric address of the peer, IPv4-mapped ones as IPv4; empty for unix sockets. Asked of the
   * kernel on first use: read it once while the connection is open, it is empty after.
   */
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** True from the first `close`, `abort` or `reset` on, and at the latest in `onClose`. */
  readonly isClosed: boolean;
  /** Null on a connection without TLS, and until its handshake has ended. */
  readonly tls: TlsInfo | null;
  /**
   * Sends `chunk.bytes[start, end)`. The backend takes its own reference for as long as it needs
   * the bytes (or copies them when the chunk is shared); the caller keeps and later releases its
   * own. The bytes must not change while another reference exists. Before `onOpen` everything
   * queues. Without memory to queue in, the connection is reset and closes with
   * `Fault.memoryLimit`.
   * @returns false when bytes are queued: stop writing until `onWritable`. Also false, and nothing
   *          is sent, after `end` or close: then no `onWritable` follows.
   */
  write(chunk: Chunk, start: number, end: number): boolean;
  /** Bytes that the kernel has taken so far; 0 once it is gone. For telling progress, rarely. */
  readonly takenSize: number;
  /** True when everything written has been handed to the kernel. */
  readonly isDrained: boolean;
  /**
   * Stops reading. Received bytes wait in the kernel, so a paused connection owns no memory here.
   * An outgoing connection reads from `onOpen` on, an accepted one from its first `resume` on.
   */
  pause(): void;
  resume(): void;
  /** Sends FIN after queued bytes. Reading goes on. */
  end(): void;
  /**
   * Sends FIN after queued bytes, then closes when the peer has ended too. Reading stops now: what
   * still arrives is dropped, so that the kernel has no unread bytes to answer with RST, which
   * would destroy the last bytes sent (RFC 9112 §9.6). Waits for the peer 1 s after FIN and 5 s
   * in all. Before `onOpen` it closes at once. `onClose` follows: `Fault.none`, or
   * `Fault.aborted` when queued bytes did not get out in time.
   */
  close(): void;
  /** Closes now, dropping queued bytes. `onClose(Fault.aborted)` follows. */
  abort(): void;
  /** Like `abort`, but the peer sees RST, so that a truncated message cannot look complete. */
  reset(): void;
}

/** The product's side of a connection. */
export interface ConnectionEvents {
  /**
   * An outgoing connection is established, its TLS handshake and verification included. Called for
   * an accepted one only after `secure`: the handshake has ended.
   */
  onOpen(): void;
  /**
   * Bytes arrived at `chunk.bytes[start, end)`, start < end. The chunk is borrowed for the call;
   * `backend.keep` makes it last.
   */
  onReadable(chunk: Chunk, start: number, end: number): void;
  /** The queue that made `write` return false, or `isDrained` be it, is empty. */
  onWritable(): void;
  /** The peer sent FIN. Writing may go on. */
  onEnd(): void;
  /**
   * The last callback. `Fault.none` after an orderly close of ours or when both sides ended;
   * else `upstreamReset` (RST or broken pipe), `connectRefused`, `connectFailed` (unreachable, no
   * such path), `socketLimit` (out of descriptors or kernel memory), `nameNotResolved` (the host
   * is not numeric), `memoryLimit` (see `write`), `aborted` (our abort or reset). The owner
   * translates `upstreamReset` to its side. A write that meets a reset does not end reading: what
   * the peer sent before comes first, for 1 s at most; an origin that refuses a long request early
   * is heard. In a handshake: `tlsHandshakeFailed` or `tlsClientRefused` when the peer is a client,
   * `upstreamTlsFailed` or `upstreamCertificateInvalid` when it is an origin.
   */
  onClose(fault: Fault): void;
}

export interface ListenTarget {
  readonly kind: 'tcp' | 'unix';
  /** Numeric address for tcp, empty for all addresses; path for unix. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** An inherited, already bound socket to listen on; -1 to bind here. */
  readonly fd: number;
}

export interface ConnectTarget {
  readonly kind: 'tcp' | 'unix';
  /** Numeric address for tcp (names are resolved by `resolve`), path for unix. */
  readonly host: string;
  readonly port: number;
  /** Null or absent: without TLS. */
  readonly tls?: ClientTls | null;
}

export interface Listening {
  /** The bound port (useful after asking for port 0). */
  readonly port: number;
  /**
   * Stops taking new connections for a while; the kernel queues them. The `node` backend cannot
   * leave them there: it parks up to 1,024, unread, and closes those beyond.
   */
  pause(): void;
  resume(): void;
  /**
   * Accepts what waits already, then stops listening. Open connections stay.
   * @param done called later, once: no `onAccept` follows. Only for the first `close`.
   */
  close(done?: () => void): void;
}

export interface ListenEvents {
  onListening(): void;
  /** A new connection, not reading yet. Set its `events`, then `resume` it. */
  onAccept(connection: Connection): void;
  /** The socket cannot be bound (before `onListening`), or accepting failed (after). */
  onError(message: string): void;
}

/** A one-shot timer of the coarse wheel. Re-arming is cheap and allocates nothing. */
export interface Timer {
  /** Arms (or re-arms) to fire `delayMs` from now, at the wheel's resolution, never early. */
  set(delayMs: number): void;
  clear(): void;
  readonly isSet: boolean;
  /** Time until it fires, as exact as the wheel; 0 when it is not set. */
  readonly remainingMs: number;
}

export interface IoBackend {
  readonly name: 'node' | 'uring' | 'sim';
  readonly chunks: ChunkSource;
  /** Monotonic milliseconds with fraction. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970; for logs and Date fields only. */
  wallMs(): number;
  /** Uniform in [0, 1). Seeded in the simulator. */
  random(): number;
  /** A timer that calls `onTimer`; the object is made once per owner, not per arming. */
  timer(onTimer: () => void): Timer;
  /** Runs `task` after the current callback returns, before any further event. */
  defer(task: () => void): void;
  listen(target: ListenTarget, events: ListenEvents): Listening;
  /** Fails with `Fault.socketLimit`, without a system call, while `canConnect` is false. */
  connect(target: ConnectTarget, events: ConnectionEvents): Connection;
  /** False when as many outgoing connections are open as this worker has descriptors for. */
  readonly canConnect: boolean;
  /**
   * Resolves a name to numeric addresses; never blocks the loop.
   * @param done called later, once: addresses in the resolver's order, empty on failure
   */
  resolve(host: string, done: (addresses: readonly string[]) => void): void;
  /**
   * Builds a context. Blocks for about a millisecond: keep it and use it again.
   * @returns a sentence that says what is wrong when it cannot be built
   */
  serverTls(options: ServerTlsOptions): TlsContext | string;
  clientTls(options: ClientTlsOptions): TlsContext | string;
  /**
   * First 16 bytes of every ticket that contexts of this secret and scope issue: tells from a
   * ClientHello which of several secrets it was made with.
   */
  ticketName(secret: Uint8Array, scope: string): Uint8Array;
  /**
   * Makes an accepted connection a TLS server. `chunk.bytes[start, end)` is what was read from it
   * so far, from the first byte of the ClientHello on; borrowed for the call. Nothing may have been
   * written. The connection is `resume`d by this. `onOpen` follows, or `onClose`; until then
   * nothing is read and nothing may be written. Plain bytes never reach `onReadable` from here on.
   * @param alpn protocols in order of preference; a client that offers ALPN without any of them is
   *             refused with the alert no_application_protocol (RFC 7301 §3.2). Empty: ignored.
   */
  secure(
    connection: Connection,
    context: TlsContext,
    alpn: readonly string[],
    hello: { readonly chunk: Chunk; readonly start: number; readonly end: number },
  ): void;
  /**
   * Makes received bytes last past the callback: the same chunk with one more reference where
   * the chunk is not shared, else a fresh chunk holding a copy. Offsets change with a copy:
   * the bytes start at the returned `keptStart`. A copy has head and tail room too, unless more
   * than `chunks.sizeMax` bytes are kept. The caller owns the reference and releases it.
   * @returns null when memory is exhausted
   */
  keep(chunk: Chunk, start: number, end: number): Chunk | null;
  /** Offset of the kept bytes in the chunk last returned by `keep`. */
  readonly keptStart: number;
}
