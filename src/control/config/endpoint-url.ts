/**
 * Endpoints: `http://host:port`, `https://[::1]:port`, `tcp://host:port`, `unix:/path`.
 */

import { canonicalLiteral, isAddress, isHostName } from './host-pattern.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

export interface EndpointUrl {
  /** Identity: scheme, `://`, host and port, or `unix:/path`; canonical. */
  readonly key: string;
  readonly kind: 'tcp' | 'unix';
  /** Name or numeric address without brackets; path for unix. */
  readonly host: string;
  readonly port: number;
  /** Requests go over TLS. */
  readonly isTls: boolean;
  /** Host field value: `host`, with the port when it is not the scheme's; `localhost` for unix. */
  readonly authority: string;
}

/** What `parseEndpointUrl` falls back to. */
export const NO_ENDPOINT: EndpointUrl = {
  key: '',
  kind: 'tcp',
  host: '127.0.0.1',
  port: 80,
  isTls: false,
  authority: '',
};

const EXPECTED = 'an endpoint such as `http://10.0.0.2:3000` or `unix:/run/app.sock`';

/** Schemes and the ports that need not be written; 0: it must be. */
const SCHEMES: { readonly [scheme: string]: number } = { http: 80, https: 443, tcp: 0 };

/** Reads one endpoint. The port is that of the scheme when left out. */
export function parseEndpointUrl(text: string): Parsed<EndpointUrl> {
  if (text.startsWith('unix:')) return parseUnix(text);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    const hint = /^[^/\s]+:\d+$/.test(text) ? `write \`http://${text}\`` : undefined;
    return bad('PN1313', 'the endpoint has no scheme', { expected: EXPECTED, hint });
  }
  if (!Object.hasOwn(SCHEMES, scheme)) {
    const isKnown = ['h2c', 'h2', 'h3'].includes(scheme);
    return bad('PN1312', `${scheme}:// endpoints are not supported${isKnown ? ' yet' : ''}`, {
      expected: EXPECTED,
      within: { start: 0, end: scheme.length + 3 },
    });
  }
  const start = scheme.length + 3;
  const rest = text.slice(start);
  const bare = rest.endsWith('/') ? rest.slice(0, -1) : rest;
  const extra = /[/?#@\s]/.exec(bare);
  if (extra !== null) {
    const what = extra[0] === '@' ? 'credentials' : 'a path';
    return bad('PN1313', `an endpoint has no ${what.replace('a ', '')}`, {
      expected: EXPECTED,
      within: { start: start + (extra[0] === '@' ? 0 : extra.index), end: text.length },
    });
  }
  return parseAuthority(scheme, bare, text);
}

/** True for endpoints that connections are passed on to, whatever they carry. */
export function isTcpEndpoint({ key }: Pick<EndpointUrl, 'key'>): boolean {
  return key.startsWith('tcp://');
}

function parseAuthority(scheme: string, authority: string, text: string): Parsed<EndpointUrl> {
  const start = scheme.length + 3;
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d+))?$/.exec(authority);
  const hostText = (match?.[1] ?? '').toLowerCase();
  const isBracketed = hostText.startsWith('[');
  const host = isBracketed ? hostText.slice(1, -1) : hostText;
  const isValid = isBracketed ? host.includes(':') && isAddress(host) : isHostName(host);
  if (!isValid) {
    const within = { start, end: Math.max(start + 1, text.length) };
    return bad('PN1313', 'not a host and port', { expected: EXPECTED, within });
  }
  const name = isBracketed ? canonicalLiteral(hostText) : hostText;
  const ownPort = SCHEMES[scheme]!;
  const portText = match?.[2] ?? String(ownPort);
  const port = Number(portText);
  if (match?.[2] === undefined && ownPort === 0) {
    const expected = `such as \`tcp://${name}:5432\``;
    return bad('PN1313', 'the endpoint has no port', { expected });
  }
  if (port < 1 || port > 65_535) {
    const end = start + authority.length;
    const within = { start: end - portText.length, end };
    return bad('PN1313', 'the port is out of bounds', { expected: '1 to 65535', within });
  }
  return good({
    key: `${scheme}://${name}:${port}`,
    kind: 'tcp',
    host: isBracketed ? name.slice(1, -1) : name,
    port,
    isTls: scheme === 'https',
    authority: port === ownPort ? name : `${name}:${port}`,
  });
}

function parseUnix(text: string): Parsed<EndpointUrl> {
  const path = text.slice(5);
  // The kernel's sockaddr_un has 108 bytes, one of them the terminator.
  if (path.startsWith('/') && path.length > 1 && path.length <= 107) {
    return good({
      key: text,
      kind: 'unix',
      host: path,
      port: 0,
      isTls: false,
      authority: 'localhost',
    });
  }
  const hint = path.startsWith('//') ? 'write `unix:/path`' : undefined;
  return bad('PN1313', 'the socket path is not absolute, or longer than 107 characters', {
    expected: '`unix:/path`',
    hint,
  });
}
