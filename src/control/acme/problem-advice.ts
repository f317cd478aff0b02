/**
 * What to do about a problem: one row per type that authorities use (RFC 8555 §6.7, RFC 9773 §7.4,
 * and the profiles extension), with one sentence for people.
 */

import { AcmeError } from './acme-error.ts';
import type { AcmeAdvice } from './acme-error.ts';
import type { Problem } from './problem.ts';

interface ProblemRow {
  readonly advice: AcmeAdvice;
  /** @param name who it is about, as a noun: a name, or `one of the names` */
  readonly sentence: (name: string) => string;
}

const ROWS: ReadonlyMap<string, ProblemRow> = new Map<string, ProblemRow>([
  [
    'accountDoesNotExist',
    row('retry', () => 'the authority does not know the account; a new one is registered'),
  ],
  [
    'alreadyReplaced',
    row('retry', () => 'another order has replaced the certificate already; it is tried without'),
  ],
  ['alreadyRevoked', row('fix', () => 'the certificate was revoked before')],
  [
    'badCSR',
    row('fix', () => 'the authority refuses the certificate request: try another `key-type`'),
  ],
  ['badNonce', row('retry', () => 'the authority refused every nonce that it gave')],
  [
    'badPublicKey',
    row('fix', () => 'the authority refuses the kind of key: change `key-type` of the issuer'),
  ],
  ['badRevocationReason', row('fix', () => 'the authority does not take that revocation reason')],
  [
    'badSignatureAlgorithm',
    row('fix', () => 'the authority refuses the kind of account key: import or make another one'),
  ],
  [
    'caa',
    row(
      'fix',
      (name) =>
        `a CAA record of ${name} forbids this authority: allow it in DNS or use another issuer`,
    ),
  ],
  ['compound', row('fix', (name) => `several names failed, ${name} among them`)],
  [
    'connection',
    row(
      'fix',
      (name) =>
        `the authority could not connect to ${name}: port 80 (http-01) or 443 (tls-alpn-01) must ` +
        'be reachable from the internet and lead here',
    ),
  ],
  ['conflict', row('retry', () => 'the authority is busy with the same thing')],
  [
    'dns',
    row('fix', (name) => `the authority could not look up ${name}: correct its records in DNS`),
  ],
  [
    'externalAccountRequired',
    row('fix', () => 'the authority wants an external account: set `eab` of the issuer'),
  ],
  [
    'incorrectResponse',
    row(
      'fix',
      (name) =>
        `the authority reached somebody else under ${name}: its A and AAAA records (or its ` +
        '_acme-challenge record) must lead here, all of them',
    ),
  ],
  [
    'invalidContact',
    row('fix', () => 'the authority refuses the email address: correct `email` of the issuer'),
  ],
  [
    'invalidProfile',
    row('fix', () => 'the authority has no such profile: correct `profile` of the issuer'),
  ],
  ['malformed', row('retry', () => 'the authority does not understand the request')],
  ['orderNotReady', row('retry', () => 'the authority is not ready for the order')],
  [
    'rateLimited',
    row('wait', () => 'the authority limits how often it is asked; it is tried again by itself'),
  ],
  [
    'rejectedIdentifier',
    row('fix', (name) => `the authority never issues for ${name}: use another issuer for it`),
  ],
  ['serverInternal', row('retry', () => 'the authority has trouble of its own')],
  [
    'tls',
    row(
      'fix',
      (name) =>
        `the authority could not speak TLS with ${name}: port 443 must lead here without ` +
        'anything in between that ends TLS',
    ),
  ],
  [
    'unauthorized',
    row(
      'fix',
      (name) =>
        `the authority got no right answer under ${name}: its A and AAAA records (or its ` +
        '_acme-challenge record) must lead here, all of them',
    ),
  ],
  [
    'unsupportedContact',
    row('fix', () => 'the authority takes no such contact: correct `email` of the issuer'),
  ],
  [
    'unsupportedIdentifier',
    row('fix', (name) => `the authority makes no certificates for ${name}: use another issuer`),
  ],
  [
    'userActionRequired',
    row('fix', () => 'the authority wants a person to act, such as agreeing to new terms'),
  ],
]);

function row(advice: AcmeAdvice, sentence: (name: string) => string): ProblemRow {
  return { advice, sentence };
}

/** Types that say something about a name only when it was looked at. */
const REQUEST_SENTENCES: ReadonlyMap<string, string> = new Map([
  ['unauthorized', 'the authority refuses the account: it may have been deactivated'],
]);

/** Where a problem was met. */
export interface ProblemSource {
  /** Host of the authority. */
  readonly authority: string;
  /** Names that the request is about; empty: it is about the account. */
  readonly names: readonly string[];
  /** As the response said; 0: not said. */
  readonly retryAtMs: number;
  /** It is what the authority found when it looked at a challenge. */
  readonly isValidation: boolean;
}

/** The error for a problem: what to do, and in brackets what the authority said. */
export function errorOf(problem: Problem, source: ProblemSource): AcmeError {
  const telling = tellingProblem(problem);
  const advice = adviceOf(telling, problem.status);
  // A promise of when to come back is worth more than the type: nobody has to act before that.
  const waits = advice === 'retry' && source.retryAtMs > 0;
  return new AcmeError(sentenceOf(telling, source), {
    advice: waits ? 'wait' : advice,
    retryAtMs: source.retryAtMs,
    problem,
  });
}

/** Of several in one the first that says more than that there are several. */
function tellingProblem(problem: Problem): Problem {
  const [first] = problem.subproblems;
  if (first === undefined) return problem;
  return problem.identifier === '' || problem.type === 'compound' ? first : problem;
}

function adviceOf(problem: Problem, status: number): AcmeAdvice {
  const known = ROWS.get(problem.type);
  if (known !== undefined) return known.advice;
  if (status === 429) return 'wait';
  return status >= 500 || status < 400 ? 'retry' : 'fix';
}

function sentenceOf(problem: Problem, source: ProblemSource): string {
  const isAboutName = problem.identifier !== '' || source.isValidation;
  const account = isAboutName ? undefined : REQUEST_SENTENCES.get(problem.type);
  const known = ROWS.get(problem.type);
  const sentence =
    account ?? known?.sentence(nameOf(problem, source.names)) ?? unknownSentence(problem);
  const said = problem.detail === '' ? `status ${problem.status}` : problem.detail;
  return `${sentence} (${source.authority}: ${said})`;
}

function unknownSentence(problem: Problem): string {
  if (problem.status === 429) return ROWS.get('rateLimited')!.sentence('');
  if (problem.status >= 500) return ROWS.get('serverInternal')!.sentence('');
  return problem.type === 'about:blank'
    ? `the authority answers with status ${problem.status}`
    : `the authority refuses with ${problem.type}`;
}

function nameOf(problem: Problem, names: readonly string[]): string {
  if (problem.identifier !== '') return problem.identifier;
  return names.length === 1 ? names[0]! : 'one of the names';
}

/** Types of the table, for documents and tests. */
export const KNOWN_TYPES: readonly string[] = [...ROWS.keys()];
