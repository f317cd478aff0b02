/**
 * Certificates and contexts that tests of TLS on the `node` backend share.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import type { PairTls } from '../backend-pair.contract.ts';
import type { ClientTlsOptions, IoBackend, ServerTlsOptions, TlsContext } from '../backend.ts';

const FOLDER = new URL('../../../../test/fixtures/tls/', import.meta.url);

export function fixture(name: string): Buffer {
  return readFileSync(new URL(name, FOLDER));
}

export function fixtureText(name: string): string {
  return fixture(name).toString('latin1');
}

/** A chain with its key. */
export function pairOf(name: string): { readonly chain: Uint8Array; readonly key: Uint8Array } {
  return { chain: fixture(`${name}.pem`), key: fixture(`${name}.key`) };
}

export const SERVER_OPTIONS: ServerTlsOptions = {
  certificates: [pairOf('ecdsa'), pairOf('rsa')],
  minVersion: '1.2',
  maxVersion: '1.3',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
  ],
  groups: ['X25519', 'prime256v1'],
  clientAuth: 'none',
  clientCas: [],
  clientCrls: [],
  ticketSecret: new Uint8Array(32).fill(7),
  ticketScope: 'test',
  ocsp: null,
};

export const CLIENT_OPTIONS: ClientTlsOptions = {
  verify: true,
  cas: [fixtureText('ca.pem')],
  cert: '',
  key: '',
  pins: [],
  minVersion: '1.2',
};

export function serverTls(backend: IoBackend, own: Partial<ServerTlsOptions> = {}): TlsContext {
  const context = backend.serverTls({ ...SERVER_OPTIONS, ...own });
  assert.ok(typeof context !== 'string', String(context));
  return context;
}

export function clientTls(backend: IoBackend, own: Partial<ClientTlsOptions> = {}): TlsContext {
  const context = backend.clientTls({ ...CLIENT_OPTIONS, ...own });
  assert.ok(typeof context !== 'string', String(context));
  return context;
}

/** Both ends with the settings above and what `own` changes of them. */
export function makeTls(
  own: {
    readonly server?: Partial<ServerTlsOptions>;
    readonly client?: Partial<ClientTlsOptions>;
    readonly serverName?: string;
  } = {},
): (backend: IoBackend) => PairTls {
  return (backend) => ({
    server: serverTls(backend, own.server),
    alpn: ['http/1.1'],
    client: {
      context: clientTls(backend, own.client),
      serverName: own.serverName ?? 'localhost',
      alpn: ['http/1.1'],
    },
  });
}
