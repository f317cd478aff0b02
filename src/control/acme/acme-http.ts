/**
 * What the ACME client needs of the world: HTTP, a clock and chance. All three are injected, so
 * that the protocol itself can be run against a script and a clock of its own.
 */

export interface AcmeHttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null: none. Borrowed for the call. */
  readonly body: Uint8Array | null;
  readonly signal: AbortSignal;
}

export interface AcmeHttpResponse {
  readonly status: number;
  /** By name in lower case; fields that came more than once are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** The whole body; owned by the receiver. */
  readonly body: Uint8Array;
}

export interface AcmeHttp {
  /**
   * Sends one request and reads the whole response; any status is a response. Redirects are not
   * followed: an ACME server has no reason to send one.
   * @throws AcmeHttpError when there is no whole response; the signal's reason when it is aborted
   */
  send(request: AcmeHttpRequest): Promise<AcmeHttpResponse>;
}

/** Why there is no response. */
export class AcmeHttpError extends Error {
  /**
   * True: the request may be sent again as it is (the network failed). False: it would fail again
   * (an untrusted certificate, a URL that is not https, an answer above the limit).
   */
  readonly isTemporary: boolean;

  /** @param message one sentence for people, with the host in it and no secret */
  constructor(message: string, isTemporary: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AcmeHttpError';
    this.isTemporary = isTemporary;
  }
}

export interface AcmeClock {
  /** Unix milliseconds. */
  nowMs(): number;
  /** Resolves after `durationMs`. @throws the signal's reason when it is aborted first */
  wait(durationMs: number, signal: AbortSignal): Promise<void>;
}

/** A number in [0, 1). */
export type AcmeRandom = () => number;
