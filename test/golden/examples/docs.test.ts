/**
 * What the documents show is true: their configurations load, their links lead somewhere.
 *
 * A fenced block says what it is behind its language:
 *   ```toml complete   a whole configuration: loads without an issue, warnings included
 *   ```toml            a part of one: nothing is wrong with it but what is not shown
 *   ```toml wrong      a mistake, shown as one: gives at least one issue
 */

import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import type { CertificateCheck } from '../../../src/control/config/certificate-check.ts';
import { loadConfig } from '../../../src/control/config/load-config.ts';
import { memorySource } from '../../../src/control/config/memory-source.ts';

const ROOT = join(import.meta.dirname, '../../..');
const DOCUMENTS = globSync(['*.md', 'docs/**/*.md', 'bench/*.md', 'examples/**/*.md'], {
  cwd: ROOT,
}).toSorted();

const KINDS: readonly string[] = ['complete', '', 'wrong'];
/** Issues of a part: it needs a node it does not show, or shows one that nothing needs. */
const PART_CODES: readonly string[] = ['PN1201', 'PN1205', 'PN1206', 'PN1213'];
/** Variables and files that snippets mention. */
const VARIABLES = {
  PORT: '8080',
  APP_HOST: '10.0.0.2',
  APP_PORT: '3000',
  EAB_ID: 'id',
  TLS_KEY: 'key',
};
const FILES = { 'conf.d/blog.toml': '' };

/** Certificates, keys and secrets that snippets name: they are there, and fit. */
function namedFiles(text: string): { [path: string]: string } {
  const paths = [...text.matchAll(/"([^"]+\.(?:pem|key|crt|crl))"/g)].map(([, path]) => path!);
  const folders = [...text.matchAll(/^folder = "([^"]+)"/gm)].map(([, path]) => `${path}/a.pem`);
  const combined = folders.map((path) => [path, '-----BEGIN PRIVATE KEY-----']);
  const secrets = [...text.matchAll(/\$\{file:([^}]+)\}/g)].map(([, path]) => path!);
  return Object.fromEntries([
    ...paths.map((path) => [path, 'pem']),
    ...combined,
    ...secrets.map((path) => [path, 'c2VjcmV0IG9mIDE2IGJ5dGVz']),
  ]);
}

const certificateCheck: CertificateCheck = {
  pair: () => {
    const facts = { id: 'id', names: [], notBeforeMs: 0, notAfterMs: 9 };
    return { facts: { ...facts, keyType: 'ecdsa' }, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

interface Snippet {
  readonly document: string;
  /** Of the first line of the text, from 1. */
  readonly line: number;
  readonly kind: string;
  readonly text: string;
}

/** TOML blocks of a document. */
function snippetsOf(document: string): Snippet[] {
  const lines = readFileSync(join(ROOT, document), 'utf8').split('\n');
  const snippets: Snippet[] = [];
  let start = -1;
  let fence = '';
  lines.forEach((line, index) => {
    if (start < 0 && line.startsWith('```')) {
      start = index;
      fence = line.slice(3);
    } else if (start >= 0 && line.startsWith('```')) {
      const [language, ...kind] = fence.trim().split(/\s+/);
      const text = lines.slice(start + 1, index).join('\n');
      if (language === 'toml') {
        snippets.push({ document, line: start + 2, kind: kind.join(' '), text });
      }
      start = -1;
    }
  });
  return snippets;
}

const SNIPPETS = DOCUMENTS.flatMap(snippetsOf);

test('docs: the snippets are found, and each says what it is', () => {
  assert.ok(SNIPPETS.filter(({ kind }) => kind === 'complete').length >= 5);
  assert.deepEqual(
    SNIPPETS.filter(({ kind }) => !KINDS.includes(kind)).map(({ document, line }) => {
      return `${document}:${line}`;
    }),
    [],
  );
});

for (const { document, line, kind, text } of SNIPPETS) {
  const what = { complete: 'a whole file', wrong: 'a mistake' }[kind] ?? 'a part of a file';
  test(`docs: ${document}:${line} is ${what}`, async () => {
    const files = { ...FILES, 'proxy-now.toml': text };
    const source = memorySource({ ...files, ...namedFiles(text) }, VARIABLES);
    const { issues } = await loadConfig('proxy-now.toml', source, { certificateCheck });
    if (kind === 'wrong') {
      assert.notEqual(issues.length, 0, 'it is shown as a mistake');
      return;
    }
    const allowed = kind === 'complete' ? [] : PART_CODES;
    const found = issues.filter(({ code }) => !allowed.includes(code));
    assert.deepEqual(
      found.map((issue) => `${issue.code} ${issue.message}`),
      [],
    );
  });
}

/** The anchor of a heading, as code hosts make it. */
function anchorOf(heading: string): string {
  const text = heading
    .replace(/^#+ /, '')
    .replaceAll(/`|\*\*/g, '')
    .toLowerCase();
  return text
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function anchorsOf(document: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '');
  return [...text.matchAll(/^#+ .*$/gm)].map((match) => anchorOf(match[0]));
}

/** Links of `document` that lead nowhere. */
function brokenLinks(document: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '');
  const broken: string[] = [];
  for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? document : join(dirname(document), path);
    const isThere = existsSync(join(ROOT, target));
    const hasAnchor = anchor === undefined || (isThere && anchorsOf(target).includes(anchor));
    if (!isThere || !hasAnchor) broken.push(link);
  }
  return broken;
}

for (const document of DOCUMENTS) {
  test(`docs: every link of ${document} leads somewhere`, () => {
    assert.deepEqual(brokenLinks(document), []);
  });
}
