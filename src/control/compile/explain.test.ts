import test from 'node:test';
import assert from 'node:assert/strict';
import type { CertificateCheck } from '../config/certificate-check.ts';
import { loadConfig } from '../config/load-config.ts';
import { memorySource } from '../config/memory-source.ts';
import { compile } from './compile.ts';
import { explain, explanationText } from './explain.ts';
import type { Explanation } from './explain.ts';
import type { ExplainRequest } from './explain-request.ts';
import { MetricIndexes } from './metric-indexes.ts';

const REPORTS =
  'Host(`a.test`) && Path(`/api/reports`) && !Method(`POST`) && ClientIP(`10.0.0.0/8`)';

const TEXT = `
listeners.web.address = ":8080"
listeners.internal.address = "127.0.0.1:8081"
services.s.endpoints = ["http://127.0.0.1:3000"]
[routes.beta]
host = "a.test"
path = "/api/*"
rule = "Header(\`X-Beta\`, \`1\`) || Query(\`beta\`, \`1\`)"
service = "s"
[routes.reports]
rule = "${REPORTS}"
service = "s"
[routes.ops]
rule = "Host(\`a.test\`) && PathPrefix(\`/api\`)"
service = "s"
listeners = ["internal"]
priority = 5
[routes.api]
rule = "Host(\`a.test\`) && PathPrefix(\`/api\`)"
service = "s"
[routes.other]
host = "b.test"
service = "s"
`;

