/**
 * `to`: a whole proxy in one line, without a file.
 */

import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

import { ROOT_FILE } from '../../control/certificate/internal-authority.ts';
import { isAddressName, isPublicName } from '../../control/config/certificate-name.ts';
import { loadConfig } from '../../control/config/load-config.ts';
import { storageFolder } from '../state-folder.ts';
import { complain } from './admin-client.ts';
import { EXIT_USAGE } from './command.ts';
import type { Command } from './command.ts';
import { serve } from './run.ts';

const FILE = 'command line';
const HTTPS_PORT = 443;

export const toCommand: Command = {
  name: 'to',
  operands: ['ENDPOINT'],
  summary: 'Proxy everything to one endpoint: a port, host:port, http:// URL or unix:/path.',
  options: [
    {
      name: 'listen',
      short: 'l',
      value: 'ADDRESS',
      doc: 'Where to listen: an address, or a URL such as https://localhost:8443. Default: :8080.',
    },
  ],
  async run([endpoint = ''], values) {
    const listen = typeof values.listen === 'string' ? values.listen : ':8080';
    const place = listen.startsWith('https:') ? securePlace(listen, hasIpv6()) : plainPlace(listen);
    if (place === null) {
      complain(`to: --listen: not a URL to listen at (${listen}); expected https://host:port`);
      return EXIT_USAGE;
    }
    const text = oneLineConfig(endpointUrl(endpoint), place);
    const { config, issues } = await loadConfig(FILE, {
      readFile: (path) => (path === FILE ? text : { problem: 'there are no files' }),
      glob: () => [],
      env: () => undefined,
    });
    for (const issue of issues) {
      const found = issue.found === undefined ? '' : ` (${issue.found})`;
      process.stderr.write(`proxy-now: ${issue.message}${found}\n`);
    }
    if (config === null) return 1;
    if (place.isInternal && !hasRoot(storageFolder(config.storage.path, ''))) {
      process.stderr.write('proxy-now: browsers accept the certificate after `proxy-now trust`\n');
    }
    return serve({ config, files: [] }, '');
  },
};

/** Where to listen, and the names that a certificate is for. */
export interface Place {
  readonly addresses: readonly string[];
  /** Empty: without TLS. */
  readonly names: readonly string[];
  /** The certificate is of the internal authority. */
  readonly isInternal: boolean;
}

function plainPlace(address: string): Place {
  return { addresses: [address], names: [], isInternal: false };
}

/**
 * Reads `https://host` and `https://host:port`. What names this machine alone is served to this
 * machine alone. A public name at its usual port has a public certificate: there an authority can
 * see that it is ours.
 * @returns null: it is no such URL
 */
export function securePlace(listen: string, withIpv6: boolean): Place | null {
  const url = URL.parse(listen);
  if (url === null || url.protocol !== 'https:' || url.hostname === '') return null;
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '';
  if (!isBare || url.username !== '' || url.password !== '') return null;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? HTTPS_PORT : Number(url.port);
  if (host === 'localhost' || host.endsWith('.localhost')) {
    const addresses = [`127.0.0.1:${port}`, ...(withIpv6 ? [`[::1]:${port}`] : [])];
    return { addresses, names: [host, '127.0.0.1', '::1'], isInternal: true };
  }
  const isPublic = isPublicName(host) && port === HTTPS_PORT;
  const address = isAddressName(host) ? `${url.hostname}:${port}` : `:${port}`;
  return { addresses: [address], names: [host], isInternal: !isPublic };
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((own) =>
    own?.some(({ address }) => address === '::1'),
  );
}

function hasRoot(folder: string | null): boolean {
  return folder !== null && existsSync(join(folder, ROOT_FILE));
}

/** `3000` and `host:3000` become URLs; anything else is left to the configuration's checks. */
export function endpointUrl(endpoint: string): string {
  if (/^\d+$/.test(endpoint)) return `http://127.0.0.1:${endpoint}`;
  // Whatever has a scheme is judged by the configuration's checks, which name the ones there are.
  if (endpoint.includes('://') || endpoint.startsWith('unix:')) return endpoint;
  return `http://${endpoint}`;
}

function oneLineConfig(endpoint: string, { addresses, names, isInternal }: Place): string {
  const isSecure = names.length > 0;
  const listeners = addresses.map((address, index) => {
    const name = index === 0 ? 'web' : `web-${index + 1}`;
    const tls = isSecure ? 'tls = "default"\n' : '';
    return `[listeners.${name}]\naddress = ${JSON.stringify(address)}\n${tls}`;
  });
  return `
${listeners.join('')}
[routes.all]
service = "all"
[services.all]
endpoints = [${JSON.stringify(endpoint)}]
[admin]
address = "off"
socket = "off"
${isSecure ? certificateConfig(names, isInternal) : ''}`;
}

function certificateConfig(names: readonly string[], isInternal: boolean): string {
  const issuer = isInternal ? 'internal' : 'letsencrypt';
  const declared = isInternal ? '' : '[issuers.letsencrypt]\nchallenges = ["tls-alpn-01"]\n';
  return `
${declared}[certificates.web]
names = ${JSON.stringify(names)}
issuer = "${issuer}"
`;
}
