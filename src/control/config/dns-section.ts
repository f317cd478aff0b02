/**
 * Schema of the challenge dns-01: the provider with its settings, and how it is waited until the
 * record is there.
 */

import type { DnsChallengeConfig } from './config.ts';
import { DNS_SETTINGS } from './dns-settings.ts';
import type { DnsSettingRow } from './dns-settings.ts';
import { suggest } from './did-you-mean.ts';
import { isAddress, isHostName } from './host-pattern.ts';
import type { Report } from './issue.ts';
import type { LocatedTable } from './located.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';
import { boolean, choice, duration, optional, text } from './schema.ts';
import type { Schema } from './schema.ts';
import { list, object } from './schema-compound.ts';
import type { InferFields } from './schema-compound.ts';

type Provider = DnsChallengeConfig['provider'];

const PROVIDERS = Object.keys(DNS_SETTINGS) as Provider[];

const commonFields = {
  provider: choice(PROVIDERS, { doc: 'Who serves the zone, or how records are written.' }),
  resolvers: list(
    text({
      doc: 'An address, or address and port.',
      typeText: 'address',
      fallback: '',
      parse: parseResolver,
    }),
    { doc: "Resolvers that are asked for zones and records; otherwise the system's." },
  ),
  propagationTimeoutMs: duration({
    doc: 'Longest wait until the servers of the zone have the record.',
    default: '2m',
    min: '1s',
    max: '1h',
  }),
  propagationDelayMs: duration({
    doc: 'Wait before the first look.',
    default: '0',
    min: '0',
    max: '1h',
  }),
  checkPropagation: boolean({
    doc: '`false`: the authority is told without looking whether the record is there.',
    default: true,
  }),
  ttlSeconds: duration({
    doc: 'Life of the record in caches.',
    default: '2m',
    min: '0',
    max: '1d',
    unit: 's',
  }),
};

/** Every key of every provider; which of them fit is decided by `dnsOf`. */
export const dnsSchema = object('Proves names by records in the DNS, as wildcards need.', {
  ...commonFields,
  ...settingFields(),
});

type Fields = InferFields<typeof commonFields>;

/** Keys that one provider at least has. */
const FOREIGN: ReadonlySet<string> = new Set(
  Object.values(DNS_SETTINGS).flatMap((rows) => rows.map(({ key }) => key)),
);

/** The settings of the provider, checked. Null after an issue about the provider. */
export function dnsOf(
  fields: Fields,
  table: LocatedTable,
  report: Report,
): DnsChallengeConfig | null {
  const { provider } = fields;
  const named = table.entries.get('provider');
  if (named?.kind !== 'string' || named.text !== provider) return null; // Reported already.
  const rows = DNS_SETTINGS[provider];
  const settings: Record<string, string> = {};
  for (const row of rows) {
    const value = readSetting(row, provider, table, report);
    if (value !== '') settings[row.key] = value;
  }
  const keys = rows.map(({ key }) => key);
  for (const [key, value] of table.entries) {
    if (keys.includes(key) || !FOREIGN.has(key)) continue;
    report({
      severity: 'error',
      code: 'PN1208',
      message: `the provider \`${provider}\` has no setting \`${key}\``,
      spot: value.spot,
      part: 'key',
      expected: keys.join(', '),
      hint: suggest(key, keys),
    });
  }
  return {
    provider,
    settings,
    resolvers: fields.resolvers.filter((resolver) => resolver !== ''),
    propagationTimeoutMs: fields.propagationTimeoutMs,
    propagationDelayMs: fields.propagationDelayMs,
    checkPropagation: fields.checkPropagation,
    ttlSeconds: fields.ttlSeconds,
  };
}

/** The value of one setting; empty when there is none, or after an issue. */
function readSetting(
  row: DnsSettingRow,
  provider: string,
  table: LocatedTable,
  report: Report,
): string {
  const value = table.entries.get(row.key);
  if (value === undefined) {
    if (!row.isRequired) return row.default;
    report({
      severity: 'error',
      code: 'PN1104',
      message: `\`${row.key}\` is missing: the provider \`${provider}\` needs it`,
      spot: table.spot,
      part: 'key',
      expected: `\`${row.key}\`: ${row.expected}`,
      hint: row.doc,
    });
    return '';
  }
  if (value.kind !== 'string' || value.isBroken) return ''; // Reported when it was read.
  const text = value.text.trim();
  if (row.pattern.test(text)) return text;
  report({
    severity: 'error',
    code: 'PN1106',
    message: `\`${row.key}\` is not what \`${provider}\` takes`,
    spot: value.spot,
    part: 'value',
    expected: row.expected,
    isSecret: row.isSecret,
  });
  return '';
}

/** One key for all providers that have it. */
function settingFields(): { readonly [key: string]: Schema<string | null> } {
  const fields: Record<string, Schema<string | null>> = {};
  for (const key of new Set(
    Object.values(DNS_SETTINGS)
      .flat()
      .map((row) => row.key),
  )) {
    const rows = PROVIDERS.flatMap((provider) => {
      return DNS_SETTINGS[provider]
        .filter((row) => row.key === key)
        .map((row) => ({ provider, row }));
    });
    const doc = rows
      .map(({ provider, row }) => `${provider}: ${row.doc}${defaultOf(row)}`)
      .join(' ');
    const isSecret = rows.some(({ row }) => row.isSecret);
    fields[key] = optional(text({ doc, typeText: 'string', fallback: '', isSecret, parse: good }));
  }
  return fields;
}

function defaultOf(row: DnsSettingRow): string {
  return row.default === '' ? '' : ` Default: \`${row.default}\`.`;
}

/** An address, with a port or without: 53 then. */
function parseResolver(value: string): Parsed<string> {
  const match = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(value);
  const host = match?.[1]!.replace(/^\[|\]$/g, '') ?? value;
  const port = Number(match?.[2] ?? 53);
  const isHost = isAddress(host) || (match !== null && isHostName(host.toLowerCase()));
  if (!isHost || port < 1 || port > 65_535) {
    return bad('PN1106', 'not a resolver', { expected: 'such as `192.0.2.53:53`' });
  }
  return good(`${host.includes(':') ? `[${host}]` : host}:${port}`);
}
