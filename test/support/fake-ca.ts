/**
 * A small ACME authority for tests, for what Pebble does not do: renewal information, profiles,
 * and everything that goes wrong when a test says so. HTTP on loopback, state in memory.
 *
 * It is strict: every request must be signed by the right key, for its URL, with a nonce that was
 * given out and not used; every challenge is looked at by connecting to it, unless `ports` is null.
 *
 * Operations, as `faults`, `requests` and `intercept` name them: directory, newNonce, newAccount,
 * account, newOrder, order, authorization, challenge, finalize, certificate, renewalInfo,
 * revokeCert, keyChange.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { randomBytes } from 'node:crypto';

import { writePem } from '../../src/control/x509/pem.ts';
import { CaBook, makeSigners } from './fake-ca-book.ts';
import type { CaAnswer, CaBookOptions, CaRequest, CaSigners } from './fake-ca-book.ts';
import { decode, problem, Refusal, verifyJws, type Jws } from './fake-ca-jws.ts';
import { listenLoopback } from './free-port.ts';
import { delay } from './wait.ts';

/** What goes wrong with the next `times` requests of an operation. */
export interface CaFault {
  readonly on: string;
  readonly times: number;
  /** Requests of it that go well before. */
  readonly after?: number;
  /** Answer with this status instead of doing it; 0: the connection is closed without an answer. */
  readonly status?: number;
  /** Do it, and then lose the answer. */
  readonly losesAnswer?: boolean;
  readonly type?: string;
  readonly detail?: string;
  /** Field value. */
  readonly retryAfter?: string;
  /** Body instead of a problem, or with status 200 instead of the document. */
  readonly body?: string;
  readonly delayMs?: number;
}

const NONCES_MAX = 10_000;

export class FakeCa {
  readonly book: CaBook;
  /** Requests by operation. */
  readonly requests = new Map<string, number>();
  faults: CaFault[] = [];
  /** Called before a request is looked at, and before its answer is sent. */
  intercept: (operation: string, stage: 'before' | 'after') => Promise<void> | void = () =>
    undefined;
  readonly #options: CaBookOptions;
  readonly #signers: CaSigners;
  readonly #server: Server;
  readonly #nonces = new Set<string>();

  private constructor(options: CaBookOptions, signers: CaSigners) {
    this.#options = options;
    this.#signers = signers;
    this.book = new CaBook(options, signers);
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: CaBookOptions): Promise<FakeCa> {
    const ca = new FakeCa(options, await makeSigners(options.nowMs?.() ?? Date.now()));
    ca.book.base = `http://127.0.0.1:${await listenLoopback(ca.#server)}`;
    return ca;
  }

  get directory(): string {
    return `${this.book.base}/directory`;
  }

