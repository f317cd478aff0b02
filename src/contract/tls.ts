/**
 * TLS as both planes know it: policies and names of the snapshot, and what changes too often for
 * a snapshot (certificates, challenges, ticket keys) and crosses as messages of its own.
 *
 * Whoever holds a private key here holds it as PEM bytes in shared memory: one copy per process,
 * not one per worker.
 */

export type TlsVersion = '1.2' | '1.3';

/**
 * What a client is asked to prove. `request`: it may show any certificate; `require`: it must show
 * one, of anybody; `verify-if-given`: one of `clientCas` or none; `verify`: one of `clientCas`.
 */
export type ClientAuthMode = 'none' | 'request' | 'require' | 'verify-if-given' | 'verify';

export interface TlsPolicySpec {
  readonly name: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL names, TLS 1.2 and 1.3 mixed, in order of preference; never empty. */
  readonly ciphers: readonly string[];
  /** Key exchange groups, in order of preference; never empty. */
  readonly groups: readonly string[];
  /** Protocols by ALPN, in order of preference. A client that offers none of them is refused. */
  readonly alpn: readonly string[];
  readonly clientAuth: ClientAuthMode;
  /** PEM texts; not empty where `clientAuth` verifies. */
  readonly clientCas: readonly string[];
  /** PEM texts of revocation lists. */
  readonly clientCrls: readonly string[];
  /** A name that no certificate is for: the default certificate, or the alert unrecognized_name. */
  readonly unknownName: 'default' | 'refuse';
  /** A client that says no name: the default certificate, or the alert unrecognized_name. */
  readonly noName: 'default' | 'refuse';
  /** Fingerprint of the default certificate; empty: the first one there is, or none. */
  readonly defaultCertificate: string;
  readonly sessionTickets: boolean;
  /** JA4 fingerprints that are turned away. A convenience: a client can take on any fingerprint. */
  readonly denyFingerprints: readonly string[];
  /** From the first byte of a handshake to its end. */
  readonly handshakeTimeoutMs: number;
}

/**
 * A name, or `*.` and a name, whose policy a route says; and a name that a wildcard here or of a
 * passthrough must not take from its listener. Of several for one name the last one holds.
 */
export interface TlsHostSpec {
  /** In lower case, A-labels. */
  readonly host: string;
  /** Listener indexes, or null for all. */
  readonly listeners: readonly number[] | null;
  /** Index in `policies`; -1: that of the listener. */
  readonly policy: number;
}

/** Connections that are passed on as they are, chosen by the name in their ClientHello. */
export interface PassthroughSpec {
  readonly name: string;
  /** Names, or `*.` and a name, or `*` for every name that is not known otherwise. */
  readonly hosts: readonly string[];
  /** Listener indexes, or null for all with TLS. */
  readonly listeners: readonly number[] | null;
  /** Index in `services`. */
  readonly service: number;
  /** As in RouteSpec; both share one family of metrics. */
  readonly streamsOnChangeMs: number;
  readonly metricIndex: number;
}

/** The part of a snapshot that is about TLS. */
export interface TlsSpec {
  readonly policies: readonly TlsPolicySpec[];
  readonly hosts: readonly TlsHostSpec[];
  readonly passthroughs: readonly PassthroughSpec[];
  /** Handshakes a second and client address (a /64 for IPv6), whole process; 0: no limit. */
  readonly handshakesPerAddressMax: number;
  /** Names for which a certificate may be got while the client waits: `*.` patterns, `*`. */
  readonly onDemand: readonly string[];
}

export const NO_TLS: TlsSpec = {
  policies: [],
  hosts: [],
  passthroughs: [],
  handshakesPerAddressMax: 0,
  onDemand: [],
};

/** How a service speaks TLS to its endpoints. */
export interface UpstreamTlsSpec {
  /** False: any certificate will do. */
  readonly verify: boolean;
  /** PEM texts of what is trusted; empty: the well-known authorities. */
  readonly cas: readonly string[];
  /** Name asked for and verified; empty: the host of the endpoint. */
  readonly serverName: string;
  /** Certificate shown to the endpoint, PEM; empty: none. */
  readonly cert: string;
  readonly key: string;
  /** Base64 SHA-256 of public keys (SPKI), one of which must be in the chain; empty: any. */
  readonly pins: readonly string[];
  readonly minVersion: TlsVersion;
}

export type ProxyProtocolVersion = 'v1' | 'v2';

export type KeyType = 'ecdsa' | 'rsa' | 'ed25519';

/** A certificate with its key, as workers serve it. */
export interface CertificateEntry {
  /** SHA-256 of the leaf, lower-case hex: its identity. */
  readonly id: string;
  /** Lower case, A-labels; `*.` for wildcards; IP addresses in canonical text. */
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Of two for one name and key type the lower rank wins: 0 configured, 1 managed, 2 internal. */
  readonly rank: number;
  /** PEM: leaf first. Over a SharedArrayBuffer. */
  readonly chain: Uint8Array;
  /** PEM. Over a SharedArrayBuffer. */
  readonly key: Uint8Array;
  /** A stapled OCSP response, DER; null: none. */
  readonly ocsp: Uint8Array | null;
}

/** Certificates that came or went. `remove` is done first. */
export interface CertificateUpdate {
  readonly add: readonly CertificateEntry[];
  /** Ids. */
  readonly remove: readonly string[];
}

/** What a certificate authority will ask for, at any worker. */
export type ChallengeSpec =
  | {
      readonly kind: 'http-01';
      /** Name or address that must be in Host. */
      readonly host: string;
      readonly token: string;
      /** The body of the answer. */
      readonly keyAuthorization: string;
    }
  | {
      readonly kind: 'tls-alpn-01';
      /** Name in the ClientHello: for an address its reverse name (RFC 8738 §6). */
      readonly host: string;
      /** PEM of the certificate that answers, and of its key. */
      readonly cert: string;
      readonly key: string;
    };

/**
 * Secrets from which workers derive the ticket keys of each context. A ticket names its key, so
 * tickets of both are taken; new ones are made with the current one.
 */
export interface TicketSecrets {
  /** 32 bytes. */
  readonly current: Uint8Array;
  /** 32 bytes; null before the first rotation. */
  readonly previous: Uint8Array | null;
}

/** All that a worker which starts has to know besides the snapshot. */
export interface TlsState {
  readonly certificates: readonly CertificateEntry[];
  readonly challenges: readonly ChallengeSpec[];
  readonly ticketSecrets: TicketSecrets;
}
