/**
 * The books of the fake authority: accounts, orders and certificates, and what each operation does
 * with them (RFC 8555 §7). Requests arrive here with their signature checked.
 */

import { createHmac, randomBytes } from 'node:crypto';

import { identifierOf, type ChallengeKind } from '../../src/control/acme/challenge.ts';
import { thumbprintOf } from '../../src/control/acme/jws.ts';
import { renewalId } from '../../src/control/acme/renewal-info.ts';
import {
  buildCaCertificate,
  buildLeafCertificate,
  type Signer,
} from '../../src/control/x509/certificate-builder.ts';
import { generateKey } from '../../src/control/x509/keys.ts';
import { certificatesOf, writePem } from '../../src/control/x509/pem.ts';
import { readCsr } from './fake-ca-csr.ts';
import { decode, problem, Refusal, verifyJws, type Jws } from './fake-ca-jws.ts';
import { validate, type ValidationPorts } from './fake-ca-validation.ts';

export interface CaBookOptions {
  /** Null: whatever is to be validated is valid. */
  readonly ports: ValidationPorts | null;
  /** Names with descriptions; undefined: the authority has no profiles. */
  readonly profiles?: Readonly<Record<string, string>>;
  /** Key id and base64url key that newAccount must be bound to. */
  readonly externalAccount?: { readonly keyId: string; readonly hmacKey: string };
  /** Unix milliseconds; for certificates. */
  readonly nowMs?: () => number;
  /** Life of certificates; 90 days. */
  readonly lifetimeMs?: number;
  readonly kinds?: readonly ChallengeKind[];
}

export interface CaAccount {
  readonly url: string;
  jwk: Record<string, string>;
  contact: readonly string[];
  status: string;
}

interface CaChallenge {
  readonly kind: ChallengeKind;
  readonly token: string;
  status: string;
  error: object | null;
}

interface CaAuthorization {
  readonly url: string;
  readonly name: string;
  status: string;
  readonly challenges: readonly CaChallenge[];
}

export interface CaOrder {
  readonly url: string;
  readonly names: readonly string[];
  readonly account: string;
  readonly profile: string;
  readonly replaces: string;
  readonly authorizations: readonly CaAuthorization[];
  /** `processing` is asked for so many times more. */
  processingLeft: number;
  status: string;
  certificate: CaCertificate | null;
}

export interface CaCertificate {
  readonly url: string;
  readonly names: readonly string[];
  /** PEM, leaf first, without the root; that of the other root in `alternate`. */
  readonly chain: string;
  readonly alternate: string;
  readonly renewalId: string;
  isRevoked: boolean;
}

export interface CaRequest {
  readonly operation: string;
  readonly path: string;
  /** Null: POST-as-GET. */
  readonly payload: Record<string, unknown> | null;
  readonly jwk: Record<string, string>;
  /** Account URL; empty: signed by a key alone. */
  readonly kid: string;
}

export interface CaAnswer {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Record<string, string>;
}

const DAY_MS = 86_400_000;

export class CaBook {
  readonly accounts: CaAccount[] = [];
  readonly orders: CaOrder[] = [];
  readonly certificates: CaCertificate[] = [];
  /** Polls for which an order that is finalized stays `processing`. */
  processingPolls = 0;
  /** Renewal information of a certificate, as status, body and fields; null: 404. */
  renewalInfo: (certificate: CaCertificate) => CaAnswer | null = () => null;
  /** Origin of all URLs. */
  base = '';
  readonly #options: CaBookOptions;
  readonly #signers: CaSigners;
  #count = 0;

  constructor(options: CaBookOptions, signers: CaSigners) {
    this.#options = options;
    this.#signers = signers;
  }

  handle(request: CaRequest): CaAnswer {
    switch (request.operation) {
      case 'newAccount':
        return this.#newAccount(request);
      case 'account':
        return this.#changeAccount(request);
      case 'newOrder':
        return this.#newOrder(request);
      case 'order':
        return this.#order(request);
      case 'authorization':
        return this.#authorization(request);
      case 'challenge':
        return this.#challenge(request);
      case 'finalize':
        return this.#finalize(request);
      case 'certificate':
        return this.#certificate(request);
      case 'revokeCert':
        return this.#revoke(request);
      case 'keyChange':
        return this.#keyChange(request);
      default:
        throw new Refusal(404, 'malformed', 'no such thing');
    }
  }

