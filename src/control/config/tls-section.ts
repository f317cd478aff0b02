/**
 * Schema of TLS policies: which versions, ciphers and groups, who must show a certificate, and
 * what happens to names that no certificate is for.
 */

import type { CertificateCheck } from './certificate-check.ts';
import type { TlsPolicyConfig } from './config.ts';
import { suggest } from './did-you-mean.ts';
import type { Report, Spot } from './issue.ts';
import type { LocatedTable } from './located.ts';
import { fileName, stringsAt } from './node-files.ts';
import type { NodeReader } from './node-files.ts';
import { extendsField, nameField } from './node-fields.ts';
import type { Parsed } from './parsed.ts';
import { bad, good, reportProblem } from './parsed.ts';
import { boolean, choice, duration, optional, string, text } from './schema.ts';
import type { Infer, Schema } from './schema.ts';
import { list, object, oneOrMore } from './schema-compound.ts';
import { CIPHERS, CIPHERS_1_3, DEFAULT_CIPHERS, DEFAULT_GROUPS, GROUPS } from './tls-names.ts';

/** Protocols this proxy speaks, as ALPN names them. */
const ALPN = ['http/1.1'] as const;
const LATER_ALPN: readonly string[] = ['h2', 'h3'];

/** What a JA4 fingerprint of a TLS client looks like. */
const JA4 = /^t[0-9ds][0-9][di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$/;

const fileField = string({ doc: 'A PEM file, or the PEM text itself.' });

const clientAuthSchema = object('What clients are asked to prove.', {
  mode: choice(['none', 'request', 'require', 'verify-if-given', 'verify'], {
    doc:
      '`request`: a certificate may be shown; `require`: one must be, of anybody; ' +
      '`verify-if-given`: one of `ca`, or none; `verify`: one of `ca`.',
    default: 'verify',
  }),
  ca: oneOrMore(fileField, { doc: 'Certificates of the authorities that clients come from.' }),
  crl: oneOrMore(fileField, { doc: 'Revocation lists of these authorities.' }),
});

export const tlsPolicySchema = object('How TLS is spoken with clients.', {
  minVersion: choice(['1.2', '1.3'], { doc: 'Oldest version.', default: '1.2' }),
  maxVersion: choice(['1.2', '1.3'], { doc: 'Newest version.', default: '1.3' }),
  ciphers: list(known('cipher', CIPHERS), {
    doc:
      'Cipher suites by their OpenSSL names, in order of preference. Without any of TLS 1.3, ' +
      'those of the default go ahead.',
    default: DEFAULT_CIPHERS,
  }),
  groups: list(known('group', GROUPS), {
    doc: 'Groups of the key exchange, in order of preference.',
    default: DEFAULT_GROUPS,
  }),
  alpn: list(
    text({ doc: 'A protocol.', typeText: 'protocol', fallback: 'http/1.1', parse: parseAlpn }),
    {
      doc: 'Protocols by ALPN, in order of preference. A client that offers none is refused.',
      default: ALPN,
    },
  ),
  clientAuth: optional(clientAuthSchema),
  unknownName: choice(['refuse', 'default'], {
    doc: 'A name that no certificate is for: an alert, or the default certificate.',
    default: 'refuse',
  }),
  noName: choice(['refuse', 'default'], {
    doc: 'A client that says no name: an alert, or the default certificate.',
    default: 'default',
  }),
  defaultCertificate: optional({
    ...nameField,
    doc: 'Certificate from files for clients without a name; otherwise the first there is.',
  }),
  sessionTickets: boolean({ doc: 'Clients may resume their sessions.', default: true }),
  denyFingerprints: list(
    text({
      doc: 'A JA4 fingerprint.',
      typeText: 'JA4 fingerprint',
      fallback: '',
      parse: parseFingerprint,
    }),
    {
      doc:
        'JA4 fingerprints of clients that are turned away. A convenience, no protection: a ' +
        'client can take on any fingerprint.',
    },
  ),
  handshakeTimeoutMs: duration({
    doc: 'From the first byte of a handshake to its end.',
    default: '10s',
    min: '100ms',
    max: '5m',
  }),
  extends: extendsField,
});

type PolicyFields = Infer<typeof tlsPolicySchema>;

/** The policy `default` when nobody declares it. */
export function defaultPolicy(): TlsPolicyConfig {
  const { extends: _, clientAuth: __, ...fields } = tlsPolicySchema.fallback;
  return { name: 'default', ...fields, clientAuth: 'none', clientCas: [], clientCrls: [] };
}

/** What reads the files of a node, and judges them. */
export interface NodeTools {
  readonly reader: NodeReader;
  readonly check: CertificateCheck;
}

/** Reads a policy and the files it names. */
export function decodePolicy(
  name: string,
  table: LocatedTable,
  tools: NodeTools,
  report: Report,
): TlsPolicyConfig {
  const { extends: _, clientAuth, ciphers, ...fields } = tlsPolicySchema.decode(table, report);
  const policy = { name, ...fields, ciphers: wholeCiphers(ciphers, fields) };
  lintVersions(policy, table, report);
  lintNoEmptyList(table, report);
  const auth = table.entries.get('client-auth');
  if (clientAuth === null || auth?.kind !== 'table') {
    return { ...policy, clientAuth: 'none', clientCas: [], clientCrls: [] };
  }
  const clientCas = pemTexts(auth, 'ca', tools, report);
  const clientCrls = pemTexts(auth, 'crl', tools, report);
  lintClientAuth(clientAuth.mode, auth, report);
  return { ...policy, clientAuth: clientAuth.mode, clientCas, clientCrls };
}

/**
 * Texts of the PEM files at `key` of `table`. Whatever cannot be read or holds nothing is an issue:
 * to trust less than was meant is safe, to trust nobody by accident is not.
 */
export function pemTexts(
  table: LocatedTable,
  key: 'ca' | 'client-ca' | 'crl',
  { reader, check }: NodeTools,
  report: Report,
): readonly string[] {
  const texts: string[] = [];
  for (const value of stringsAt(table, key)) {
    const pem = reader.textOf(value, report);
    if (pem === null) continue;
    const problem = key === 'crl' ? check.revocations(pem) : check.authorities(pem);
    if (problem === null) texts.push(pem);
    else {
      const message = `${fileName(value)}: ${problem.message}`;
      reportProblem(report, { ...problem, message }, value.spot, { severity: 'error' });
    }
  }
  return texts;
}

/** TLS 1.3 has suites of its own; nobody means to switch it off by not naming them. */
function wholeCiphers(
  ciphers: readonly string[],
  { maxVersion }: Pick<PolicyFields, 'maxVersion'>,
): readonly string[] {
  const isWhole = maxVersion === '1.2' || ciphers.some(isFor13);
  return isWhole ? ciphers : [...CIPHERS_1_3.slice(0, 3), ...ciphers];
}

function lintVersions(
  { minVersion, maxVersion, ciphers }: Pick<PolicyFields, 'minVersion' | 'maxVersion' | 'ciphers'>,
  table: LocatedTable,
  report: Report,
): void {
  const { entries } = table;
  if (minVersion > maxVersion) {
    const spot = (entries.get('max-version') ?? entries.get('min-version') ?? table).spot;
    return doNotFit(report, spot, '`min-version` is newer than `max-version`');
  }
  const spot = (entries.get('ciphers') ?? table).spot;
  if (minVersion === '1.2' && ciphers.every(isFor13)) {
    doNotFit(report, spot, 'no cipher is for TLS 1.2', 'add one, or set `min-version = "1.3"`');
  }
}

function isFor13(cipher: string): boolean {
  return CIPHERS_1_3.includes(cipher);
}

/** A list that is there must say something; without it the default holds. */
function lintNoEmptyList(table: LocatedTable, report: Report): void {
  for (const key of ['ciphers', 'groups']) {
    const value = table.entries.get(key);
    if (value?.kind !== 'array' || value.items.length > 0) continue;
    report({
      severity: 'error',
      code: 'PN1108',
      message: 'the array is empty',
      spot: value.spot,
      part: 'value',
      found: '[]',
      expected: `at least one ${key.slice(0, -1)}`,
    });
  }
}

function lintClientAuth(mode: string, auth: LocatedTable, report: Report): void {
  const verifies = mode === 'verify' || mode === 'verify-if-given';
  const ca = auth.entries.get('ca');
  const crl = auth.entries.get('crl');
  const shown = `\`mode = "${mode}"\``;
  if (verifies && ca === undefined) {
    doNotFit(report, auth.spot, `${shown} needs the key \`ca\``);
  }
  for (const [key, value] of [
    ['ca', ca],
    ['crl', crl],
  ] as const) {
    if (verifies || value === undefined) continue;
    doNotFit(report, value.spot, `with ${shown} nothing is compared with \`${key}\``);
  }
}

function doNotFit(report: Report, spot: Spot, message: string, hint?: string): void {
  report({ severity: 'error', code: 'PN1208', message, spot, part: 'key', hint });
}

function known(what: 'cipher' | 'group', names: readonly string[]): Schema<string> {
  const parse = (value: string): Parsed<string> => {
    if (names.includes(value)) return good(value);
    const hint = suggest(value, names);
    const expected = `such as \`${names[0]}\`, as OpenSSL names it`;
    return bad('PN1319', `unknown ${what}`, { expected, hint });
  };
  return text({ doc: `A ${what}.`, typeText: what, fallback: names.at(-1)!, parse });
}

function parseAlpn(value: string): Parsed<string> {
  if ((ALPN as readonly string[]).includes(value)) return good(value);
  const isLater = LATER_ALPN.includes(value);
  return bad('PN1320', `the protocol is not spoken here${isLater ? ' yet' : ''}`, {
    expected: '`http/1.1`',
  });
}

function parseFingerprint(value: string): Parsed<string> {
  if (JA4.test(value)) return good(value);
  return bad('PN1321', 'not a JA4 fingerprint', {
    expected: 'such as `t13d1516h2_8daaf6152771_e5627efa2ab1`',
  });
}
