/**
 * Schema of issuers: who is asked for certificates, how names are proved to it, and for which.
 */

import { isPublicName } from './certificate-name.ts';
import type { DnsChallengeConfig, IssuerConfig, OnDemandConfig } from './config.ts';
import { dnsSchema, dnsOf } from './dns-section.ts';
import { parseHostPattern } from './host-pattern.ts';
import type { Report, Spot } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import { extendsField } from './node-fields.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';
import { choice, duration, integer, optional, string, text } from './schema.ts';
import type { Infer } from './schema.ts';
import { list, object, oneOrMore } from './schema-compound.ts';
import { pemTexts } from './tls-section.ts';
import type { NodeTools } from './tls-section.ts';

/** Directories of well-known authorities. */
export const DIRECTORIES: { readonly [name: string]: string } = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
  zerossl: 'https://acme.zerossl.com/v2/DV90',
  google: 'https://dv.acme-v02.api.pki.goog/directory',
  'google-staging': 'https://dv.acme-v02.test-api.pki.goog/directory',
};

/** Name of the issuer that is there without being declared. */
export const INTERNAL_ISSUER = 'internal';

const CHALLENGES = ['http-01', 'tls-alpn-01', 'dns-01'] as const;

const patternField = text({
  doc: 'A name, `*.` and a name for exactly one label more, or `*`.',
  typeText: 'name pattern',
  fallback: '',
  parse: parseHostPattern,
});

const eabSchema = object('Binds the account to one the authority knows already.', {
  keyId: string({ doc: 'Identifier of the key.' }),
  hmacKey: text({
    doc: 'The key, base64url. Write it as `${file:...}`.',
    typeText: 'base64url',
    fallback: '',
    isSecret: true,
    parse: parseHmacKey,
  }),
});

const onDemandSchema = object('Certificates that are got while the client waits.', {
  names: list(patternField, { doc: 'Names it may be.', isRequired: true }),
  ask: optional(
    text({
      doc: 'URL that is asked for permission, with `?domain=` and the name; a 2xx is a yes.',
      typeText: 'URL',
      fallback: '',
      parse: parseUrl,
    }),
  ),
  perHourMax: integer({
    key: 'per-hour',
    doc: 'New names an hour, of the whole process.',
    default: 60,
    min: 1,
    max: 100_000,
  }),
});

export const issuerSchema = object('Who is asked for certificates.', {
  kind: optional(
    choice(['acme', 'internal'], {
      doc:
        '`acme`: an authority; `internal`: one of its own, for names that no public one knows. ' +
        'An issuer named `internal` is one, all others are `acme`.',
    }),
  ),
  directory: optional(
    text({
      doc:
        'Where the authority is: a URL, or `letsencrypt`, `letsencrypt-staging`, `zerossl`, ' +
        '`google`, `google-staging`. When absent, the one that the issuer is named after, or ' +
        '`letsencrypt`.',
      typeText: 'URL or name of an authority',
      fallback: '',
      parse: parseDirectory,
    }),
  ),
  email: optional(
    text({
      doc: 'Address that the authority may write to.',
      typeText: 'address',
      fallback: '',
      parse: parseEmail,
    }),
  ),
  eab: optional(eabSchema),
  ca: oneOrMore(string({ doc: 'A PEM file, or the PEM text itself.' }), {
    doc: 'Authorities that are trusted when talking to this one; otherwise the well-known ones.',
  }),
  profile: optional(
    string({
      doc: 'Profile of the certificates, as the authority names it, such as `shortlived`.',
    }),
  ),
  keyType: choice(['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-4096'], {
    doc: 'Kind of the private keys.',
    default: 'ecdsa-p256',
  }),
  challenges: optional(
    list(choice(CHALLENGES, { doc: 'A challenge.', default: 'http-01' }), {
      doc:
        'How names are proved, in order of preference. When absent: all three where there is ' +
        '`dns`, and that one first; otherwise `http-01`, then `tls-alpn-01`.',
      isRequired: true,
    }),
  ),
  dns: optional(dnsSchema),
  preferredChain: optional(
    string({ doc: 'Common name of the root that is wanted, where there are several chains.' }),
  ),
  names: optional(
    list(patternField, {
      doc:
        'Names it is for. When absent: every public name (`acme`), or every other one ' +
        '(`internal`).',
      isRequired: true,
    }),
  ),
  onDemand: optional(onDemandSchema),
  lifetimeMs: duration({
    doc: 'Life of a certificate of an internal issuer.',
    default: '7d',
    min: '10m',
    max: '365d',
  }),
  extends: extendsField,
});

type Fields = Infer<typeof issuerSchema>;

/** The internal issuer when nobody declares one. */
export const DEFAULT_INTERNAL: IssuerConfig = {
  name: INTERNAL_ISSUER,
  kind: 'internal',
  directory: '',
  email: '',
  eab: null,
  cas: [],
  profile: '',
  keyType: 'ecdsa-p256',
  challenges: [],
  dns: null,
  preferredChain: '',
  names: null,
  onDemand: null,
  lifetimeMs: issuerSchema.fallback.lifetimeMs,
};