  /** GET, without a signature. */
  renewalInfoOf(path: string): CaAnswer {
    const id = path.slice('/renewalInfo/'.length);
    const certificate = this.certificates.find((one) => one.renewalId === id);
    const answer = certificate === undefined ? null : this.renewalInfo(certificate);
    return answer ?? { status: 404, body: problem(404, 'malformed', 'unknown certificate') };
  }

  #newAccount({ payload, jwk }: CaRequest): CaAnswer {
    const known = this.accounts.find((one) => thumbprintOf(one.jwk) === thumbprintOf(jwk));
    if (known !== undefined) return accountAnswer(known, 200);
    if (payload?.['onlyReturnExisting'] === true) {
      throw new Refusal(400, 'accountDoesNotExist', 'no account with that key');
    }
    const { externalAccount } = this.#options;
    if (externalAccount !== undefined) checkBinding(payload, jwk, externalAccount);
    if (payload?.['termsOfServiceAgreed'] !== true) {
      throw new Refusal(403, 'userActionRequired', 'the terms must be agreed to');
    }
    const url = `${this.base}/account/${++this.#count}`;
    const contact = (payload['contact'] ?? []) as string[];
    const account = { url, jwk, contact, status: 'valid' };
    this.accounts.push(account);
    return accountAnswer(account, 201);
  }

  #changeAccount({ payload, kid, path }: CaRequest): CaAnswer {
    const account = this.accounts.find(({ url }) => url === kid)!;
    if (kid !== `${this.base}${path}`) throw new Refusal(401, 'unauthorized', 'not yours');
    if (payload?.['contact'] !== undefined) account.contact = payload['contact'] as string[];
    if (payload?.['status'] === 'deactivated') account.status = 'deactivated';
    return accountAnswer(account, 200);
  }

  #keyChange({ payload, kid }: CaRequest): CaAnswer {
    const account = this.accounts.find(({ url }) => url === kid)!;
    const jws = payload as unknown as Jws;
    const header = decode(jws.protected) as { alg: string; jwk: Record<string, string> };
    verifyJws(jws, header.jwk, header.alg);
    const inner = decode(jws.payload) as { account: string; oldKey: Record<string, string> };
    if (inner.account !== kid || thumbprintOf(inner.oldKey) !== thumbprintOf(account.jwk)) {
      throw new Refusal(400, 'malformed', 'the change is for another account');
    }
    account.jwk = header.jwk;
    return accountAnswer(account, 200);
  }

  #newOrder({ payload, kid }: CaRequest): CaAnswer {
    const identifiers = payload?.['identifiers'] as { type: string; value: string }[];
    const names = identifiers.map(({ value }) => value);
    const profile = (payload?.['profile'] ?? '') as string;
    const replaces = (payload?.['replaces'] ?? '') as string;
    if (profile !== '' && this.#options.profiles?.[profile] === undefined) {
      throw new Refusal(400, 'invalidProfile', `no profile ${profile}`);
    }
    if (replaces !== '') this.#checkReplaces(replaces);
    const authorizations = names.map((name) => this.#newAuthorization(name));
    const url = `${this.base}/order/${++this.#count}`;
    const order: CaOrder = {
      url,
      names,
      account: kid,
      profile,
      replaces,
      authorizations,
      processingLeft: this.processingPolls,
      status: 'pending',
      certificate: null,
    };
    this.orders.push(order);
    return { status: 201, body: orderDocument(order), headers: { location: url } };
  }

  #checkReplaces(replaces: string): void {
    if (!this.certificates.some((one) => one.renewalId === replaces)) {
      throw new Refusal(404, 'malformed', 'what is replaced is unknown');
    }
    if (this.orders.some((one) => one.replaces === replaces && one.certificate !== null)) {
      throw new Refusal(409, 'alreadyReplaced', 'it was replaced already');
    }
  }

  #newAuthorization(name: string): CaAuthorization {
    const url = `${this.base}/authorization/${++this.#count}`;
    const all = this.#options.kinds ?? ['http-01', 'tls-alpn-01', 'dns-01'];
    const kinds = name.startsWith('*.') ? ['dns-01' as const] : all;
    const challenges = kinds.map((kind) => ({
      kind,
      token: randomBytes(12).toString('base64url'),
      status: 'pending',
      error: null,
    }));
    return { url, name, status: 'pending', challenges };
  }

  #order({ path, kid }: CaRequest): CaAnswer {
    const order = this.#find(this.orders, path);
    if (order.account !== kid) throw new Refusal(403, 'unauthorized', 'not your order');
    if (order.status === 'processing' && order.processingLeft-- <= 0) order.status = 'valid';
    return { status: 200, body: orderDocument(order) };
  }

  #authorization({ path, payload }: CaRequest): CaAnswer {
    const all = this.orders.flatMap(({ authorizations }) => authorizations);
    const authorization = this.#find(all, path);
    if (payload?.['status'] === 'deactivated') authorization.status = 'deactivated';
    return { status: 200, body: authorizationDocument(authorization) };
  }

  #challenge({ path, payload, kid }: CaRequest): CaAnswer {
    const [, , id = '', kind = ''] = path.split('/');
    const all = this.orders.flatMap(({ authorizations }) => authorizations);
    const authorization = this.#find(all, `/authorization/${id}`);
    const challenge = authorization.challenges.find((one) => one.kind === kind)!;
    if (payload === null) return { status: 200, body: challengeDocument(authorization, challenge) };
    if (challenge.status !== 'pending' || authorization.status !== 'pending') {
      throw new Refusal(400, 'malformed', `the challenge is ${challenge.status}`);
    }
    challenge.status = 'processing';
    const account = this.accounts.find(({ url }) => url === kid)!;
    void this.#validate(authorization, challenge, thumbprintOf(account.jwk));
    return { status: 200, body: challengeDocument(authorization, challenge) };
  }

  async #validate(
    authorization: CaAuthorization,
    challenge: CaChallenge,
    thumbprint: string,
  ): Promise<void> {
    const { kind, token } = challenge;
    const identifier = identifierOf(authorization.name);
    const keyAuthorization = `${token}.${thumbprint}`;
    const { ports } = this.#options;
    const shown = { kind, identifier, token, keyAuthorization };
    const wrong = ports === null ? null : await validate(shown, ports);
    challenge.status = wrong === null ? 'valid' : 'invalid';
    challenge.error = wrong === null ? null : problem(403, wrong.type, wrong.detail);
    authorization.status = challenge.status;
  }

  #finalize({ path, payload }: CaRequest): CaAnswer {
    const order = this.#find(this.orders, path.replace('/finalize/', '/order/'));
    if (statusOf(order) !== 'ready') {
      throw new Refusal(403, 'orderNotReady', `the order is ${statusOf(order)}`);
    }
    const { names, key } = readCsr(Buffer.from(String(payload?.['csr']), 'base64url'));
    if (names.toSorted().join() !== order.names.toSorted().join()) {
      throw new Refusal(400, 'badCSR', 'the names are not those of the order');
    }
    const nowMs = this.#options.nowMs?.() ?? Date.now();
    const leaf = buildLeafCertificate({
      names,
      key,
      signer: this.#signers.intermediate,
      notBeforeMs: nowMs - 3_600_000,
      notAfterMs: nowMs + (this.#options.lifetimeMs ?? 90 * DAY_MS),
    });
    const chainOf = (intermediate: Uint8Array): string =>
      [leaf, intermediate].map((der) => writePem('CERTIFICATE', der)).join('');
    const chain = chainOf(this.#signers.intermediate.certificate);
    order.certificate = {
      url: order.url.replace('/order/', '/certificate/'),
      names,
      chain,
      alternate: chainOf(this.#signers.otherIntermediate),
      renewalId: renewalId(chain)!,
      isRevoked: false,
    };
    this.certificates.push(order.certificate);
    order.status = 'processing';
    return { status: 200, body: orderDocument(order), headers: { location: order.url } };
  }

  #certificate({ path }: CaRequest): CaAnswer {
    const isAlternate = path.endsWith('/alternate');
    const found = this.#find(this.certificates, path.replace('/alternate', ''));
    return {
      status: 200,
      body: isAlternate ? found.alternate : found.chain,
      headers: {
        'content-type': 'application/pem-certificate-chain',
        link: `<${found.url}/alternate>;rel="alternate"`,
      },
    };
  }

  #revoke({ payload, jwk }: CaRequest): CaAnswer {
    const der = Buffer.from(String(payload?.['certificate']), 'base64url');
    const found = this.certificates.find(({ chain }) => der.equals(certificatesOf(chain)[0]!));
    if (found === undefined) throw new Refusal(404, 'malformed', 'unknown certificate');
    if (found.isRevoked) throw new Refusal(400, 'alreadyRevoked', 'it was revoked before');
    if (jwk['kty'] === undefined) throw new Refusal(403, 'unauthorized', 'wrong key');
    found.isRevoked = true;
    return { status: 200, body: '' };
  }

  #find<Item extends { readonly url: string }>(items: readonly Item[], path: string): Item {
    const found = items.find(({ url }) => url === `${this.base}${path}`);
    if (found === undefined) throw new Refusal(404, 'malformed', 'no such thing');
    return found;
  }
}

