/**
 * HTTP toward ACME authorities: one request, one whole response.
 *
 * H1  https only, but for authorities on this machine.
 * H2  every request ends: by its response, a limit of size or time, or its signal.
 * H3  redirects are given back as they are; nothing is followed.
 */

import http from 'node:http';
import https from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';

import { AcmeHttpError } from '../acme/acme-http.ts';
import type { AcmeHttp, AcmeHttpRequest, AcmeHttpResponse } from '../acme/acme-http.ts';

const RESPONSE_SIZE_MAX = 1_048_576;
const REQUEST_TIME_MAX_MS = 60_000;
const SILENCE_MAX_MS = 30_000;
const IDLE_MAX_MS = 30_000;
const SOCKETS_MAX = 8;

export interface AcmeHttpOptions {
  /** PEM texts of what is trusted; empty: the well-known authorities. */
  readonly cas: readonly string[];
  /** `proxy-now/` and the version. */
  readonly userAgent: string;
}

export class NodeAcmeHttp implements AcmeHttp {
  readonly #userAgent: string;
  readonly #secure: https.Agent;
  readonly #plain: http.Agent;

  constructor({ cas, userAgent }: AcmeHttpOptions) {
    this.#userAgent = userAgent;
    const options = { keepAlive: true, maxSockets: SOCKETS_MAX, timeout: IDLE_MAX_MS };
    const ca = cas.length === 0 ? {} : { ca: [...cas] };
    this.#secure = new https.Agent({ ...options, ...ca });
    this.#plain = new http.Agent(options);
  }

  send(request: AcmeHttpRequest): Promise<AcmeHttpResponse> {
    const { signal } = request;
    const url = new URL(request.url);
    if (url.protocol !== 'https:' && !isLocal(url)) {
      const message = `${url.host} is not asked by ${url.protocol}: only https is safe`;
      return Promise.reject(new AcmeHttpError(message, false));
    }
    return new Promise((resolve, reject) => {
      const late = AbortSignal.timeout(REQUEST_TIME_MAX_MS);
      const fail = (error: Error): void => {
        reject(signal.aborted ? (signal.reason as Error) : failureOf(url, error, late.aborted));
      };
      try {
        const outgoing = this.#open(url, request, AbortSignal.any([signal, late]));
        outgoing.on('error', fail);
        outgoing.on('timeout', () => outgoing.destroy(new Error('it stays silent')));
        outgoing.on('response', (response) => readWhole(url, response, resolve, fail));
        outgoing.end(request.body ?? undefined);
      } catch (error) {
        fail(error as Error);
      }
    });
  }

  /** Closes connections that are kept for later. */
  close(): void {
    this.#secure.destroy();
    this.#plain.destroy();
  }

  #open(url: URL, request: AcmeHttpRequest, signal: AbortSignal): ClientRequest {
    const { method, headers, body } = request;
    const isSecure = url.protocol === 'https:';
    const options = {
      method,
      signal,
      timeout: SILENCE_MAX_MS,
      agent: isSecure ? this.#secure : this.#plain,
      headers: {
        'user-agent': this.#userAgent,
        'accept-language': 'en',
        ...headers,
        ...(body === null ? {} : { 'content-length': String(body.length) }),
      },
    };
    return isSecure ? https.request(url, options) : http.request(url, options);
  }
}

function readWhole(
  url: URL,
  response: IncomingMessage,
  resolve: (response: AcmeHttpResponse) => void,
  fail: (error: Error) => void,
): void {
  const parts: Buffer[] = [];
  let size = 0;
  response.on('data', (part: Buffer) => {
    size += part.length;
    parts.push(part);
    if (size <= RESPONSE_SIZE_MAX) return;
    fail(new AcmeHttpError(`${url.host} answers with more than 1 MiB`, false));
    response.destroy();
  });
  response.on('error', fail);
  response.on('close', () => {
    if (!response.complete) fail(new Error('it closed the connection'));
  });
  response.on('end', () => {
    const headers = new Map<string, string>();
    for (const [name, values = []] of Object.entries(response.headersDistinct)) {
      headers.set(name, values.join(', '));
    }
    resolve({ status: response.statusCode ?? 0, headers, body: Buffer.concat(parts, size) });
  });
}

/** The proxy's own machine: nobody listens in between. */
function isLocal({ protocol, hostname }: URL): boolean {
  if (protocol !== 'http:') return false;
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

/** Certificates that a wrong clock may be to blame for. */
const CLOCK_CODES = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const TRUST_CODES = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

function failureOf(url: URL, error: Error, isLate: boolean): AcmeHttpError {
  if (error instanceof AcmeHttpError) return error;
  const { host } = url;
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  const options = { cause: error };
  if (TRUST_CODES.has(code)) {
    const message = `${host} shows a certificate that is not trusted: set \`ca\` of the issuer`;
    return new AcmeHttpError(message, false, options);
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new AcmeHttpError(`${host} shows a certificate for other names`, false, options);
  }
  if (CLOCK_CODES.has(code)) {
    const message = `${host} shows a certificate that is not valid now: is the clock right?`;
    return new AcmeHttpError(message, true, options);
  }
  return new AcmeHttpError(`${host} cannot be reached (${reasonOf(code, error, isLate)})`, true, {
    cause: error,
  });
}

function reasonOf(code: string, error: Error, isLate: boolean): string {
  if (isLate) return 'no whole answer in time';
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name cannot be looked up';
    case 'ECONNREFUSED':
      return 'it refuses connections';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'it closed the connection';
    default:
      return code === '' ? error.message : code;
  }
}
