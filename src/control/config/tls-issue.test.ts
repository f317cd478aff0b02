import test from 'node:test';
import assert from 'node:assert/strict';
import type { CertificateCheck } from './certificate-check.ts';
import { ISSUE_CODES } from './issue.ts';
import type { IssueCode } from './issue.ts';
import { describeCases, isTlsCode } from './issue-cases.contract.ts';
import type { Case } from './issue-cases.contract.ts';
import { loadConfig } from './load-config.ts';
import { memorySource } from './memory-source.ts';
import { formatIssues } from './render-issue.ts';

/** A listener with TLS, a passthrough and its service. */
const TLS = 'listeners.t = { address = ":8443", tls = "default" }\n';
const PASS = 'routes.p = { mode = "passthrough", sni = "a.local", service = "t" }\n';
const TCP = 'services.t.endpoints = ["tcp://a:1"]\n';
const CERT = 'certificates.c = { cert = "good.pem", key = "good.key" }\n';

const CASES: readonly Case[] = [
  { code: 'PN1201', text: 'admin.tls.certificate = "c"', at: [1, 25, 28] },
  { code: 'PN1104', text: 'admin.tls = {}', at: [1, 7, 10] },
  {
    code: 'PN1208',
    text: 'admin.tls.certificate = "c"\ncertificates.c.names = ["a.internal"]',
    at: [1, 25, 28],
    hint: /`cert` and `key`/,
  },
  {
    code: 'PN1208',
    text: `admin = { address = "off", tls = { certificate = "c" } }\n${CERT}`,
    at: [1, 34, 55],
    hint: /address/,
  },
  {
    code: 'PN1501',
    text: `admin.tls = { certificate = "c", client-ca = "none.pem" }\n${CERT}`,
    at: [1, 46, 56],
  },
  {
    code: 'PN1108',
    text: `admin.tls = { certificate = "c", client-ca = [] }\n${CERT}`,
    at: [1, 46, 48],
  },
  {
    code: 'PN1210',
    text: `${TLS}${TCP}${PASS}routes.h = { host = "a.local", service = "s" }`,
    at: [4, 21, 30],
  },
  { code: 'PN1210', text: `${TLS}${TCP}${PASS}${PASS.replace('.p', '.q')}`, at: [4, 42, 51] },
  {
    code: 'PN1211',
    text:
      `${TLS}tls.old = {}\nroutes.g = { host = "a.local", tls = "old", service = "s" }\n` +
      'routes.h = { host = "a.local", path = "/h", tls = "default", service = "s" }',
    at: [4, 51, 60],
  },
  { code: 'PN1212', text: 'routes.h.service = "t"\nroutes.h.path = "/h"\n' + TCP, at: [1, 20, 23] },
  { code: 'PN1212', text: `${TLS}${PASS.replace('"t"', '"s"')}`, at: [2, 63, 66] },
  {
    code: 'PN1212',
    text:
      'routes.h = { path = "/", service = "t" }\n' +
      'services.t = { endpoints = ["unix:/a"], proxy-protocol = "v2" }',
    at: [1, 36, 39],
  },
  {
    code: 'PN1213',
    text: `${TLS}routes.h = { host = "a.com", service = "s" }`,
    at: [2, 21, 28],
    hint: /letsencrypt/,
  },
  {
    code: 'PN1213',
    text: `${TLS}routes.h = { host = "*.a.com", service = "s" }\nissuers.letsencrypt = {}`,
    at: [2, 21, 30],
    hint: /`dns`/,
  },
  {
    code: 'PN1214',
    text: `${TLS}certificates.c.names = ["*.a.com"]\nissuers.letsencrypt = {}`,
    at: [2, 24, 35],
    hint: /dns-01/,
  },
  {
    code: 'PN1214',
    text:
      `${TLS}certificates.c = { names = ["8.8.8.8"], issuer = "x" }\n` +
      'issuers.x = { challenges = ["dns-01"], dns = { provider = "exec", program = "/a" } }',
    at: [2, 28, 39],
  },
  {
    code: 'PN1214',
    text: `${TLS}certificates.c.names = ["a.com", "a.internal"]\nissuers.letsencrypt = {}`,
    at: [2, 24, 47],
    hint: /several/,
  },
  { code: 'PN1214', text: `${TLS}certificates.c.names = ["a.com"]`, at: [2, 24, 33] },
  {
    code: 'PN1215',
    text: `${TLS}issuers.x.on-demand.names = ["*"]`,
    at: [2, 29, 34],
  },
  { code: 'PN1216', text: 'routes.r.plain-http = "redirect"', at: [1, 23, 33] },
  { code: 'PN1319', text: 'tls.default.ciphers = ["RC4"]', at: [1, 24, 29] },
  { code: 'PN1319', text: 'tls.default.groups = ["P256"]', at: [1, 23, 29], hint: /`P-256`/ },
  { code: 'PN1320', text: 'tls.default.alpn = ["h2"]', at: [1, 21, 25] },
  { code: 'PN1321', text: 'tls.default.deny-fingerprints = ["x"]', at: [1, 34, 37] },
  {
    code: 'PN1322',
    text:
      'services.u = { endpoints = ["https://a"], tls.pins = ["x"] }\n' +
      'routes.u = { path = "/", service = "u" }',
    at: [1, 55, 58],
  },
  { code: 'PN1323', text: `${TLS}issuers.x.directory = "http://a.com/d"`, at: [2, 23, 39] },
  {
    code: 'PN1323',
    text: `${TLS}issuers.x.on-demand = { names = ["a.b"], ask = "a" }`,
    at: [2, 48, 51],
  },
  { code: 'PN1324', text: `${TLS}issuers.x.email = "a"`, at: [2, 19, 22] },
  {
    code: 'PN1324',
    text: `${TLS}issuers.x.eab = { key-id = "a", hmac-key = "abc" }`,
    at: [2, 44, 49],
  },
  { code: 'PN1501', text: 'tls.default.client-auth.ca = "no.pem"', at: [1, 30, 38] },
  {
    code: 'PN1501',
    text: `${TLS}certificates.c = { cert = "no.pem", key = "good.key" }`,
    at: [2, 27, 35],
  },
  { code: 'PN1502', text: 'tls.default.client-auth.ca = ["empty.pem"]', at: [1, 31, 42] },
  {
    code: 'PN1502',
    text: 'tls.default.client-auth = { ca = "good.pem", crl = "empty.pem" }',
    at: [1, 52, 63],
  },
  ...(['PN1502', 'PN1503', 'PN1504', 'PN1506', 'PN1507', 'PN1508'] as const).map((code): Case => {
    const isKey = code === 'PN1503' || code === 'PN1504';
    const cert = isKey ? 'good.pem' : `${code}.pem`;
    const key = isKey ? `${code}.key` : 'good.key';
    const text = `${TLS}certificates.c = { cert = "${cert}", key = "${key}" }`;
    return { code, text, at: isKey ? [2, 45, 57] : [2, 27, 39] };
  }),
  { code: 'PN1505', text: `${TLS}${CERT.replace('good.pem', 'expired.pem')}`, at: [2, 27, 40] },
  { code: 'PN1505', text: `${TLS}${CERT.replace('good.pem', 'future.pem')}`, at: [2, 27, 39] },
  { code: 'PN1509', text: `${TLS}certificates.c.folder = "none"`, at: [2, 25, 31] },
  { code: 'PN1509', text: `${TLS}certificates.c.folder = "keyless"`, at: [2, 25, 34] },
  {
    code: 'PN1501',
    text: `${TLS}certificates.c = { cert = "good.pem", key = "${'A'.repeat(220)}" }`,
    at: [2, 45, 267],
  },
  // Several keys that do not fit together.
  { code: 'PN1208', text: 'routes.r.sni = "a.b"', at: [1, 10, 13] },
  {
    code: 'PN1208',
    text: `${TLS}${TCP}routes.p = { mode = "passthrough", sni = "a", path = "/", service = "t" }`,
    at: [3, 47, 51],
  },
  {
    code: 'PN1104',
    text: `${TLS}${TCP}routes.p = { mode = "passthrough", service = "t" }`,
    at: [3, 8, 9],
  },
  { code: 'PN1205', text: `${TCP}${PASS}`, at: [2, 21, 34] },
  {
    code: 'PN1208',
    text: `${TLS}${TCP}${PASS.replace(' }', ', listeners = ["web"] }')}`,
    at: [3, 80, 87],
  },
  {
    code: 'PN1208',
    text: `${TLS}tls.old = {}\nroutes.h = { path = "/", tls = "old", service = "s" }`,
    at: [3, 26, 29],
  },
  {
    code: 'PN1205',
    text: 'tls.old = {}\nroutes.h = { host = "a.local", tls = "old", service = "s" }',
    at: [2, 38, 43],
  },
  { code: 'PN1208', text: 'routes.r.hsts = { preload = true }', at: [1, 10, 14] },
  {
    code: 'PN1208',
    text: 'tls.default = { min-version = "1.3", max-version = "1.2" }',
    at: [1, 38, 49],
  },
  { code: 'PN1208', text: 'tls.default.ciphers = ["TLS_AES_128_GCM_SHA256"]', at: [1, 13, 20] },
  { code: 'PN1108', text: 'tls.default.groups = []', at: [1, 22, 24] },
  { code: 'PN1208', text: 'tls.default.client-auth = {}', at: [1, 13, 24] },
  {
    code: 'PN1208',
    text: 'tls.default.client-auth = { mode = "require", ca = "good.pem" }',
    at: [1, 47, 49],
  },
  { code: 'PN1208', text: `${TLS}certificates.c = {}`, at: [2, 14, 15] },
  { code: 'PN1208', text: `${TLS}certificates.c.cert = "good.pem"`, at: [2, 14, 15] },
  {
    code: 'PN1208',
    text: `${TLS}certificates.c = { folder = "a", names = ["a.local"] }`,
    at: [2, 14, 15],
  },
  { code: 'PN1208', text: `${TLS}certificates.c.names = []`, at: [2, 16, 21] },
  {
    code: 'PN1208',
    text: `${TLS}certificates.c.names = ["a.local"]\ntls.default.default-certificate = "c"`,
    at: [3, 35, 38],
  },
  {
    code: 'PN1306',
    text: `${TLS}certificates.c.names = ["*"]`,
    at: [2, 25, 28],
    hint: /on-demand/,
  },
  { code: 'PN1205', text: 'certificates.c.names = ["a.local"]', at: [1, 14, 15] },
  { code: 'PN1205', text: 'issuers.letsencrypt = {}', at: [1, 9, 20] },
  { code: 'PN1205', text: 'tls.other = {}', at: [1, 5, 10] },
  { code: 'PN1201', text: 'listeners.web.tls = "modern"', at: [1, 21, 29] },
  {
    code: 'PN1201',
    text: `${TLS}certificates.c = { names = ["a.b"], issuer = "no" }`,
    at: [2, 46, 50],
  },
  { code: 'PN1208', text: `${TLS}issuers.internal.email = "a@b.c"`, at: [2, 18, 23] },
  { code: 'PN1208', text: `${TLS}issuers.x.lifetime = "1d"`, at: [2, 11, 19] },
  { code: 'PN1208', text: `${TLS}issuers.internal.kind = "acme"`, at: [2, 18, 22] },
  { code: 'PN1208', text: `${TLS}issuers.x.challenges = ["dns-01"]`, at: [2, 11, 21] },
  { code: 'PN1208', text: `${TLS}issuers.google = {}`, at: [2, 9, 15] },
  {
    code: 'PN1104',
    text: `${TLS}issuers.x.dns.provider = "cloudflare"`,
    at: [2, 11, 14],
    hint: /Zone:Read/,
  },
  {
    code: 'PN1208',
    text: `${TLS}issuers.x.dns = { provider = "hetzner", token = "t", program = "/a" }`,
    at: [2, 54, 61],
  },
  {
    code: 'PN1106',
    text: `${TLS}issuers.x.dns = { provider = "exec", program = "a" }`,
    at: [2, 48, 51],
  },
  { code: 'PN1208', text: 'services.s.tls.verify = false', at: [1, 12, 15] },
  {
    code: 'PN1208',
    text: `${TLS}${PASS}services.t = { endpoints = ["tcp://a:1"], health-check = { path = "/" } }`,
    at: [3, 43, 55],
  },
  {
    code: 'PN1313',
    text: 'services.u = { endpoints = ["tcp://a"] }\nroutes.u = { path = "/", service = "u" }',
    at: [1, 29, 38],
  },
];

