/**
 * Schema of certificates: from a pair of files, from a folder of pairs, or names that are to have
 * a managed one.
 *
 * S1  what is here can be served: every pair fits and can be read, or there is an error.
 * S2  nothing of a key is in an issue.
 */

import { certificateName } from './certificate-name.ts';
import type { CheckedPair } from './certificate-check.ts';
import type { CertificateConfig, CertificatePair } from './config.ts';
import { folderOf, joinPath } from './config-source.ts';
import { parseHostPattern } from './host-pattern.ts';
import type { Report, Spot } from './issue.ts';
import type { LocatedString, LocatedTable } from './located.ts';
import { fileName, stringsAt } from './node-files.ts';
import { extendsField, nameField } from './node-fields.ts';
import type { Parsed } from './parsed.ts';
import { bad } from './parsed.ts';
import { optional, string, text } from './schema.ts';
import { list, object } from './schema-compound.ts';
import type { NodeTools } from './tls-section.ts';

export const certificateSchema = object(
  'Certificates: `cert` and `key`, or a `folder`, or `names` that are to have one.',
  {
    cert: optional(string({ doc: 'PEM file of the chain, leaf first, or the PEM text itself.' })),
    key: optional(
      string({ doc: 'PEM file of the private key, or the PEM text itself.', isSecret: true }),
    ),
    folder: optional(
      string({
        doc:
          'Folder of pairs: `name.crt` or `name.pem` with `name.key`, or a `name.pem` with both ' +
          'in it.',
      }),
    ),
    names: list(
      text({
        doc: 'A name, `*.` and a name, or an address.',
        typeText: 'name',
        fallback: '',
        parse: parseCertificateName,
      }),
      { doc: 'Names of one certificate that an issuer is asked for.' },
    ),
    issuer: optional({ ...nameField, doc: 'Issuer that is asked; by the names when absent.' }),
    extends: extendsField,
  },
);

/** Checked pairs by their texts, so that a reload costs what changed. */
export type PairMemory = Map<string, { readonly key: string; readonly checked: CheckedPair }>;

export interface PairTools extends NodeTools {
  readonly pairs: PairMemory;
}

/** A file of a chain with that of its key. */
interface PairFiles {
  readonly chain: string;
  readonly key: string;
  /** For messages. */
  readonly chainName: string;
  readonly keyName: string;
  readonly chainSpot: Spot;
  readonly keySpot: Spot;
}

/** Reads a node, and the files it names. */
export function decodeCertificate(
  name: string,
  table: LocatedTable,
  tools: PairTools,
  report: Report,
): CertificateConfig {
  const { names, issuer } = certificateSchema.decode(table, report);
  if (!lintForms(table, report)) return { name, pairs: [], names: [], issuer: null };
  const wanted = [...new Set(names.filter((one) => one !== ''))];
  const folder = table.entries.get('folder');
  const files =
    folder?.kind === 'string' ? folderPairs(folder, tools, report) : ownPair(table, tools, report);
  const pairs = files.flatMap((pair) => checkPair(pair, tools, report) ?? []);
  return { name, pairs, names: wanted, issuer };
}

/**
 * A chain and its key at the keys `cert` and `key` of `table`, checked.
 * @returns null when there is none, or after an issue
 */
export function pairAt(
  table: LocatedTable,
  tools: PairTools,
  report: Report,
): CertificatePair | null {
  const [files] = ownPair(table, tools, report);
  return files === undefined ? null : checkPair(files, tools, report);
}

function ownPair(table: LocatedTable, { reader }: NodeTools, report: Report): PairFiles[] {
  const [cert] = stringsAt(table, 'cert');
  const [keyText] = stringsAt(table, 'key');
  if (cert === undefined || keyText === undefined) return [];
  const chain = reader.textOf(cert, report);
  const key = reader.textOf(keyText, report);
  if (chain === null || key === null) return [];
  const names = { chainName: fileName(cert), keyName: fileName(keyText) };
  return [
    { chain: withoutKeys(chain), key, ...names, chainSpot: cert.spot, keySpot: keyText.spot },
  ];
}

/** Exactly one of the three forms, whole. */
function lintForms({ entries, spot }: LocatedTable, report: Report): boolean {
  const has = (key: string): boolean => entries.has(key);
  const issue = (message: string, at: Spot = spot): false => {
    const expected = '`cert` with `key`, or `folder`, or `names`';
    report({ severity: 'error', code: 'PN1208', message, spot: at, part: 'key', expected });
    return false;
  };
  const forms = [has('cert') || has('key'), has('folder'), has('names')].filter(Boolean);
  if (forms.length === 0) return issue('the certificate says neither files nor names');
  if (forms.length > 1) return issue('the certificate says where it is from more than once');
  if (has('cert') !== has('key')) return issue(`\`${has('cert') ? 'key' : 'cert'}\` is missing`);
  const issuer = entries.get('issuer');
  if (issuer !== undefined && !has('names')) {
    return issue('an issuer is asked for `names`, not for files', issuer.spot);
  }
  const names = entries.get('names');
  if (names?.kind === 'array' && names.items.length === 0) {
    return issue('the array of names is empty', names.spot);
  }
  return true;
}

