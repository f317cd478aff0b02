/**
 * Talk with one authority: its directory, nonces, signed requests, and trying again.
 *
 * T1  a signed request is never sent twice: each try has a nonce and a signature of its own.
 * T2  a request is tried three times when there is no whole answer or a status of 5xx; one try
 *     takes up to ten nonces when they are refused.
 * T3  what is thrown is an AcmeError, or the reason of the signal.
 */

import { AcmeError } from './acme-error.ts';
import { AcmeHttpError } from './acme-http.ts';
import type { AcmeClock, AcmeHttp, AcmeHttpRequest, AcmeHttpResponse } from './acme-http.ts';
import { readDirectory } from './directory.ts';
import type { AcmeDirectory } from './directory.ts';
import { signJws } from './jws.ts';
import type { AccountKey } from './jws.ts';
import { NoncePool } from './nonce-pool.ts';
import { errorOf } from './problem-advice.ts';
import { readProblem } from './problem.ts';
import type { Problem } from './problem.ts';
import { retryAtMs } from './retry-after.ts';

export const NONCE_TRIES_MAX = 10;
export const TRIES_MAX = 3;
/** Wait before the second and the third try. */
const TRY_PAUSES_MS = [1_000, 3_000];
/** After so many refusals in a row it waits a little between them. */
const NONCE_TRIES_AT_ONCE = 3;
const NONCE_PAUSE_MS = 250;
/** A Retry-After up to this is waited for on the spot; with a longer one the caller is told. */
const WAIT_ON_THE_SPOT_MS = 20_000;
const DIRECTORY_AGE_MAX_MS = 3_600_000;
/** When the authority has trouble and does not say until when. */
const TROUBLE_RETRY_MS = 60_000;

/** Who signs: an account, or a key that has none yet. */
export interface AcmeSigner {
  readonly key: AccountKey;
  /** Account URL; empty: the request carries the public key instead. */
  readonly url: string;
}

/** A response with a status below 400. */
export interface AcmeReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Unix milliseconds, of Retry-After; 0: not said. */
  readonly retryAtMs: number;
}

export interface AcmePost {
  readonly url: string;
  /** Null: POST-as-GET. */
  readonly payload: object | null;
  readonly signer: AcmeSigner;
  /** Names that it is about, for what is said about a failure. */
  readonly names?: readonly string[];
  readonly accept?: string;
}

export interface AcmeSessionOptions {
  /** URL of the directory. */
  readonly directory: string;
  readonly http: AcmeHttp;
  readonly clock: AcmeClock;
}

export class AcmeSession {
  readonly clock: AcmeClock;
  readonly #http: AcmeHttp;
  readonly #directoryUrl: string;
  readonly #nonces = new NoncePool();
  #directory: AcmeDirectory | null = null;
  #directoryReadAtMs = 0;

  constructor(options: AcmeSessionOptions) {
    this.clock = options.clock;
    this.#http = options.http;
    this.#directoryUrl = options.directory;
  }

