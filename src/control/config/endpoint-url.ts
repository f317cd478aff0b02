/**
 * Endpoints: `http://host:port`, `http://[::1]:port`, `unix:/path`.
 */

import { canonicalLiteral, isAddress, isHostName } from './host-pattern.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

export interface EndpointUrl {
  /** Identity: `http://host:port` or `unix:/path`, canonical. */
  readonly key: string;
  readonly kind: 'tcp' | 'unix';
  /** Name or numeric address without brackets; path for unix. */
  readonly host: string;
  readonly port: number;
  /** Host field value: `host`, or `host:port` when the port is not 80; `localhost` for unix. */
  readonly authority: string;
}

/** What `parseEndpointUrl` falls back to. */
export const NO_ENDPOINT: EndpointUrl = {
  key: '',
  kind: 'tcp',
  host: '127.0.0.1',
  port: 80,
  authority: '',
};

const EXPECTED = 'an endpoint such as `http://10.0.0.2:3000` or `unix:/run/app.sock`';

/** Reads one endpoint. Only the scheme `http` is supported; the port is 80 when left out. */
export function parseEndpointUrl(text: string): Parsed<EndpointUrl> {
  if (text.startsWith('unix:')) return parseUnix(text);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined) {
    const hint = /^[^/\s]+:\d+$/.test(text) ? `write \`http://${text}\`` : undefined;
    return bad('PN1313', 'the endpoint has no scheme', { expected: EXPECTED, hint });
  }
  if (scheme.toLowerCase() !== 'http') {
    const isKnown = ['https', 'h2c', 'h2', 'h3'].includes(scheme.toLowerCase());
    return bad('PN1312', `${scheme}:// endpoints are not supported${isKnown ? ' yet' : ''}`, {
      expected: EXPECTED,
      within: { start: 0, end: scheme.length + 3 },
    });
  }
  const rest = text.slice(7);
  const bare = rest.endsWith('/') ? rest.slice(0, -1) : rest;
  const extra = /[/?#@\s]/.exec(bare);
  if (extra !== null) {
    const what = extra[0] === '@' ? 'credentials' : 'a path';
    return bad('PN1313', `an endpoint has no ${what.replace('a ', '')}`, {
      expected: EXPECTED,
      within: { start: 7 + (extra[0] === '@' ? 0 : extra.index), end: text.length },
    });
  }
  return parseAuthority(bare, text);
}

function parseAuthority(authority: string, text: string): Parsed<EndpointUrl> {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d+))?$/.exec(authority);
  const hostText = (match?.[1] ?? '').toLowerCase();
  const isBracketed = hostText.startsWith('[');
  const host = isBracketed ? hostText.slice(1, -1) : hostText;
  const isValid = isBracketed ? host.includes(':') && isAddress(host) : isHostName(host);
  if (!isValid) {
    const within = { start: 7, end: Math.max(8, text.length) };
    return bad('PN1313', 'not a host and port', { expected: EXPECTED, within });
  }
  const name = isBracketed ? canonicalLiteral(hostText) : hostText;
  const portText = match?.[2] ?? '80';
  const port = Number(portText);
  if (port < 1 || port > 65_535) {
    const end = 7 + authority.length;
    const within = { start: end - portText.length, end };
    return bad('PN1313', 'the port is out of bounds', { expected: '1 to 65535', within });
  }
  return good({
    key: `http://${name}:${port}`,
    kind: 'tcp',
    host: isBracketed ? name.slice(1, -1) : name,
    port,
    authority: port === 80 ? name : `${name}:${port}`,
  });
}

function parseUnix(text: string): Parsed<EndpointUrl> {
  const path = text.slice(5);
  // The kernel's sockaddr_un has 108 bytes, one of them the terminator.
  if (path.startsWith('/') && path.length > 1 && path.length <= 107) {
    return good({ key: text, kind: 'unix', host: path, port: 0, authority: 'localhost' });
  }
  const hint = path.startsWith('//') ? 'write `unix:/path`' : undefined;
  return bad('PN1313', 'the socket path is not absolute, or longer than 107 characters', {
    expected: '`unix:/path`',
    hint,
  });
}
