import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';

import type { UpstreamTlsSpec } from '../../contract/tls.ts';
import type { HealthCheckConfig } from '../config/config.ts';
import type { Verdict } from './check.ts';
import { httpCheck } from './http-check.ts';

/** Until 2120, for `localhost` and 127.0.0.1; of the authority below. */
const CERT = `-----BEGIN CERTIFICATE-----
MIIBtTCCAVqgAwIBAgIQXccD/zzQaJ8QRh6uEBDkTDAKBggqhkjOPQQDAjAeMQ0w
CwYDVQQKDARUZXN0MQ0wCwYDVQQDDARUZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIx
MjAwMTAxMDAwMDAwWjAAMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6FNh3MzZ
oCuGMTi/DoVBdULA/a7qRuGNjP+3RZMwJTOvR9gZ+9A/7EiihK1CzZ2w+/TCOfUo
pArh8KDzw/PW26OBlTCBkjAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDAT
BgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHREBAf8EEzARgglsb2NhbGhvc3SHBH8A
AAEwHQYDVR0OBBYEFM+GJsAT/rVojanmM6IusTudmZP0MB8GA1UdIwQYMBaAFOAx
eq8VfH1GrpsamAWUJhs6GV+rMAoGCCqGSM49BAMCA0kAMEYCIQDCdDKUiY4tuLx4
sNCCLRaPsDYGZblxgAMoUX7PLzrsHwIhAPxJ7z7b2i8LnXvuhiDvL1r9sWNjmP/k
XbufnplIS33H
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9FTaaCTcRWaaetUE
h1ZBGzjuOOgjfseF0+GG2KW5OL2hRANCAAToU2HczNmgK4YxOL8OhUF1QsD9rupG
4Y2M/7dFkzAlM69H2Bn70D/sSKKErULNnbD79MI59SikCuHwoPPD89bb
-----END PRIVATE KEY-----`;
const CA = `-----BEGIN CERTIFICATE-----
MIIBojCCAUigAwIBAgIQRYhHdZu7crseVPHKSbOPBzAKBggqhkjOPQQDAjAeMQ0w
CwYDVQQKDARUZXN0MQ0wCwYDVQQDDARUZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIx
MjAwMTAxMDAwMDAwWjAeMQ0wCwYDVQQKDARUZXN0MQ0wCwYDVQQDDARUZXN0MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEp76ISIEFp3v76qXTjdpE1nXpRUOigJUB
+ASuYfpfUPkuuMW4n/WnFVtF3cxLTXvSwurZlPj1wLfmqvUveBo2XKNmMGQwEgYD
VR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFOAxeq8V
fH1GrpsamAWUJhs6GV+rMB8GA1UdIwQYMBaAFOAxeq8VfH1GrpsamAWUJhs6GV+r
MAoGCCqGSM49BAMCA0gAMEUCIQDo2vdWpMdkM0BfNr5vvSHFQ1piT7PhN6Xsj9oD
Ay79QgIgG/p8CqJobz2ZsJ1nlCCZYFgK0U+jU83+CFxFHq5Xw6I=
-----END CERTIFICATE-----`;
const PIN = '95LIDw75yeTFxgSOzl3/T/7lMUdP0vyljXxLGC2ElBs=';

const CONFIG: HealthCheckConfig = {
  kind: 'http',
  path: '/',
  method: 'GET',
  host: null,
  port: null,
  headers: [],
  statuses: [{ from: 200, to: 399 }],
  body: null,
  intervalMs: 1_000,
  timeoutMs: 1_000,
  upCount: 1,
  downCount: 1,
  initial: 'up',
};

const TLS: UpstreamTlsSpec = {
  verify: true,
  cas: [CA],
  serverName: '',
  cert: '',
  key: '',
  pins: [],
  minVersion: '1.2',
};

/** The verdict about an origin with TLS; the name it was asked for; whether it was shown one. */
async function judge(
  host: string,
  tls: Partial<UpstreamTlsSpec>,
  options: ServerOptions = {},
): Promise<[verdict: Verdict, name: string | false, hasCertificate: boolean]> {
  let name: string | false = false;
  let hasCertificate = false;
  const server = createServer({ cert: CERT, key: KEY, ...options }, (request, response) => {
    const socket = request.socket as TLSSocket & { readonly servername: string | false };
    name = socket.servername;
    hasCertificate = socket.getPeerX509Certificate() !== undefined;
    response.end('well');
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const target = { kind: 'tcp', host, port, authority: 'a', tls: { ...TLS, ...tls } } as const;
  try {
    const verdict = await new Promise<Verdict>((resolve) => httpCheck(target, CONFIG, resolve));
    return [verdict, name, hasCertificate];
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const FAILED = /^the TLS handshake failed: /;

test('http check: an endpoint with TLS is verified as requests verify it', async () => {
  assert.deepEqual(await judge('127.0.0.1', {}), ['', false, false]);
  const named = { serverName: 'localhost' };
  assert.deepEqual(await judge('127.0.0.1', named), ['', 'localhost', false]);
  assert.match((await judge('127.0.0.1', { cas: [] }))[0]!, FAILED);
  assert.match((await judge('127.0.0.1', { serverName: 'other.test' }))[0]!, FAILED);
  assert.deepEqual(await judge('127.0.0.1', { cas: [], verify: false }), ['', false, false]);
  const old = { maxVersion: 'TLSv1.2' } as const;
  assert.deepEqual((await judge('127.0.0.1', {}, old))[0], '');
  assert.match((await judge('127.0.0.1', { minVersion: '1.3' }, old))[0]!, FAILED);
});

test('http check: shows its certificate, and compares pins', async () => {
  const asks = { requestCert: true, rejectUnauthorized: false } as const;
  assert.equal((await judge('127.0.0.1', {}, asks))[2], false);
  assert.equal((await judge('127.0.0.1', { cert: CERT, key: KEY }, asks))[2], true);
  assert.deepEqual((await judge('127.0.0.1', { pins: ['AAAA', PIN] }))[0], '');
  assert.equal(
    (await judge('127.0.0.1', { pins: ['AAAA'] }))[0],
    'its public key is none of `pins`',
  );
  const unverified = { pins: ['AAAA'], verify: false };
  assert.equal((await judge('127.0.0.1', unverified))[0], 'its public key is none of `pins`');
});