  /** Host of the authority, for messages. */
  get authority(): string {
    return new URL(this.#directoryUrl).host;
  }

  /** The directory, at most an hour old; an older one when it cannot be read now. */
  async directory(signal: AbortSignal): Promise<AcmeDirectory> {
    const nowMs = this.clock.nowMs();
    const ageMs = Math.abs(nowMs - this.#directoryReadAtMs);
    if (this.#directory !== null && ageMs < DIRECTORY_AGE_MAX_MS) return this.#directory;
    try {
      const reply = await this.get(this.#directoryUrl, signal);
      const directory = readDirectory(reply.body, this.#directoryUrl);
      if (typeof directory === 'string') {
        throw new AcmeError(`${directory}: correct \`directory\` of the issuer`, { advice: 'fix' });
      }
      this.#directory = directory;
      this.#directoryReadAtMs = nowMs;
      return directory;
    } catch (error) {
      if (this.#directory === null || signal.aborted) throw error;
      return this.#directory;
    }
  }

  /** GET without a signature: the directory and renewal information. @throws AcmeError */
  async get(url: string, signal: AbortSignal): Promise<AcmeReply> {
    return this.#withTries(signal, [], () =>
      this.#send({ method: 'GET', url, headers: {}, body: null, signal }),
    );
  }

  /** A signed POST. @throws AcmeError */
  async post(post: AcmePost, signal: AbortSignal): Promise<AcmeReply> {
    return this.#withTries(signal, post.names ?? [], () => this.#postWithNonces(post, signal));
  }

  /** One try as far as the caller is concerned: nonces that are refused do not count. */
  async #postWithNonces(post: AcmePost, signal: AbortSignal): Promise<AcmeHttpResponse> {
    for (let tries = 1; ; tries++) {
      const nonce = this.#nonces.take() ?? (await this.#newNonce(signal));
      if (typeof nonce !== 'string') return nonce;
      const response = await this.#send({
        method: 'POST',
        url: post.url,
        headers: {
          'content-type': 'application/jose+json',
          ...(post.accept === undefined ? {} : { accept: post.accept }),
        },
        body: new TextEncoder().encode(signPost(post, nonce)),
        signal,
      });
      if (tries === NONCE_TRIES_MAX || !isBadNonce(response)) return response;
      if (tries >= NONCE_TRIES_AT_ONCE) await this.clock.wait(NONCE_PAUSE_MS, signal);
    }
  }

  /** @returns a nonce, or the response that has none */
  async #newNonce(signal: AbortSignal): Promise<string | AcmeHttpResponse> {
    const { newNonce } = await this.directory(signal);
    const response = await this.#send({
      method: 'HEAD',
      url: newNonce,
      headers: {},
      body: null,
      signal,
    });
    const nonce = this.#nonces.take();
    if (nonce !== null) return nonce;
    if (response.status >= 400) return response;
    throw new AcmeError(`${this.authority} gave no nonce; it is tried again by itself`, {
      advice: 'retry',
      retryAtMs: this.clock.nowMs() + TROUBLE_RETRY_MS,
    });
  }

  async #send(request: AcmeHttpRequest): Promise<AcmeHttpResponse> {
    request.signal.throwIfAborted();
    const response = await this.#http.send(request);
    const nonce = response.headers.get('replay-nonce');
    if (nonce !== undefined) {
      // A refused nonce says that those from before it are stale as well.
      if (isBadNonce(response)) this.#nonces.clear();
      this.#nonces.add(nonce);
    }
    return response;
  }

  async #withTries(
    signal: AbortSignal,
    names: readonly string[],
    send: () => Promise<AcmeHttpResponse>,
  ): Promise<AcmeReply> {
    for (let tries = 1; ; tries++) {
      let failure: AcmeError;
      try {
        const response = await send();
        if (response.status < 400) return this.#replyOf(response);
        failure = this.#refusal(response, names);
        if (response.status < 500 && failure.type !== 'badNonce') throw failure;
      } catch (error) {
        if (signal.aborted || !(error instanceof AcmeHttpError)) throw error;
        failure = this.#unreachable(error);
        if (!error.isTemporary) throw failure;
      }
      if (tries === TRIES_MAX) throw failure;
      const pauseMs = this.#pauseMs(failure, tries);
      if (pauseMs > WAIT_ON_THE_SPOT_MS) throw failure;
      await this.clock.wait(pauseMs, signal);
    }
  }

  #pauseMs(failure: AcmeError, tries: number): number {
    const pauseMs = TRY_PAUSES_MS[tries - 1]!;
    if (failure.advice !== 'wait') return pauseMs;
    return Math.max(pauseMs, failure.retryAtMs - this.clock.nowMs());
  }

  #replyOf(response: AcmeHttpResponse): AcmeReply {
    const { status, headers, body } = response;
    const retryAt = retryAtMs(headers.get('retry-after'), this.clock.nowMs());
    if (status < 300) return { status, headers, body, retryAtMs: retryAt };
    throw new AcmeError(
      `${this.authority} answers with a redirect (${status}), which ACME has none of: correct ` +
        '`directory` of the issuer',
      { advice: 'fix' },
    );
  }

  #refusal(response: AcmeHttpResponse, names: readonly string[]): AcmeError {
    const nowMs = this.clock.nowMs();
    const said = retryAtMs(response.headers.get('retry-after'), nowMs);
    const problem = withTerms(readProblem(response.status, response.body), response);
    const source = { authority: this.authority, names, retryAtMs: said, isValidation: false };
    const error = errorOf(problem, source);
    if (error.retryAtMs !== 0 || error.advice === 'fix') return error;
    const { message, advice } = error;
    return new AcmeError(message, { advice, problem, retryAtMs: nowMs + TROUBLE_RETRY_MS });
  }

  #unreachable(error: AcmeHttpError): AcmeError {
    return new AcmeError(error.message, {
      advice: error.isTemporary ? 'retry' : 'fix',
      retryAtMs: error.isTemporary ? this.clock.nowMs() + TROUBLE_RETRY_MS : 0,
      cause: error,
    });
  }
}

function signPost(post: AcmePost, nonce: string): string {
  const { key, url: account } = post.signer;
  const identity = account === '' ? { jwk: key.jwk } : { kid: account };
  return signJws(key, { ...identity, nonce, url: post.url }, post.payload);
}

function isBadNonce(response: AcmeHttpResponse): boolean {
  if (response.status !== 400) return false;
  return readProblem(response.status, response.body).type === 'badNonce';
}

/** `userActionRequired` names the page for the person in a Link (RFC 8555 §7.3.3). */
function withTerms(problem: Problem, response: AcmeHttpResponse): Problem {
  if (problem.type !== 'userActionRequired') return problem;
  const link = /<(https:[^<>\s]{1,300})>;[^,]*rel="?terms-of-service/.exec(
    response.headers.get('link') ?? '',
  );
  return link === null ? problem : { ...problem, detail: `${problem.detail} ${link[1]}`.trim() };
}
