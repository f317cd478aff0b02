/**
 * TLS contexts of the `node` backend: settings, certificates and keys, built once for many
 * connections, and the keys of session tickets.
 *
 * X1  a server context trusts nobody but `clientCas`; Node would load its root store otherwise.
 * X2  a ticket key depends on secret and scope alone, so that all workers take each other's
 *     tickets, and contexts of other scopes do not (RFC 8446 §8.1 is met by having no early data).
 * X3  a context that was closed is given back with its last connection, not before: OpenSSL's
 *     memory, some 35 KB, would otherwise stay until V8 happens to collect 1 KB of JavaScript.
 * X4  sessions with origins are kept per context, name and address, so that one is only resumed
 *     under the rules it was verified by; at most `SESSIONS_MAX` of them.
 */

import { X509Certificate, constants, createHash, createPrivateKey, hkdfSync } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';

import type { ClientAuthMode, TlsVersion } from '../../../contract/tls.ts';
import type { ClientTlsOptions, ServerTlsOptions, TlsContext } from '../backend.ts';

/** Sessions with origins kept per context. One is 2 to 4 KB. */
export const SESSIONS_MAX = 256;
/** Time for which a ticket may be used. Secrets are given up on about as fast. */
const SESSION_TIMEOUT_S = 43_200;
const TICKET_NAME_SIZE = 16;
const TICKET_KEYS_SIZE = 48;
/** A TLS 1.2 client could make the server work again and again (CVE-2011-1473). */
const ALWAYS_OFF = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;

/** What Node's TLS socket asks of the server it belongs to; here it exists for OCSP alone. */
interface OcspServer {
  readonly _sharedCreds: SecureContext;
  listenerCount(event: string): number;
  emit(event: string, certificate: unknown, issuer: unknown, done: OcspDone): boolean;
}

type OcspDone = (error: null, response: Buffer) => void;

/** The context of OpenSSL, with those who use it: X3. */
class ContextHold {
  /** Given back: Node would end the process if a connection was made with it. */
  isGone = false;
  #users = 0;
  #isClosed = false;
  readonly #secureContext: SecureContext;

  constructor(secureContext: SecureContext) {
    this.#secureContext = secureContext;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    this.#freeIfUnused();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    if (!this.#isClosed || this.#users > 0 || this.isGone) return;
    this.isGone = true;
    // What the types do not tell of.
    (this.#secureContext.context as { close(): void }).close();
  }
}

export class NodeServerContext implements TlsContext {
  readonly isServer = true;
  readonly secureContext: SecureContext;
  /** Retained by each connection from its begin to its end. */
  readonly hold: ContextHold;
  readonly clientAuth: ClientAuthMode;
  /** Null: nothing to staple. */
  readonly ocspServer: OcspServer | null;

  constructor(secureContext: SecureContext, options: ServerTlsOptions) {
    this.secureContext = secureContext;
    this.hold = new ContextHold(secureContext);
    this.clientAuth = options.clientAuth;
    this.ocspServer = options.ocsp === null ? null : ocspServer(secureContext, options.ocsp);
  }

  close(): void {
    this.hold.close();
  }

  get asksForCertificate(): boolean {
    return this.clientAuth !== 'none';
  }

  /** Where OpenSSL itself breaks the handshake off, with the alert for it. */
  get needsCertificate(): boolean {
    return this.clientAuth === 'require' || this.clientAuth === 'verify';
  }
}

export class NodeClientContext implements TlsContext {
  readonly isServer = false;
  readonly secureContext: SecureContext;
  /** As in NodeServerContext. */
  readonly hold: ContextHold;
  readonly verifies: boolean;
  readonly pins: readonly string[];
  readonly #sessions = new Map<string, Uint8Array>();

  constructor(secureContext: SecureContext, options: ClientTlsOptions) {
    this.secureContext = secureContext;
    this.hold = new ContextHold(secureContext);
    this.verifies = options.verify;
    this.pins = options.pins;
  }

  close(): void {
    this.hold.close();
  }

  /** The last session of a verified connection to the endpoint; null: none. */
  session(key: string): Uint8Array | null {
    return this.#sessions.get(key) ?? null;
  }

