/**
 * Challenges: what a certificate authority asks of us to see that a name is ours, answered by any
 * worker (RFC 8555 §8.3, RFC 8737).
 *
 * Only what control has announced is answered: who asks for another token or name learns nothing.
 */

import { utf8Bytes } from '../../base/utf8.ts';
import type { ChallengeSpec } from '../../contract/tls.ts';
import type { IoBackend, TlsContext } from '../io/backend.ts';
import type { LinkedPolicy } from './linked-tls.ts';

/** The protocol of RFC 8737 §4, offered by a certificate authority alone. */
export const ACME_TLS_1 = 'acme-tls/1';

type AlpnChallenge = Extract<ChallengeSpec, { kind: 'tls-alpn-01' }>;

interface OpenAlpnChallenge {
  readonly spec: AlpnChallenge;
  /** Built when it is asked for; a sentence when it cannot be. */
  context: TlsContext | string | null;
}

export class Challenges {
  readonly #backend: IoBackend;
  readonly #report: (message: string) => void;
  #http = new Map<string, Uint8Array>();
  #alpn = new Map<string, OpenAlpnChallenge>();

  constructor(backend: IoBackend, report: (message: string) => void) {
    this.#backend = backend;
    this.#report = report;
  }

  /** Those that are open from now on; the others are over. */
  set(challenges: readonly ChallengeSpec[]): void {
    const http = new Map<string, Uint8Array>();
    const alpn = new Map<string, OpenAlpnChallenge>();
    for (const spec of challenges) {
      if (spec.kind === 'http-01') {
        http.set(`${spec.host} ${spec.token}`, utf8Bytes(spec.keyAuthorization));
        continue;
      }
      const known = this.#alpn.get(spec.host);
      const isSame = known?.spec.cert === spec.cert && known.spec.key === spec.key;
      alpn.set(spec.host, isSame ? known : { spec, context: null });
    }
    for (const [host, { context }] of this.#alpn) {
      if (context === null || typeof context === 'string') continue;
      if (alpn.get(host)?.context !== context) context.close();
    }
    this.#http = http;
    this.#alpn = alpn;
  }

  /** False: no HTTP request can be for a challenge. */
  get hasHttp(): boolean {
    return this.#http.size > 0;
  }

  get hasAlpn(): boolean {
    return this.#alpn.size > 0;
  }

  /**
   * The body that answers `GET /.well-known/acme-challenge/<token>`.
   * @param host of the request, lower case, without port and brackets
   * @returns null when it is no challenge of ours; not to be changed
   */
  httpAnswer(host: string, token: string): Uint8Array | null {
    return this.#http.get(`${host} ${token}`) ?? null;
  }

  /**
   * The context that answers a hello for `host` which offers nothing but `ACME_TLS_1`.
   * @param policy of the listener, for versions and ciphers
   * @returns null when there is no such challenge
   */
  alpnContext(host: string, policy: LinkedPolicy): TlsContext | null {
    const challenge = this.#alpn.get(host);
    if (challenge === undefined) return null;
    if (challenge.context === null) {
      challenge.context = this.#build(challenge.spec, policy);
      if (typeof challenge.context === 'string') {
        this.#report(`the TLS-ALPN challenge for ${host} has no context: ${challenge.context}`);
      }
    }
    return typeof challenge.context === 'string' ? null : challenge.context;
  }

  #build({ host, cert, key }: AlpnChallenge, { spec }: LinkedPolicy): TlsContext | string {
    return this.#backend.serverTls({
      certificates: [{ chain: utf8Bytes(cert), key: utf8Bytes(key) }],
      minVersion: spec.minVersion,
      maxVersion: spec.maxVersion,
      ciphers: spec.ciphers,
      groups: spec.groups,
      clientAuth: 'none', // Who asks is the authority, and it has no certificate for us.
      clientCas: [],
      clientCrls: [],
      ticketSecret: null,
      ticketScope: `challenge ${host}`,
      ocsp: null,
    });
  }
}
