/**
 * The middleware contract: the only thing a middleware or plugin touches of an exchange.
 *
 * A middleware is linked once per generation from its configuration and then called for every
 * exchange of the routes that name it. It works on `RequestContext` and `ResponseContext`, never
 * on connections, framing or the snapshot. Framing fields (Content-Length, Transfer-Encoding,
 * Host, Connection) cannot be set; neither can names or values that would end a line early. Such
 * a call does nothing.
 */

/** What happens next. `respond` answers with the status and body set on the context. */
export const Verdict = { next: 0, respond: 1 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** What a client has shown in its handshake. */
export interface ClientCertificate {
  /** RFC 4514 text, leaf only. */
  readonly subject: string;
  readonly issuer: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly names: readonly string[];
}

/** The TLS connection that a request came on; the same for all its requests. */
export interface RequestTls {
  /** As `TLSv1.3`, and OpenSSL's name of the cipher. */
  readonly info: {
    readonly version: string;
    readonly cipher: string;
    /** Null: it has shown none. */
    readonly peerCertificate: ClientCertificate | null;
  };
  /**
   * True when `peerCertificate` was verified against the authorities of the policy. One that was
   * not proves nothing: anybody can make it.
   */
  readonly isClientVerified: boolean;
  /** What the client said in its ClientHello: labels, and never a reason to allow anything. */
  readonly serverName: string;
  readonly fingerprint: string;
}

/** A request as a middleware sees it; valid during the call only. */
export interface RequestContext {
  method(): string;
  /** Canonical host without port. */
  host(): string;
  /** Canonical path: the one that was matched and will be forwarded. */
  path(): string;
  query(): string;
  clientAddress(): string;
  /** Null: it came without TLS. */
  tls(): RequestTls | null;
  /** First value of a field, or undefined; the name is lower case. */
  header(name: string): string | undefined;
  /** Replaces every line of that field toward the origin. */
  setRequestHeader(name: string, value: string): void;
  removeRequestHeader(name: string): void;
  /**
   * Sets the answer for `Verdict.respond`.
   * @param status 200 to 599; anything else is answered with 500
   * @param body   sent as UTF-8, at most 60,000 bytes (a longer one is answered with 500); dropped
   *               where the status has none
   */
  respondWith(status: number, contentType: string, body: string): void;
}

/** A response head as a middleware sees it; valid during the call only. */
export interface ResponseContext {
  readonly status: number;
  header(name: string): string | undefined;
  setResponseHeader(name: string, value: string): void;
  removeResponseHeader(name: string): void;
}

export interface Middleware {
  readonly name: string;
  onRequestHead?(context: RequestContext): Verdict;
  onResponseHead?(context: ResponseContext): void;
}
