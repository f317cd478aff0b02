import test from 'node:test';
import assert from 'node:assert/strict';
import type { CertificateCheck } from './certificate-check.ts';
import type { Config } from './config.ts';
import { loadConfig } from './load-config.ts';
import { memorySource } from './memory-source.ts';
import { neededNames, tlsNames } from './needed-names.ts';

const BASE = `
listeners.web.address = ":80"
listeners.secure = { address = ":443", tls = "default" }
services.s.endpoints = ["http://a"]
`;

/** Takes the text of a chain for its names. */
const certificateCheck: CertificateCheck = {
  pair: (chain) => {
    const names = chain.split(' ');
    const facts = { id: chain, names, keyType: 'ecdsa', notBeforeMs: 0, notAfterMs: 9 } as const;
    return { facts, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

async function load(text: string): Promise<Config> {
  const files = { 'c.pem': 'a.example.com *.file.example.com', 'c.key': 'k' };
  const source = memorySource({ ...files, 'm.toml': BASE + text });
  const { config, issues } = await loadConfig('m.toml', source, { certificateCheck });
  assert.ok(config !== null, JSON.stringify(issues));
  return config;
}

/** `name issuer` of what is needed, and `name (cover)` of what is not. */
async function namesOf(text: string): Promise<string[]> {
  return tlsNames(await load(text)).map(({ name, issuers, cover, certificate }) => {
    const by = certificate === null ? '' : ` for ${certificate}`;
    if (cover !== null) return `${name}${by} (${cover.by} ${cover.name})`;
    return `${name}${by} ${issuers.join(' ')}`.trimEnd();
  });
}

const route = (name: string, rest: string): string =>
  `routes.${name} = { service = "s", ${rest} }\n`;
const LE = 'issuers.le.email = "ops@example.com"\n';
const DNS = 'issuers.dns.dns = { provider = "exec", program = "/a" }\n';
const FILE = 'certificates.file = { cert = "c.pem", key = "c.key" }\n';

test('needed names: hosts of routes on listeners with TLS, public ones and others', async () => {
  const text =
    LE +
    route('a', 'host = ["www.example.com", "WWW.example.com."]') +
    route('b', 'host = "www.example.com", path = "/b"') +
    route('c', 'host = "app.localhost"') +
    route('d', 'host = ["[::1]", "8.8.8.8"]') +
    route('e', 'host = "plain.example.com", listeners = ["web"]') +
    route('f', 'path = "/f"') +
    route('g', 'rule = "Host(`*`) || (Host(`or.example.com`) && !Host(`not.example.com`))"') +
    route('h', 'rule = "HostRegexp(`^.+\\\\.example\\\\.com$`)"');
  assert.deepEqual(await namesOf(text), [
    'www.example.com le',
    'app.localhost internal',
    '::1 internal',
    '8.8.8.8 le',
    'or.example.com le',
  ]);
  const [www] = neededNames(await load(text));
  assert.deepEqual(www?.routes, ['a', 'b']);
  assert.deepEqual(await namesOf(route('a', 'host = "a.example.com", listeners = ["web"]')), []);
});

test('needed names: what files, wildcards and on-demand issuers cover is left out', async () => {
  const hosts = '["a.example.com", "b.file.example.com", "b.example.com", "*.example.com"]';
  const text = route('a', `host = ${hosts}`);
  assert.deepEqual(await namesOf(text + LE + FILE), [
    'a.example.com (file file)',
    'b.file.example.com (file file)',
    'b.example.com le',
    '*.example.com',
  ]);
  assert.deepEqual(await namesOf(text + DNS), [
    'a.example.com (wildcard *.example.com)',
    'b.file.example.com dns',
    'b.example.com (wildcard *.example.com)',
    '*.example.com dns',
  ]);
  const onDemand = 'issuers.le.on-demand.names = ["*.example.com"]\n';
  assert.deepEqual(await namesOf(text + DNS + onDemand), [
    'a.example.com dns le',
    'b.file.example.com dns le',
    'b.example.com dns le',
    '*.example.com (on-demand le)',
  ]);
});

test('needed names: what certificates list is never left out, and covers others', async () => {
  const listed =
    'certificates.m = { names = ["a.example.com", "*.wide.example.com"], issuer = "dns" }\n' +
    'certificates.n.names = ["a.example.com"]\n';
  const text = route('a', 'host = ["a.example.com", "x.wide.example.com", "wide.example.com"]');
  assert.deepEqual(await namesOf(FILE + DNS + LE + listed + text), [
    'a.example.com for m dns',
    '*.wide.example.com for m dns',
    'a.example.com for n dns le',
    'x.wide.example.com (wildcard *.wide.example.com)',
    'wide.example.com dns le',
  ]);
});

test('needed names: issuers say which names they are for, in order of preference', async () => {
  const text =
    'issuers.corp = { kind = "internal", names = ["*.corp.example.com", "10.0.0.1"] }\n' +
    'issuers.acme = { directory = "https://ca.internal/d", names = ["*.svc.internal"] }\n' +
    LE +
    'issuers.other = { directory = "https://acme.example.com/directory" }\n' +
    route('a', 'host = ["a.corp.example.com", "a.svc.internal", "b.internal", "10.0.0.1"]');
  assert.deepEqual(await namesOf(text), [
    'a.corp.example.com corp le other',
    'a.svc.internal acme',
    'b.internal',
    '10.0.0.1 corp',
  ]);
});
