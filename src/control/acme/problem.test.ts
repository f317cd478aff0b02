import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorOf, KNOWN_TYPES } from './problem-advice.ts';
import { problemOf, readProblem } from './problem.ts';
import type { Problem } from './problem.ts';

const PREFIX = 'urn:ietf:params:acme:error:';
const SOURCE = {
  authority: 'ca.example',
  names: ['a.example.com'],
  retryAtMs: 0,
  isValidation: true,
};

function read(document: unknown, status = 400): Problem {
  return readProblem(status, new TextEncoder().encode(JSON.stringify(document)));
}

test('problem: type without its prefix, status of the response when there is none', () => {
  const problem = read({ type: `${PREFIX}caa`, detail: 'no' }, 403);
  const rest = { identifier: '', subproblems: [] };
  assert.deepEqual(problem, { type: 'caa', status: 403, detail: 'no', ...rest });
  assert.equal(read({ type: `${PREFIX}caa`, status: 401 }, 403).status, 401);
  assert.equal(read({ type: `${PREFIX}caa`, status: '401' }, 403).status, 403);
  assert.equal(read({ type: 'https://ca/own' }).type, 'https://ca/own');
});

test('problem: what is no problem document becomes its text, without markup', () => {
  const bytes = new TextEncoder().encode('<html>\n<h1>502  Bad Gateway</h1>\u0007</html>');
  const problem = readProblem(502, bytes);
  assert.equal(problem.type, 'about:blank');
  assert.equal(problem.detail, '502 Bad Gateway');
  for (const body of ['', 'null', '[]', '7', '{}', '\xff\xfe']) {
    const { type, status } = readProblem(500, new TextEncoder().encode(body));
    assert.deepEqual({ type, status }, { type: 'about:blank', status: 500 }, body);
  }
});

test('problem: text is on one line, cut, and without control characters', () => {
  const detail = `a\r\nb\u001b[31m\u202ec\u2028d${'x'.repeat(2_000)}`;
  const problem = read({ type: 'x', detail });
  assert.match(problem.detail, /^a b \[31m c dx+…$/);
  assert.equal(problem.detail.length, 1_000);
});

test('problem: subproblems have identifiers, and are not nested further', () => {
  const inner = {
    type: `${PREFIX}dns`,
    detail: 'gone',
    identifier: { type: 'dns', value: 'b.example.com' },
    subproblems: [{ type: 'x', detail: 'y' }],
  };
  const subproblems = [inner, 7, null, { status: 4 }];
  const problem = read({ type: `${PREFIX}compound`, detail: 'several', subproblems });
  assert.equal(problem.subproblems.length, 1);
  assert.equal(problem.subproblems[0]!.identifier, 'b.example.com');
  assert.deepEqual(problem.subproblems[0]!.subproblems, []);
  assert.equal(
    read({ type: 'x', subproblems: Array.from({ length: 500 }, () => inner) }).subproblems.length,
    100,
  );
  assert.equal(problemOf('text', 400), null);
});

test('advice: every type of RFC 8555 §6.7 has a row of its own', () => {
  const types =
    'accountDoesNotExist alreadyRevoked badCSR badNonce badPublicKey badRevocationReason ' +
    'badSignatureAlgorithm caa compound connection dns externalAccountRequired ' +
    'incorrectResponse invalidContact malformed orderNotReady rateLimited rejectedIdentifier ' +
    'serverInternal tls unauthorized unsupportedContact unsupportedIdentifier ' +
    'userActionRequired alreadyReplaced invalidProfile';
  for (const type of types.split(' ')) assert.ok(KNOWN_TYPES.includes(type), type);
});

test('advice: says what to do, for whom, and what the authority said', () => {
  const { message, advice, problem } = errorOf(
    read({ type: `${PREFIX}caa`, detail: 'CAA says no' }),
    SOURCE,
  );
  assert.equal(
    message,
    'a CAA record of a.example.com forbids this authority: allow it in DNS or use another issuer ' +
      '(ca.example: CAA says no)',
  );
  assert.equal(advice, 'fix');
  assert.equal(problem!.type, 'caa');
});

test('advice: of several names that failed the first one is told', () => {
  const identifier = { type: 'dns', value: 'b.example.com' };
  const subproblems = [{ type: `${PREFIX}rejectedIdentifier`, detail: 'never', identifier }];
  for (const type of ['compound', 'malformed']) {
    const { message, advice } = errorOf(read({ type: PREFIX + type, detail: 'x', subproblems }), {
      ...SOURCE,
      names: ['a.example.com', 'b.example.com'],
    });
    assert.match(message, /never issues for b\.example\.com/);
    assert.equal(advice, 'fix');
  }
});

test('advice: a time to come back makes waiting of trying again, of nothing else', () => {
  const source = { ...SOURCE, retryAtMs: 5_000 };
  assert.equal(errorOf(read({ type: `${PREFIX}serverInternal` }, 503), source).advice, 'wait');
  assert.equal(errorOf(read({ type: `${PREFIX}serverInternal` }, 503), SOURCE).advice, 'retry');
  assert.equal(errorOf(read({ type: `${PREFIX}caa` }, 403), source).advice, 'fix');
  const limited = errorOf(read({ type: `${PREFIX}rateLimited` }, 429), source);
  assert.deepEqual([limited.advice, limited.retryAtMs], ['wait', 5_000]);
});

test('advice: types that nobody knows go by their status', () => {
  assert.equal(errorOf(read({ type: 'https://ca/odd' }, 400), SOURCE).advice, 'fix');
  assert.equal(errorOf(read({ type: 'https://ca/odd' }, 429), SOURCE).advice, 'wait');
  assert.equal(errorOf(read({ type: 'https://ca/odd' }, 503), SOURCE).advice, 'retry');
});

test('advice: unauthorized is about the account unless a challenge was looked at', () => {
  const problem = read({ type: `${PREFIX}unauthorized`, detail: 'x' }, 403);
  assert.match(errorOf(problem, { ...SOURCE, isValidation: false }).message, /the account/);
  assert.match(errorOf(problem, SOURCE).message, /under a\.example\.com/);
});
