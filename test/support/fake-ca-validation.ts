/** Looks at challenges as an authority does: by connecting to them. */

import { createHash } from 'node:crypto';
import { get } from 'node:http';
import { connect } from 'node:tls';

import { tlsAlpnHost, type Challenge } from '../../src/control/acme/challenge.ts';

/** Where validation goes, whatever the name is. */
export interface ValidationPorts {
  readonly http: number;
  readonly tls: number;
}

const TIMEOUT_MS = 5_000;

/** @returns null: it is proved; else type and detail of the problem */
export async function validate(
  challenge: Challenge,
  ports: ValidationPorts,
): Promise<{ type: string; detail: string } | null> {
  try {
    if (challenge.kind === 'http-01') return await validateHttp(challenge, ports.http);
    if (challenge.kind === 'tls-alpn-01') return await validateTls(challenge, ports.tls);
    return null;
  } catch (error) {
    return { type: 'connection', detail: String(error) };
  }
}

async function validateHttp(
  { identifier, token, keyAuthorization }: Challenge,
  port: number,
): Promise<{ type: string; detail: string } | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const outgoing = get({
    host: '127.0.0.1',
    port,
    path: `/.well-known/acme-challenge/${token}`,
    headers: { host: identifier.value.includes(':') ? `[${identifier.value}]` : identifier.value },
    agent: false,
    timeout: TIMEOUT_MS,
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')));
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    response.toArray().then((parts) => resolve(Buffer.concat(parts).toString()), reject);
  });
  const text = (await promise).trimEnd();
  if (text === keyAuthorization) return null;
  return { type: 'unauthorized', detail: `got ${JSON.stringify(text.slice(0, 40))}` };
}

async function validateTls(
  { identifier, keyAuthorization }: Challenge,
  port: number,
): Promise<{ type: string; detail: string } | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: tlsAlpnHost(identifier),
    ALPNProtocols: ['acme-tls/1'],
    rejectUnauthorized: false,
    timeout: TIMEOUT_MS,
  });
  socket.on('timeout', () => socket.destroy(new Error('timeout')));
  socket.on('error', reject);
  socket.on('secureConnect', () => {
    if (socket.alpnProtocol === 'acme-tls/1') resolve(socket.getPeerX509Certificate()!.raw);
    else reject(new Error('ALPN was not agreed on'));
    socket.destroy();
  });
  const certificate = await promise;
  // The extension holds an OCTET STRING of the digest: tag, length 32, digest.
  const digest = createHash('sha256').update(keyAuthorization).digest();
  if (certificate.includes(Buffer.concat([Buffer.of(0x04, 0x20), digest]))) return null;
  return { type: 'unauthorized', detail: 'another certificate answers' };
}
