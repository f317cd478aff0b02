/**
 * Schema of how a service speaks TLS to its endpoints: verified, unless it is said otherwise.
 */

import type { UpstreamTlsSpec } from '../../contract/tls.ts';
import { pairAt } from './certificate-section.ts';
import type { PairTools } from './certificate-section.ts';
import { isHostName } from './host-pattern.ts';
import type { Report } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';
import { boolean, choice, optional, string, text } from './schema.ts';
import type { Infer } from './schema.ts';
import { list, object, oneOrMore } from './schema-compound.ts';
import { pemTexts } from './tls-section.ts';

export const upstreamTlsSchema = object('How TLS is spoken with `https://` endpoints.', {
  verify: boolean({
    doc: '`false`: any certificate will do, so anybody in between can read and write along.',
    default: true,
  }),
  ca: oneOrMore(string({ doc: 'A PEM file, or the PEM text itself.' }), {
    doc: 'Authorities that are trusted; without it, the well-known ones.',
  }),
  serverName: optional(
    text({
      doc: 'Name that is asked for and verified, where it is not the host of the endpoint.',
      typeText: 'host',
      fallback: '',
      parse: parseServerName,
    }),
  ),
  cert: optional(string({ doc: 'PEM file of the certificate shown to endpoints.' })),
  key: optional(string({ doc: 'PEM file of its private key.', isSecret: true })),
  pins: list(
    text({ doc: 'A public key.', typeText: 'public key pin', fallback: '', parse: parsePin }),
    { doc: 'Public keys, `sha256/` and base64, one of which must be in the chain.' },
  ),
  minVersion: choice(['1.2', '1.3'], { doc: 'Oldest version.', default: '1.2' }),
});

type Fields = Infer<typeof upstreamTlsSchema>;

/** What holds for `https://` endpoints of a service that says nothing about TLS. */
export const PLAIN_UPSTREAM_TLS: UpstreamTlsSpec = {
  verify: true,
  cas: [],
  serverName: '',
  cert: '',
  key: '',
  pins: [],
  minVersion: '1.2',
};

/**
 * Reads the files that the section names.
 * @param fields the section as decoded
 * @param value  the section itself
 */
export function upstreamTlsOf(
  fields: Fields,
  value: LocatedTable,
  tools: PairTools,
  report: Report,
): UpstreamTlsSpec {
  const { verify, serverName, pins, minVersion } = fields;
  lintSection(fields, value, report);
  const cas = pemTexts(value, 'ca', tools, report);
  // What a client certificate is for does not matter to the endpoint's own checks.
  const pair = pairAt(value, tools, (draft) => {
    if (draft.code !== 'PN1508') report(draft);
  });
  return {
    verify,
    cas,
    serverName: serverName ?? '',
    cert: pair?.chain ?? '',
    key: pair?.key ?? '',
    pins,
    minVersion,
  };
}

function lintSection({ verify }: Fields, { entries, spot }: LocatedTable, report: Report): void {
  const doNotFit = (message: string, at: Located | undefined): void => {
    const place = { spot: at?.spot ?? spot, part: 'key' } as const;
    report({ severity: 'error', code: 'PN1208', message, ...place });
  };
  const ca = entries.get('ca');
  if (!verify && ca !== undefined) doNotFit('with `verify = false` nothing is compared', ca);
  const cert = entries.get('cert');
  const key = entries.get('key');
  if (cert !== undefined && key === undefined) doNotFit('`cert` needs the key `key`', cert);
  if (key !== undefined && cert === undefined) doNotFit('`key` needs the key `cert`', key);
}

function parseServerName(value: string): Parsed<string> {
  const name = value.toLowerCase().replace(/\.$/, '');
  if (isHostName(name)) return good(name);
  return bad('PN1306', 'not a host name', { expected: 'a host name such as `www.example.com`' });
}

/** 32 bytes in base64, with the name of the hash ahead as curl and browsers write it. */
function parsePin(value: string): Parsed<string> {
  const base64 = value.replace(/^sha256\/\/?/, '');
  if (/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(base64)) return good(base64);
  return bad('PN1322', 'not a public key pin', {
    expected: '`sha256/` and 44 characters of base64',
    hint: 'openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64',
  });
}
