/**
 * Settings of the DNS providers: the keys that `dns.settings` of an issuer may have.
 *
 * The one table that the schema, the reference and the providers share. Values are text; a secret
 * may come from a file or variable like any other text (`"${file:/run/secrets/token}"`).
 */

import type { DnsChallengeConfig } from './config.ts';

export interface DnsSettingRow {
  /** Key in TOML. */
  readonly key: string;
  readonly doc: string;
  readonly isRequired: boolean;
  /** True: the value is never shown again. */
  readonly isSecret: boolean;
  /** Value when the key is absent; empty: none. */
  readonly default: string;
  /** What the value must look like. */
  readonly pattern: RegExp;
  /** The same for people: `must be ...`. */
  readonly expected: string;
}

export type DnsProviderName = DnsChallengeConfig['provider'];

const TEXT = /^[\x21-\x7e]+$/;
const TOKEN = { pattern: TEXT, expected: 'text without spaces' };
const URL_TEXT = {
  pattern: /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
  expected: 'an http or https URL without user, query and fragment',
};

interface RowMore {
  readonly default?: string;
  readonly pattern?: RegExp;
  readonly expected?: string;
}

function row(key: string, doc: string, kind: 'needed' | 'secret' | 'optional', more: RowMore = {}) {
  return {
    key,
    doc,
    isRequired: kind !== 'optional',
    isSecret: kind === 'secret',
    default: more.default ?? '',
    pattern: more.pattern ?? TOKEN.pattern,
    expected: more.expected ?? TOKEN.expected,
  };
}

const api = (url: string): DnsSettingRow =>
  row('api', 'Where its API is, for a gateway of your own.', 'optional', {
    ...URL_TEXT,
    default: url,
  });

/** Every key a provider takes; any other one is an issue. */
export const DNS_SETTINGS: { readonly [P in DnsProviderName]: readonly DnsSettingRow[] } = {
  webhook: [
    row('url', 'Where changes are posted to.', 'needed', {
      pattern: /^https?:\/\/[^\s/?#@]+([/?][^\s#]*)?$/,
      expected: 'an http or https URL without user and fragment',
    }),
    {
      ...row('secret', 'Sent as `Authorization: Bearer`.', 'secret'),
      isRequired: false,
    },
  ],
  exec: [
    row('program', 'Absolute path of the program; it is run without a shell.', 'needed', {
      pattern: /^\/[^\0\n]+$/,
      expected: 'an absolute path',
    }),
  ],
  rfc2136: [
    row('server', 'Primary server of the zone, `host:port` or `host`.', 'needed'),
    row('key-name', 'Name of the TSIG key.', 'needed', {
      pattern: /^[A-Za-z0-9_.-]{1,253}$/,
      expected: 'a domain name',
    }),
    row('key-secret', 'The TSIG key itself.', 'secret', {
      pattern: /^[A-Za-z0-9+/]{8,}={0,2}$/,
      expected: 'base64',
    }),
    row('key-algorithm', '`hmac-sha256`, `hmac-sha384` or `hmac-sha512`.', 'optional', {
      default: 'hmac-sha256',
      pattern: /^hmac-sha(256|384|512)$/,
      expected: '`hmac-sha256`, `hmac-sha384` or `hmac-sha512`',
    }),
  ],
  cloudflare: [
    row('token', 'API token with Zone:Read and DNS:Edit of the zone.', 'secret'),
    api('https://api.cloudflare.com/client/v4'),
  ],
  route53: [
    row('access-key-id', 'Access key.', 'needed'),
    row('secret-access-key', 'Its secret.', 'secret'),
    { ...row('session-token', 'Token of temporary credentials.', 'secret'), isRequired: false },
    row('hosted-zone-id', 'The hosted zone, where several have the same name.', 'optional', {
      pattern: /^(\/hostedzone\/)?[A-Z0-9]{1,32}$/,
      expected: 'such as `Z2FDTNDATAQYW2`',
    }),
    row('region', 'Region of the signature.', 'optional', { default: 'us-east-1' }),
    api('https://route53.amazonaws.com'),
  ],
  digitalocean: [
    row('token', 'Personal access token that may write domains.', 'secret'),
    api('https://api.digitalocean.com'),
  ],
  hetzner: [
    row('token', 'API token of the project that has the zone, with read and write.', 'secret'),
    api('https://api.hetzner.cloud'),
  ],
  ovh: [
    row('application-key', 'Application key.', 'needed'),
    row('application-secret', 'Application secret.', 'secret'),
    row('consumer-key', 'Consumer key with access to `/domain/zone/*`.', 'secret'),
    api('https://eu.api.ovh.com/1.0'),
  ],
  'acme-dns': [
    row('api', 'Where the acme-dns server is.', 'needed', URL_TEXT),
    row('username', 'User of the registration.', 'needed'),
    row('password', 'Password of the registration.', 'secret'),
    row(
      'subdomain',
      'Subdomain of the registration, the first label of its `fulldomain`.',
      'needed',
      {
        pattern: /^[A-Za-z0-9-]{1,63}$/,
        expected: 'one label',
      },
    ),
  ],
};
