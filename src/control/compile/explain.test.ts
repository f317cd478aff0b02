import test from 'node:test';
import assert from 'node:assert/strict';
import type { Snapshot } from '../../contract/snapshot.ts';
import { loadConfig } from '../config/load-config.ts';
import { memorySource } from '../config/memory-source.ts';
import { compile } from './compile.ts';
import { explain, explanationText } from './explain.ts';
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

async function snapshotOf(text: string): Promise<Snapshot> {
  const { config, issues } = await loadConfig('m.toml', memorySource({ 'm.toml': text }, {}));
  assert.ok(config !== null, JSON.stringify(issues));
  return compile(config, 1, new MetricIndexes());
}

function ask(url: string, more: Partial<ExplainRequest> = {}): ExplainRequest {
  const base = { method: 'GET', headers: [], clientAddress: '192.0.2.1', listener: null };
  return { url, ...base, ...more };
}

test('explain: says for each better route which matcher failed first', async () => {
  const snapshot = await snapshotOf(TEXT);
  const explanation = explain(snapshot, ask('http://A.test:8080/api/%72eports?beta=2#x'));
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
  const snapshot = await snapshotOf(TEXT);
  const explanation = explain(snapshot, ask('a.test/api/reports', { method: 'POST' }));
  const reason = explanation.passedOver[0]!.reason;
  assert.equal(reason.isNegated, true);
  assert.equal(reason.found, 'POST');
  assert.equal(reason.matcher, 'Method(`POST`)');
});

test('explain: follows header, listener, port and Host field', async () => {
  const snapshot = await snapshotOf(TEXT);
  const winner = (asked: ExplainRequest): string | undefined =>
    explain(snapshot, asked).winner?.route;
  assert.equal(winner(ask('http://a.test/api', { headers: [['X-BETA', ' 1 ']] })), 'beta');
  assert.equal(winner(ask('http://a.test/api?beta=%31')), 'beta');
  assert.equal(winner(ask('http://a.test/api', { listener: 'internal' })), 'ops');
  assert.equal(winner(ask('http://a.test:8081/api')), 'ops');
  assert.equal(winner(ask('/x', { headers: [['Host', 'B.test.:99']] })), 'other');
  assert.equal(winner(ask('http://a.test/', { headers: [['host', 'b.test']] })), 'other');
  assert.equal(winner(ask('http://c.test/')), undefined);
  assert.equal(explain(snapshot, ask('http://c.test/')).notAsked, 0);
});

test('explain: names what would be refused before routing', async () => {
  const snapshot = await snapshotOf(TEXT);
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
    const explanation = explain(snapshot, asked);
    assert.match(explanation.problem ?? '', expected, asked.url);
    assert.equal(explanation.winner, null);
    assert.match(explanationText(explanation), /^refused before routing: /);
  }
});

test('explain: writes text that names winner, reasons and precedence', async () => {
  const snapshot = await snapshotOf(TEXT);
  const text = explanationText(explain(snapshot, ask('http://a.test/api/reports?x')));
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