export interface CaSigners {
  readonly root: Signer;
  readonly intermediate: Signer;
  /** The same authority under the root `Other Root`; DER. */
  readonly otherIntermediate: Uint8Array;
}

export async function makeSigners(nowMs: number): Promise<CaSigners> {
  const keys = await Promise.all([1, 2, 3].map(() => generateKey('ecdsa-p256')));
  const [rootKey, otherKey, key] = [keys[0]!, keys[1]!, keys[2]!];
  const life = { notBeforeMs: nowMs - 400 * DAY_MS, notAfterMs: nowMs + 3_000 * DAY_MS };
  const self = { ...life, organization: '', pathLength: 1, signer: null };
  const root = buildCaCertificate({ ...self, commonName: 'Fake Root', key: rootKey });
  const other = buildCaCertificate({ ...self, commonName: 'Other Root', key: otherKey });
  const below = { ...life, organization: '', pathLength: 0, commonName: 'Fake CA', key };
  const rootSigner = { certificate: root, key: rootKey };
  const otherSigner = { certificate: other, key: otherKey };
  return {
    root: rootSigner,
    intermediate: { certificate: buildCaCertificate({ ...below, signer: rootSigner }), key },
    otherIntermediate: buildCaCertificate({ ...below, signer: otherSigner }),
  };
}