/** Contents are words: what is wrong, or the names. */
const FILES: { readonly [path: string]: string } = {
  'good.pem': '-----BEGIN a.local b.com',
  'good.key': '-----BEGIN key',
  'empty.pem': '',
  'expired.pem': '-----BEGIN expired',
  'future.pem': '-----BEGIN future',
  'keyless/a.crt': '-----BEGIN a.local',
  ...Object.fromEntries(
    ['PN1502', 'PN1503', 'PN1504', 'PN1506', 'PN1507', 'PN1508'].flatMap((code) => [
      [`${code}.pem`, `-----BEGIN ${code}`],
      [`${code}.key`, `-----BEGIN ${code}`],
    ]),
  ),
};

const NOW_MS = 1_000;

const certificateCheck: CertificateCheck = {
  pair: (chain, key) => {
    const [code] = /PN\d+/.exec(chain + key) ?? [];
    const [notBeforeMs, notAfterMs] = [
      chain.includes('future') ? NOW_MS + 1 : 0,
      chain.includes('expired') ? NOW_MS - 1 : NOW_MS,
    ];
    const names = chain.split(' ').slice(2);
    const facts = { id: chain, names, keyType: 'ecdsa', notBeforeMs, notAfterMs } as const;
    if (code === undefined) return { facts, problems: [] };
    const part = key.includes(code) ? 'key' : 'chain';
    const severity = code === 'PN1506' || code === 'PN1508' ? 'warning' : 'error';
    const problem = { code: code as IssueCode, message: 'bad', part, severity } as const;
    return { facts: severity === 'error' ? null : facts, problems: [problem] };
  },
  authorities: (pem) => (pem === '' ? { code: 'PN1502', message: 'nothing in it' } : null),
  revocations: (pem) => (pem === '' ? { code: 'PN1502', message: 'nothing in it' } : null),
  nowMs: () => NOW_MS,
};

describeCases(CASES, FILES, { certificateCheck });

test('issue: every code of TLS has a case here', () => {
  const covered = new Set<string>(CASES.map(({ code }) => code));
  const missing = Object.keys(ISSUE_CODES).filter((code) => isTlsCode(code) && !covered.has(code));
  assert.deepEqual(missing, []);
});

test('issue: the line of a secret is not shown, nor is the secret', async () => {
  const text = `${TLS}issuers.x = { eab = { key-id = "a", hmac-key = "hunter2+" } }
issuers.y.dns = { provider = "rfc2136", server = "a", key-name = "k", key-secret = "hunter2!" }
listeners.web.address = ":8080"`;
  const { issues } = await loadConfig('m.toml', memorySource({ 'm.toml': text }));
  const report = formatIssues(issues, () => text);
  assert.match(report, /PN1324/);
  assert.match(report, /`key-secret` is not what `rfc2136` takes/);
  assert.doesNotMatch(JSON.stringify(issues) + report, /hunter2/);
});