  /** PEM of the root. */
  get root(): string {
    return writePem('CERTIFICATE', this.#signers.root.certificate);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/';
    const operation = path.split('/')[1] ?? '';
    const seen = (this.requests.get(operation) ?? 0) + 1;
    this.requests.set(operation, seen);
    const fault = this.#nextFault(operation);
    try {
      await this.intercept(operation, 'before');
      const body = Buffer.concat(await incoming.toArray()).toString();
      if (fault?.delayMs !== undefined) await delay(fault.delayMs);
      const answer =
        fault !== null && fault.status !== undefined
          ? faultAnswer(fault)
          : this.#handle(incoming, { path, operation, body });
      await this.intercept(operation, 'after');
      const isLost = answer === null || fault?.losesAnswer === true;
      if (isLost) incoming.socket.destroy();
      else this.#reply(incoming, response, answer);
    } catch (error) {
      if (error instanceof Refusal) this.#reply(incoming, response, error.answer);
      else
        this.#reply(incoming, response, {
          status: 500,
          body: problem(500, 'serverInternal', String(error)),
        });
    }
  }

  #nextFault(operation: string): CaFault | null {
    const index = this.faults.findIndex(({ on }) => on === operation || on === '*');
    const fault = this.faults[index];
    if (fault === undefined) return null;
    const after = fault.after ?? 0;
    if (after > 0) {
      this.faults[index] = { ...fault, after: after - 1 };
      return null;
    }
    if (fault.times <= 1) this.faults.splice(index, 1);
    else this.faults[index] = { ...fault, times: fault.times - 1 };
    return fault;
  }

  #reply(incoming: IncomingMessage, response: ServerResponse, answer: CaAnswer): void {
    const { status, body, headers = {} } = answer;
    const nonce = randomBytes(12).toString('base64url');
    if (this.#nonces.size < NONCES_MAX) this.#nonces.add(nonce);
    const isProblem = status >= 400 && typeof body === 'object';
    response.writeHead(status, {
      'content-type': isProblem ? 'application/problem+json' : 'application/json',
      'cache-control': 'no-store',
      link: `<${this.directory}>;rel="index"`,
      ...headers,
      ...(incoming.method === 'GET' ? {} : { 'replay-nonce': nonce }),
    });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  #handle(
    incoming: IncomingMessage,
    { path, operation, body }: { path: string; operation: string; body: string },
  ): CaAnswer {
    if (operation === 'directory') return { status: 200, body: this.#directory() };
    if (operation === 'newNonce') return { status: 200, body: '' };
    if (operation === 'renewalInfo') return this.book.renewalInfoOf(path);
    if (incoming.method !== 'POST') throw new Refusal(405, 'malformed', 'POST is needed');
    if (incoming.headers['content-type'] !== 'application/jose+json') {
      throw new Refusal(415, 'malformed', 'application/jose+json is needed');
    }
    const request = this.#open(body, path, operation);
    const isKeyEnough = operation === 'newAccount' || operation === 'revokeCert';
    if (request.kid === '' && !isKeyEnough) throw new Refusal(400, 'malformed', 'kid is needed');
    return this.book.handle(request);
  }

  /** Checks nonce, URL and signature (RFC 8555 §6.2 to §6.5). */
  #open(body: string, path: string, operation: string): CaRequest {
    const jws = JSON.parse(body) as Jws;
    const header = decode(jws.protected) as {
      alg: string;
      nonce: string;
      url: string;
      kid?: string;
      jwk?: Record<string, string>;
    };
    if (!this.#nonces.delete(header.nonce)) throw new Refusal(400, 'badNonce', 'unknown nonce');
    if (header.url !== `${this.book.base}${path}`) throw new Refusal(400, 'malformed', 'wrong url');
    let jwk = header.jwk;
    if (header.kid !== undefined) {
      const account = this.book.accounts.find(({ url }) => url === header.kid);
      if (account === undefined) throw new Refusal(400, 'accountDoesNotExist', 'unknown account');
      if (account.status !== 'valid') throw new Refusal(401, 'unauthorized', 'deactivated');
      jwk = account.jwk;
    }
    if (jwk === undefined) throw new Refusal(400, 'malformed', 'neither kid nor jwk');
    verifyJws(jws, jwk, header.alg);
    const payload = jws.payload === '' ? null : (decode(jws.payload) as CaRequest['payload']);
    return { operation, path, payload, jwk, kid: header.kid ?? '' };
  }

  #directory(): object {
    const url = (name: string): string => `${this.book.base}/${name}`;
    const { profiles, externalAccount } = this.#options;
    return {
      newNonce: url('newNonce'),
      newAccount: url('newAccount'),
      newOrder: url('newOrder'),
      revokeCert: url('revokeCert'),
      keyChange: url('keyChange'),
      renewalInfo: url('renewalInfo'),
      meta: {
        termsOfService: url('terms'),
        externalAccountRequired: externalAccount !== undefined,
        ...(profiles === undefined ? {} : { profiles }),
      },
    };
  }
}

function faultAnswer(fault: CaFault): CaAnswer | null {
  const { status = 0, type = 'serverInternal', detail = 'a fault of the test' } = fault;
  if (status === 0) return null;
  const headers = fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter };
  return { status, body: fault.body ?? problem(status, type, detail), headers };
}