/** The pairs of a folder, in order of their names. */
function folderPairs(folder: LocatedString, { reader }: NodeTools, report: Report): PairFiles[] {
  if (folder.isBroken || folder.text === '') return [];
  const { spot } = folder;
  const path = joinPath(folderOf(spot.file), folder.text);
  const issue = (message: string): null => {
    report({ severity: 'error', code: 'PN1509', message, spot, part: 'value' });
    return null;
  };
  const listed: string[] = [];
  for (const pattern of ['*.crt', '*.pem', '*.key']) {
    const paths = reader.glob(pattern, path);
    if (!('problem' in paths)) listed.push(...paths);
    else issue(`the folder ${path} cannot be listed: ${paths.problem}`);
  }
  const files = new Set(listed);
  const read = (file: string): string | null => {
    const answer = reader.readFile(file);
    return typeof answer === 'string' ? answer : issue(`${file} cannot be read: ${answer.problem}`);
  };
  const pairs: PairFiles[] = [];
  for (const chainName of listed.toSorted()) {
    if (chainName.endsWith('.key')) continue;
    const own = `${chainName.slice(0, -4)}.key`;
    const chain = read(chainName);
    if (chain === null) continue;
    const isCombined = !files.has(own) && chain.includes('PRIVATE KEY-----');
    const key = isCombined ? chain : files.has(own) ? read(own) : issue(`${chainName} has no key`);
    const keyName = isCombined ? chainName : own;
    if (key === null) continue;
    pairs.push({
      chain: withoutKeys(chain),
      key,
      chainName,
      keyName,
      chainSpot: spot,
      keySpot: spot,
    });
  }
  if (listed.length === 0) issue(`there is no certificate in the folder ${path}`);
  return pairs;
}

/** A key that stands beside its certificate goes nowhere with it. */
function withoutKeys(chain: string): string {
  if (!chain.includes('PRIVATE KEY-----')) return chain;
  return chain.replace(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^]*?(?:-----END \1-----|$)/g, '');
}

/** S1. Null after an error. */
function checkPair(
  files: PairFiles,
  { check, pairs }: PairTools,
  report: Report,
): CertificatePair | null {
  const { chain, key } = files;
  let known = pairs.get(chain);
  if (known?.key !== key) {
    known = { key, checked: check.pair(chain, key) };
    pairs.set(chain, known);
  }
  const { facts, problems } = known.checked;
  for (const { severity, part, code, message, expected, hint } of problems) {
    const isKey = part === 'key';
    report({
      severity,
      code,
      message: `${isKey ? files.keyName : files.chainName}: ${message}`,
      spot: isKey ? files.keySpot : files.chainSpot,
      part: 'value',
      expected,
      hint,
      isSecret: isKey && files.keyName === files.keySpot.file, // It may stand in that line.
    });
  }
  return facts === null ? null : { chain, key, ...facts, file: files.chainName };
}

/** Warnings of one node that are given one by one. */
const VALIDITY_WARNINGS_MAX = 20;

/** Warnings that depend on the clock, so that they are given anew at each load. */
export function lintValidity(
  certificate: CertificateConfig,
  table: LocatedTable,
  nowMs: number,
  report: Report,
): void {
  const { spot } = table.entries.get('cert') ?? table.entries.get('folder') ?? table;
  const warn = (message: string, hint?: string): void => {
    report({ severity: 'warning', code: 'PN1505', message, spot, part: 'value', hint });
  };
  const bad = certificate.pairs.filter(
    (pair) => nowMs > pair.notAfterMs || nowMs < pair.notBeforeMs,
  );
  for (const { file, notBeforeMs, notAfterMs } of bad.slice(0, VALIDITY_WARNINGS_MAX)) {
    const hasExpired = nowMs > notAfterMs;
    const at = `${new Date(hasExpired ? notAfterMs : notBeforeMs).toISOString().slice(0, 16)}Z`;
    if (hasExpired) {
      const hint = 'clients will refuse it: replace the files';
      warn(`${file}: the certificate has expired on ${at}`, hint);
    } else warn(`${file}: the certificate is not valid before ${at}`, 'is the clock right?');
  }
  const more = bad.length - VALIDITY_WARNINGS_MAX;
  if (more > 0) warn(`${more} more certificates have expired, or are not valid yet`);
}

/** A name as certificates have it: no `*`, and a literal without brackets. */
function parseCertificateName(value: string): Parsed<string> {
  const parsed = parseHostPattern(
    value.includes(':') ? `[${value.replace(/^\[|\]$/g, '')}]` : value,
  );
  if (!parsed.ok) return parsed;
  const name = certificateName(parsed.value);
  if (name !== '*') return { ok: true, value: name };
  return bad('PN1306', 'no certificate is for every name', {
    expected: 'a name such as `www.example.com` or `*.example.com`',
    hint: 'certificates for names that are not known beforehand are got `on-demand`',
  });
}