function accountAnswer(account: CaAccount, status: number): CaAnswer {
  const { url, contact } = account;
  return { status, body: { status: account.status, contact }, headers: { location: url } };
}

function checkBinding(
  payload: Record<string, unknown> | null,
  jwk: Record<string, string>,
  external: { readonly keyId: string; readonly hmacKey: string },
): void {
  const binding = payload?.['externalAccountBinding'] as Jws | undefined;
  if (binding === undefined)
    throw new Refusal(403, 'externalAccountRequired', 'a binding is needed');
  const header = decode(binding.protected) as { kid: string };
  const wanted = createHmac('sha256', Buffer.from(external.hmacKey, 'base64url'))
    .update(`${binding.protected}.${binding.payload}`)
    .digest('base64url');
  const bound = decode(binding.payload) as Record<string, string>;
  const isRight = header.kid === external.keyId && wanted === binding.signature;
  if (!isRight || thumbprintOf(bound) !== thumbprintOf(jwk)) {
    throw new Refusal(401, 'unauthorized', 'the binding is wrong');
  }
}

/** As RFC 8555 §7.1.6 has an order follow its authorizations. */
function statusOf(order: CaOrder): string {
  if (order.status !== 'pending') return order.status;
  const statuses = order.authorizations.map(({ status }) => status);
  if (statuses.every((status) => status === 'valid')) return 'ready';
  return statuses.every((status) => status === 'valid' || status === 'pending')
    ? 'pending'
    : 'invalid';
}

function orderDocument(order: CaOrder): object {
  const { url, names, authorizations, certificate } = order;
  const status = statusOf(order);
  return {
    status,
    identifiers: names.map((value) => ({ type: identifierOf(value).type, value })),
    authorizations: authorizations.map((one) => one.url),
    finalize: url.replace('/order/', '/finalize/'),
    ...(status === 'valid' ? { certificate: certificate!.url } : {}),
  };
}

function authorizationDocument(authorization: CaAuthorization): object {
  const { name, status, challenges } = authorization;
  return {
    status,
    identifier: identifierOf(name),
    ...(name.startsWith('*.') ? { wildcard: true } : {}),
    challenges: challenges.map((one) => challengeDocument(authorization, one)),
  };
}

function challengeDocument(authorization: CaAuthorization, challenge: CaChallenge): object {
  const { kind, token, status, error } = challenge;
  const url = `${authorization.url.replace('/authorization/', '/challenge/')}/${kind}`;
  return { type: kind, url, token, status, ...(error === null ? {} : { error }) };
}