const certificateCheck: CertificateCheck = {
  pair: () => {
    const facts = { id: 'c', names: ['*.file.com'], notBeforeMs: 0, notAfterMs: 9 };
    return { facts: { ...facts, keyType: 'ecdsa' }, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

async function explainer(text: string): Promise<(asked: ExplainRequest) => Explanation> {
  const source = memorySource({ 'm.toml': text, 'c.pem': 'c', 'c.key': 'k' });
  const { config, issues } = await loadConfig('m.toml', source, { certificateCheck });
  assert.ok(config !== null, JSON.stringify(issues));
  const snapshot = compile(config, 1, new MetricIndexes());
  return (asked) => explain(snapshot, config, asked);
}

function ask(url: string, more: Partial<ExplainRequest> = {}): ExplainRequest {
  const base = { method: 'GET', headers: [], clientAddress: '192.0.2.1', listener: null };
  return { url, ...base, ...more };
}

test('explain: says for each better route which matcher failed first', async () => {
  const decide = await explainer(TEXT);
  const explanation = decide(ask('http://A.test:8080/api/%72eports?beta=2#x'));
  assert.equal(explanation.winner?.route, 'api');
  assert.deepEqual(
    explanation.passedOver.map(({ route, reason }) => [route, reason.found, reason.wanted]),
    [
      ['reports', '192.0.2.1', '10.0.0.0/8'],
      ['beta', '(not sent)', '1'],
      ['ops', 'web', 'internal'],
    ],
  );
  assert.equal(explanation.passedOver[1]!.reason.otherAlternatives, 1);
  assert.equal(explanation.notAsked, 1);
  assert.equal(explanation.request?.path, '/api/reports');
  assert.deepEqual(JSON.parse(JSON.stringify(explanation)), explanation);
});

test('explain: says when a negation failed', async () => {
  const decide = await explainer(TEXT);
  const explanation = decide(ask('a.test/api/reports', { method: 'POST' }));
  const reason = explanation.passedOver[0]!.reason;
  assert.equal(reason.isNegated, true);
  assert.equal(reason.found, 'POST');
  assert.equal(reason.matcher, 'Method(`POST`)');
});

test('explain: follows header, listener, port and Host field', async () => {
  const decide = await explainer(TEXT);
  const winner = (asked: ExplainRequest): string | undefined => decide(asked).winner?.route;
  assert.equal(winner(ask('http://a.test/api', { headers: [['X-BETA', ' 1 ']] })), 'beta');
  assert.equal(winner(ask('http://a.test/api?beta=%31')), 'beta');
  assert.equal(winner(ask('http://a.test/api', { listener: 'internal' })), 'ops');
  assert.equal(winner(ask('http://a.test:8081/api')), 'ops');
  assert.equal(winner(ask('/x', { headers: [['Host', 'B.test.:99']] })), 'other');
  assert.equal(winner(ask('http://a.test/', { headers: [['host', 'b.test']] })), 'other');
  assert.equal(winner(ask('http://c.test/')), undefined);
  assert.equal(decide(ask('http://c.test/')).notAsked, 0);
});

test('explain: names what would be refused before routing', async () => {
  const decide = await explainer(TEXT);
  const rows: [ExplainRequest, RegExp][] = [
    [ask('ftp://a.test/'), /scheme/],
    [ask('http://a b/'), /host/],
    [ask('http://a.test/..'), /path/],
    [ask('http://a.test/%00'), /path/],
    [ask('/', { headers: [['Host', 'a,b']] }), /Host field/],
    [
      ask('/', {
        headers: [
          ['Host', 'a'],
          ['host', 'a'],
        ],
      }),
      /more than one/,
    ],
    [ask('/', { clientAddress: 'nobody' }), /client address/],
    [ask('/', { listener: 'none' }), /listener none/],
  ];
  for (const [asked, expected] of rows) {
    const explanation = decide(asked);
    assert.match(explanation.problem ?? '', expected, asked.url);
    assert.equal(explanation.winner, null);
    assert.match(explanationText(explanation), /^refused before routing: /);
  }
});

test('explain: writes text that names winner, reasons and precedence', async () => {
  const decide = await explainer(TEXT);
  const text = explanationText(decide(ask('http://a.test/api/reports?x')));
  assert.equal(
    text,
    [
      'GET a.test/api/reports?x',
      'from 192.0.2.1 on listener web',
      '',
      'route api wins -> service s',
      '  rule        Host(`a.test`) && PathPrefix(`/api`)',
      '  precedence  exact host, prefix of 4 characters, 0 further predicates; priority 0',
      '',
      'asked before it, and why not:',
      'route reports -> service s',
      `  rule        ${REPORTS}`,
      '  precedence  exact host, exact path of 12 characters, 2 further predicates; priority 0',
      '  failed      ClientIP(`10.0.0.0/8`): found 192.0.2.1, wanted 10.0.0.0/8',
      'route beta -> service s',
      '  rule        Host(`a.test`) && PathPrefix(`/api`)' +
        ' && (Header(`x-beta`, `1`) || Query(`beta`, `1`))',
      '  precedence  exact host, prefix of 4 characters, 1 further predicate; priority 0',
      '  failed      Header(`x-beta`, `1`): found (not sent), wanted 1 (nor 1 other alternative)',
      'route ops -> service s',
      '  rule        Host(`a.test`) && PathPrefix(`/api`)',
      '  precedence  exact host, prefix of 4 characters, 0 further predicates; priority 5',
      '  failed      listeners: found web, wanted internal',
      '',
      '1 route of lower precedence not asked',
    ].join('\n'),
  );
});

const SECURE = `
listeners.web.address = ":80"
listeners.secure = { address = ":443", tls = "default" }
listeners.open = { address = ":8443", tls = "open" }
tls.open = { unknown-name = "default", no-name = "refuse" }
tls.strict.min-version = "1.3"
services.s.endpoints = ["http://127.0.0.1:3000"]
services.t.endpoints = ["tcp://127.0.0.1:3000"]
certificates.file = { cert = "c.pem", key = "c.key" }
certificates.listed.names = ["listed.com"]
issuers.le.on-demand.names = ["*.demand.com"]
issuers.second = {}
routes.file = { host = "a.file.com", tls = "strict", service = "s" }
routes.issued = { host = ["issued.com", "a.internal"], path = "/a/*", service = "s" }
routes.listed = { host = "listed.com", plain-http = "refuse", service = "s" }
routes.any = { path = "/", plain-http = "serve", service = "s" }
routes.db = { mode = "passthrough", sni = ["db.com", "*.file.com"], service = "t" }
routes.rest = { mode = "passthrough", sni = "*", listeners = ["open"], service = "t" }
`;

test('explain: says what happens before a request is seen', async () => {
  const decide = await explainer(SECURE);
  const cases: readonly (readonly [url: string, ...lines: string[]])[] = [
    [
      'https://a.file.com/',
      'on listener secure\nTLS policy strict, certificate from the files of [certificates.file]\n',
      'route file wins -> service s',
    ],
    ['https://issued.com/a', 'policy default, certificate from issuer le, then second\n'],
    ['https://a.internal/a', 'certificate from issuer internal\n'],
    [
      'https://listed.com/',
      'certificate from issuer le, then second for [certificates.listed]\n',
      'route listed wins -> service s',
    ],
    ['https://x.demand.com/', 'certificate on demand from issuer le\n', 'route any wins'],
    ['https://unknown.com/', 'policy default, certificate none: the connection is refused\n'],
    ['https://unknown.com:8443/', 'route rest takes the connection, unopened -> service t'],
    ['https:///', 'policy default, certificate the default one\n'],
    ['https://db.com/', 'on listener secure\n', 'route db takes the connection, unopened'],
    ['https://b.file.com/', 'route db takes the connection, unopened'],
    [
      'http://issued.com/a/b?q=1',
      'on listener web\n',
      'redirect 308 to https://issued.com/a/b?q=1',
    ],
    ['http://listed.com/', 'route listed wins -> refused without TLS: status 403'],
    ['http://db.com/', 'route any wins -> service s'],
    ['issued.com/a', 'on listener web\n'],
  ];
  for (const [url, ...lines] of cases) {
    const text = explanationText(decide(ask(url)));
    for (const line of lines) assert.ok(text.includes(line), `${url}: ${line}\n${text}`);
  }
});
