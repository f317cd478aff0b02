import assert from 'node:assert/strict';
import test from 'node:test';

import type { AdminStatus, ConfigStatus } from '../../control/admin/admin-api.ts';
import type { ReloadOutcome } from '../../control/apply/reload-outcome.ts';
import type { Issue } from '../../control/config/issue.ts';
import type { HealthRow } from '../../control/probe/health-board.ts';
import { statusText } from './status.ts';

const STATUS: AdminStatus = {
  version: '1.2.3',
  generation: 4,
  readiness: 'ready',
  uptimeSeconds: 90,
  io: 'node',
  overloadLevel: 0,
  workers: [
    { id: '0', state: 'listening', generation: 4 },
    { id: '1', state: 'listening', generation: 3 },
  ],
  listeners: [{ name: 'web', address: '[::]:8080' }],
  routes: 1,
  services: 1,
  endpoints: { total: 2, up: 1, down: 1, draining: 0 },
  certificates: {},
  config: { path: '/p/main.toml', isGood: true, appliedAtMs: null },
  logLevel: 'info',
};

const CONFIG: ConfigStatus = {
  path: '/p/main.toml',
  generation: 4,
  isGood: true,
  files: ['/p/main.toml'],
  lastOutcome: null,
  lastApplied: null,
  counts: { applied: 0, unchanged: 0, rejected: 0, rollbacks: 0 },
};

const OUTCOME: ReloadOutcome = {
  status: 'rejected',
  cause: 'file',
  generation: 4,
  changes: [],
  needsRestart: [],
  issues: [],
  badFiles: [],
  message: 'it has 1 error',
  report: '',
  tookMs: 1,
  atMs: 60_000,
};

const ROWS: HealthRow[] = [
  {
    service: 'shop',
    endpoint: 'http://10.0.0.1:80',
    state: 'up',
    reason: '',
    sinceMs: 0,
    ejections: 0,
    latencyMs: 1,
  },
  {
    service: 'shop',
    endpoint: 'http://10.0.0.2:80',
    state: 'down',
    reason: 'status 500\u001b[2J',
    sinceMs: 59_500,
    ejections: 2,
    latencyMs: 1,
  },
];

test('status: one page, and nothing in it commands a terminal', () => {
  assert.equal(
    statusText(STATUS, CONFIG, ROWS, 62_000),
    [
      'proxy-now 1.2.3, ready, generation 4, up for 1m30s',
      'config: /p/main.toml, as it was at the start',
      'workers:',
      '  0  listening',
      '  1  listening, still on generation 3',
      'listeners:',
      '  web  [::]:8080',
      'services:',
      '  shop',
      '    up        http://10.0.0.1:80',
      '    down      http://10.0.0.2:80, for 2s, status 500\ufffd[2J, ejected 2 times',
    ].join('\n'),
  );
});

function configLine(config: Partial<ConfigStatus>): string {
  return statusText(STATUS, { ...CONFIG, ...config }, [], 62_000).split('\n')[1]!;
}

test('status: says when the files are not what is served', () => {
  const applied = { ...OUTCOME, status: 'applied' } as const;
  assert.match(configLine({ lastApplied: applied }), /applied 2s ago$/);
  assert.match(
    configLine({ isGood: false, lastOutcome: OUTCOME }),
    /NOT what is served: it has 1 error$/,
  );
  const issue: Issue = {
    severity: 'error',
    code: 'PN1101',
    message: 'unknown key `x`',
    file: '/p/main.toml',
    line: 3,
    column: 2,
    endColumn: 3,
    path: 'x',
  };
  const warning: Issue = { ...issue, severity: 'warning' };
  const issues = [warning, ...Array.from({ length: 7 }, () => issue)];
  const page = statusText(
    STATUS,
    { ...CONFIG, isGood: false, lastOutcome: { ...OUTCOME, issues } },
    [],
    62_000,
  ).split('\n');
  assert.equal(page[2], '  /p/main.toml:3:2: unknown key `x`');
  assert.deepEqual([page[7], page[8]], ['  and 2 more', 'workers:']);
  const badFiles = [{ path: '/p/conf.d/a.toml', serves: 'last-good' }] as const;
  const partly = { ...applied, badFiles };
  assert.match(
    configLine({ isGood: false, lastOutcome: partly }),
    /bad files: \/p\/conf\.d\/a\.toml$/,
  );
});

function shown(certificates: AdminStatus['certificates']): string {
  return statusText({ ...STATUS, certificates }, CONFIG, [], 0);
}

test('status: certificates by state, and where to look when something is wrong', () => {
  assert.match(shown({ valid: 3 }), /^certificates: 3 valid$/m);
  assert.match(
    shown({ valid: 3, missing: 1 }),
    /^certificates: 3 valid, 1 missing; see proxy-now certs$/m,
  );
  assert.doesNotMatch(shown({}), /certificates/);
});