/** Reads an issuer and the files it names. */
export function decodeIssuer(
  name: string,
  table: LocatedTable,
  tools: NodeTools,
  report: Report,
): IssuerConfig {
  const fields = issuerSchema.decode(table, report);
  const kind = fields.kind ?? (name === INTERNAL_ISSUER ? 'internal' : 'acme');
  const dnsTable = table.entries.get('dns');
  const dns =
    fields.dns !== null && dnsTable?.kind === 'table' ? dnsOf(fields.dns, dnsTable, report) : null;
  const isAcme = kind === 'acme';
  const named = Object.hasOwn(DIRECTORIES, name) ? DIRECTORIES[name]! : DIRECTORIES.letsencrypt!;
  const issuer: IssuerConfig = {
    name,
    kind,
    directory: isAcme ? (fields.directory ?? named) : '',
    email: fields.email ?? '',
    eab: fields.eab,
    cas: pemTexts(table, 'ca', tools, report),
    profile: fields.profile ?? '',
    keyType: fields.keyType,
    challenges: isAcme ? (fields.challenges ?? challengesFor(dns)) : [],
    dns,
    preferredChain: fields.preferredChain ?? '',
    names: fields.names,
    onDemand: onDemandOf(fields.onDemand),
    lifetimeMs: fields.lifetimeMs,
  };
  lintIssuer(issuer, fields, table, report);
  return issuer;
}

function challengesFor(dns: DnsChallengeConfig | null): IssuerConfig['challenges'] {
  return dns === null ? ['http-01', 'tls-alpn-01'] : ['dns-01', 'http-01', 'tls-alpn-01'];
}

function onDemandOf(fields: Fields['onDemand']): OnDemandConfig | null {
  if (fields === null) return null;
  const names = fields.names.filter((pattern) => pattern !== '');
  return { names, ask: fields.ask ?? '', perHourMax: fields.perHourMax };
}

/** Keys that mean nothing to the other kind. */
const ACME_KEYS = [
  'directory',
  'email',
  'eab',
  'ca',
  'profile',
  'challenges',
  'dns',
  'preferred-chain',
] as const;

function lintIssuer(
  issuer: IssuerConfig,
  fields: Fields,
  { entries, spot }: LocatedTable,
  report: Report,
): void {
  const isAcme = issuer.kind === 'acme';
  const doNotFit = (message: string, at: Spot | undefined, hint?: string): void => {
    report({ severity: 'error', code: 'PN1208', message, spot: at ?? spot, part: 'key', hint });
  };
  const at = (key: string): Spot | undefined => entries.get(key)?.spot;
  for (const key of isAcme ? ['lifetime'] : ACME_KEYS) {
    if (entries.has(key)) doNotFit(`\`${key}\` means nothing to an ${issuer.kind} issuer`, at(key));
  }
  if (isAcme && issuer.name === INTERNAL_ISSUER) {
    doNotFit(`the name \`${INTERNAL_ISSUER}\` is that of the internal issuer`, at('kind'));
  }
  const usesDns = issuer.challenges.includes('dns-01');
  if (isAcme && usesDns && fields.dns === null) {
    doNotFit('the challenge `dns-01` needs the table `dns`', at('challenges'));
  }
  if (isAcme && !usesDns && fields.dns !== null) {
    doNotFit('`dns` is not used without the challenge `dns-01`', at('dns'));
  }
  lintBinding(issuer, entries.get('directory') ?? { spot }, report);
  lintOnDemand(issuer, entries.get('on-demand'), report);
}

/** Authorities that take no account without one. */
function lintBinding(issuer: IssuerConfig, at: { readonly spot: Spot }, report: Report): void {
  const { directory, eab } = issuer;
  const isNeeded = directory === DIRECTORIES.zerossl || directory.endsWith('.pki.goog/directory');
  if (eab !== null || !isNeeded) return;
  report({
    severity: 'error',
    code: 'PN1208',
    message: 'the authority takes accounts only with `eab`',
    spot: at.spot,
    part: 'key',
    expected: 'eab = { key-id = "...", hmac-key = "${file:...}" }',
  });
}

function lintOnDemand(issuer: IssuerConfig, value: Located | undefined, report: Report): void {
  const { onDemand } = issuer;
  if (onDemand === null || value === undefined || issuer.kind === 'internal') return;
  if (onDemand.ask !== '' || !onDemand.names.includes('*')) return;
  const names = value.kind === 'table' ? value.entries.get('names') : undefined;
  report({
    severity: 'error',
    code: 'PN1215',
    message: 'anybody could have certificates made for any name',
    spot: (names ?? value).spot,
    part: 'value',
    expected: '`ask`, a URL that is asked for permission, or names of yours instead of `*`',
  });
}

function parseDirectory(value: string): Parsed<string> {
  if (Object.hasOwn(DIRECTORIES, value)) return good(DIRECTORIES[value]!);
  const url = /^(https?):\/\/([^\s/?#@]+)(?:\/[^\s#]*)?$/.exec(value);
  const host = url?.[2]!.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (url === null || host === undefined) {
    const expected = `a URL, or one of ${Object.keys(DIRECTORIES).join(', ')}`;
    return bad('PN1323', 'not the URL of a directory', { expected });
  }
  if (url[1] === 'https' || !isPublicName(host)) return good(value);
  return bad('PN1323', 'the authority is not asked over TLS', { expected: 'an https:// URL' });
}

function parseUrl(value: string): Parsed<string> {
  if (/^https?:\/\/[^\s/?#@]+(?:[/?][^\s#]*)?$/.test(value)) return good(value);
  return bad('PN1323', 'not a URL', { expected: 'such as `http://127.0.0.1:9000/allowed`' });
}

function parseEmail(value: string): Parsed<string> {
  if (/^[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+$/.test(value)) return good(value);
  return bad('PN1324', 'not an address', { expected: 'such as `ops@example.com`' });
}

function parseHmacKey(value: string): Parsed<string> {
  const bare = value.trim().replace(/=+$/, '');
  // As bytes: 128 bits at the least, and no length that base64 cannot have.
  if (/^[A-Za-z0-9_-]{22,}$/.test(bare) && bare.length % 4 !== 1) return good(bare);
  return bad('PN1324', 'not a key', { expected: 'base64url of 16 bytes or more' });
}
