/**
 * API calls: how providers talk to the HTTP interfaces of DNS services.
 *
 * A1  a call ends: 30 s per try, four tries, 1 MiB per answer; redirects are not followed.
 * A2  429, 502, 503, 504 and a broken connection are tried again, after Retry-After or a pause
 *     that doubles; the call is made anew each time, because signatures carry the time.
 * A3  an error says what the service said, with every secret of the provider taken out.
 */

import { request as requestHttp } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import { DnsProviderError } from './dns-provider.ts';
import { brokenOff } from './dns-tools.ts';
import type { DnsTools } from './dns-tools.ts';

export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  /** Empty: none. */
  readonly body: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface ApiOptions {
  /** The service, for messages: `Cloudflare`. */
  readonly service: string;
  /** Taken out of every message. */
  readonly secrets: readonly string[];
  readonly tools: DnsTools;
}

const TRY_TIMEOUT_MS = 30_000;
const TRIES_MAX = 4;
const PAUSE_MAX_MS = 60_000;
const ANSWER_SIZE_MAX = 1_048_576;
const DETAIL_LENGTH_MAX = 200;
const AGAIN: readonly number[] = [429, 502, 503, 504];

export class ApiClient {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /**
   * Makes the call and returns its answer, whatever its status.
   * @param make called before each try
   * @throws DnsProviderError: no answer, or "again later" too often
   */
  async call(make: () => ApiCall, signal: AbortSignal): Promise<ApiAnswer> {
    const { service, tools } = this.#options;
    for (let tried = 1; ; tried++) {
      const answer = await send(make(), signal);
      if (signal.aborted) throw brokenOff();
      const isAgain = typeof answer === 'string' || AGAIN.includes(answer.status);
      if (typeof answer !== 'string' && !isAgain) return answer;
      if (tried === TRIES_MAX) {
        if (typeof answer !== 'string') throw this.refusal(answer);
        throw new DnsProviderError(`${service} could not be reached (${answer})`, true);
      }
      const asked = typeof answer === 'string' ? 0 : retryAfterMs(answer, tools.nowMs());
      if (asked > PAUSE_MAX_MS && typeof answer !== 'string') throw this.refusal(answer);
      await tools.delay(asked > 0 ? asked : 1_000 * 2 ** (tried - 1), signal);
    }
  }

  /**
   * A call with JSON in its body and its answer.
   * @param accept statuses besides 200 to 299 that are no failure
   * @returns what the answer says; null when it says nothing that can be read
   * @throws DnsProviderError
   */
  async json(
    make: () => ApiCall,
    signal: AbortSignal,
    accept: readonly number[] = [],
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const answer = await this.call(make, signal);
    if ((answer.status < 200 || answer.status > 299) && !accept.includes(answer.status)) {
      throw this.refusal(answer);
    }
    return { status: answer.status, body: parseJson(answer.text) };
  }

  /** The error for an answer that is a refusal. */
  refusal(answer: ApiAnswer): DnsProviderError {
    const { service } = this.#options;
    const { status } = answer;
    const isTemporary = status === 429 || status >= 500;
    const about =
      status === 401 || status === 403
        ? ' (are the credentials right, and may they change this zone?)'
        : status === 429
          ? ' (too many calls)'
          : '';
    const detail = this.redact(detailOf(answer));
    const said = detail === '' ? '' : `: ${detail}`;
    return new DnsProviderError(`${service} answered ${status}${about}${said}`, isTemporary);
  }

  /** `text` without any secret, on one line. */
  redact(text: string): string {
    let clean = text.replaceAll(/[\x00-\x1f\x7f]+/g, ' ');
    for (const secret of this.#options.secrets) {
      if (secret !== '') clean = clean.replaceAll(secret, '***');
    }
    return clean.trim().slice(0, DETAIL_LENGTH_MAX);
  }
}

/** The words for people in an answer: `message` and its like in JSON or XML, else nothing. */
function detailOf(answer: ApiAnswer): string {
  const body = parseJson(answer.text);
  const found = body === null ? xmlMessage(answer.text) : findMessage(body, 0);
  return found ?? '';
}

function xmlMessage(text: string): string | null {
  return /<Message>([^<]{1,500})<\/Message>/.exec(text)?.[1] ?? null;
}

function findMessage(value: unknown, depth: number): string | null {
  if (typeof value !== 'object' || value === null || depth > 3) return null;
  const entries = Object.entries(value);
  for (const [key, item] of entries) {
    const isMessage = ['message', 'error', 'detail', 'error_description'].includes(key);
    if (isMessage && typeof item === 'string' && item !== '') return item;
  }
  for (const [key, item] of entries) {
    if (!['errors', 'error', '0'].includes(key)) continue;
    const inner = findMessage(item, depth + 1);
    if (inner !== null) return inner;
  }
  return null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Retry-After in milliseconds (RFC 9110 §10.2.3); 0: not said. */
function retryAfterMs(answer: ApiAnswer, nowMs: number): number {
  const text = answer.headers['retry-after'] ?? '';
  if (/^\d{1,9}$/.test(text)) return Math.max(Number(text) * 1_000, 1);
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? 0 : Math.max(atMs - nowMs, 1);
}

/** One try. @returns a word for why there is no answer */
function send(call: ApiCall, signal: AbortSignal): Promise<ApiAnswer | string> {
  return new Promise((resolve) => {
    const isTls = call.url.startsWith('https:');
    const body = Buffer.from(call.body);
    const headers: Record<string, string> = {
      'user-agent': 'proxy-now',
      accept: 'application/json',
      ...call.headers,
    };
    if (call.method !== 'GET') headers['content-length'] = String(body.length);
    const request = (isTls ? requestHttps : requestHttp)(call.url, {
      method: call.method,
      headers,
      signal,
      agent: false,
    });
    const timer = setTimeout(() => request.destroy(), TRY_TIMEOUT_MS);
    const finish = (result: ApiAnswer | string): void => {
      clearTimeout(timer);
      resolve(result);
      request.destroy();
    };
    request.on('error', (error) => finish((error as NodeJS.ErrnoException).code ?? 'no answer'));
    request.on('close', () => finish('no answer'));
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > ANSWER_SIZE_MAX) finish('too long an answer');
        else parts.push(part);
      });
      response.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        finish({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    request.end(body);
  });
}

/** The property `key` of something that came from outside; undefined when it has none. */
export function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as { readonly [key: string]: unknown })[key];
}

/** The list `key` of something that came from outside; empty when it is none. */
export function listField(value: unknown, key: string): readonly unknown[] {
  const list = field(value, key);
  return Array.isArray(list) ? list : [];
}