  keepSession(key: string, session: Uint8Array): void {
    this.#sessions.delete(key); // So that it becomes the newest.
    this.#sessions.set(key, session);
    if (this.#sessions.size <= SESSIONS_MAX) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }

  dropSession(key: string): void {
    this.#sessions.delete(key);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }
}

/** @returns a sentence that says what is wrong when the context cannot be built */
export function serverContext(options: ServerTlsOptions): NodeServerContext | string {
  const { ticketSecret, ticketScope, clientCrls } = options;
  const noTickets = ticketSecret === null ? constants.SSL_OP_NO_TICKET : 0;
  const settings: SecureContextOptions = {
    ca: [...options.clientCas], // Not absent, even if empty: X1.
    cert: options.certificates.map(({ chain }) => bufferOf(chain)),
    key: options.certificates.map(({ key }) => bufferOf(key)),
    minVersion: `TLSv${options.minVersion}`,
    maxVersion: `TLSv${options.maxVersion}`,
    ciphers: options.ciphers.join(':'),
    ecdhCurve: options.groups.join(':'),
    honorCipherOrder: true,
    secureOptions: ALWAYS_OFF | noTickets,
    sessionIdContext: createHash('sha256').update(ticketScope).digest('hex').slice(0, 32),
    sessionTimeout: SESSION_TIMEOUT_S,
    ...(clientCrls.length > 0 ? { crl: [...clientCrls] } : {}),
    ...(ticketSecret === null ? {} : { ticketKeys: ticketKeys(ticketSecret, ticketScope) }),
  };
  const context = build(settings, () => checkServer(options));
  return typeof context === 'string' ? context : new NodeServerContext(context, options);
}

/** @returns a sentence that says what is wrong when the context cannot be built */
export function clientContext(options: ClientTlsOptions): NodeClientContext | string {
  const trustsKnown = options.verify && options.cas.length === 0;
  const settings: SecureContextOptions = {
    minVersion: versionName(options.minVersion),
    secureOptions: ALWAYS_OFF,
    ...(trustsKnown ? {} : { ca: [...options.cas] }),
    ...(options.cert === '' ? {} : { cert: options.cert, key: options.key }),
  };
  const context = build(settings, () => checkClient(options));
  return typeof context === 'string' ? context : new NodeClientContext(context, options);
}

/** The first 16 bytes of every ticket made with this secret and scope (RFC 5077 §4). */
export function ticketName(secret: Uint8Array, scope: string): Uint8Array {
  return Uint8Array.from(ticketKeys(secret, scope).subarray(0, TICKET_NAME_SIZE));
}

/** Name, HMAC key and AES key of tickets, in the order in which Node wants them. */
function ticketKeys(secret: Uint8Array, scope: string): Buffer {
  const info = `proxy-now session ticket ${scope}`;
  return Buffer.from(hkdfSync('sha256', secret, new Uint8Array(0), info, TICKET_KEYS_SIZE));
}

function build(settings: SecureContextOptions, check = (): void => {}): SecureContext | string {
  try {
    check();
    return createSecureContext(settings);
  } catch (error) {
    // OpenSSL's reasons quote no keys.
    return error instanceof Error ? error.message : 'the TLS settings cannot be used';
  }
}

/** OpenSSL takes a key of another type than the certificate's without a word, and text as a CA. */
function checkPair(chain: Uint8Array | string, key: Uint8Array | string): void {
  const own = typeof key === 'string' ? key : bufferOf(key);
  const leaf = new X509Certificate(typeof chain === 'string' ? chain : bufferOf(chain));
  if (leaf.checkPrivateKey(createPrivateKey(own))) return;
  throw new Error('the key is not the one of the certificate');
}

function checkAuthorities(texts: readonly string[]): void {
  for (const text of texts) void new X509Certificate(text).fingerprint256;
}

function checkServer({ certificates, clientCas }: ServerTlsOptions): void {
  for (const { chain, key } of certificates) checkPair(chain, key);
  checkAuthorities(clientCas);
}

function checkClient({ cas, cert, key }: ClientTlsOptions): void {
  if (cert !== '') checkPair(cert, key);
  checkAuthorities(cas);
}

function versionName(version: TlsVersion): 'TLSv1.2' | 'TLSv1.3' {
  return version === '1.2' ? 'TLSv1.2' : 'TLSv1.3';
}

/** A view, also of shared memory. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function ocspServer(secureContext: SecureContext, ocsp: Uint8Array): OcspServer {
  const response = Buffer.from(ocsp);
  return {
    _sharedCreds: secureContext,
    listenerCount: (event) => (event === 'OCSPRequest' ? 1 : 0),
    emit(_event, _certificate, _issuer, done) {
      done(null, response);
      return true;
    },
  };
}
