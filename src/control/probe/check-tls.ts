/**
 * TLS of a check: the same settings as requests of the data plane, by Node's own client.
 */

import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

import type { UpstreamTlsSpec } from '../../contract/tls.ts';

/** @param host of the endpoint, a name or an address */
export function secureOptions(tls: UpstreamTlsSpec, host: string): ConnectionOptions {
  const name = tls.serverName === '' ? host : tls.serverName;
  return {
    rejectUnauthorized: tls.verify,
    minVersion: `TLSv${tls.minVersion}`,
    // Empty: no name is sent, and the address is what is verified (RFC 6066 §3).
    servername: isIP(name) === 0 ? name : '',
    ...(tls.cas.length > 0 ? { ca: [...tls.cas] } : {}),
    ...(tls.cert === '' ? {} : { cert: tls.cert, key: tls.key }),
  };
}

/** Whether one of the public keys in the chain that was shown is among `pins`. */
export function hasPin(socket: TLSSocket, pins: readonly string[]): boolean {
  for (
    let certificate = socket.getPeerX509Certificate();
    certificate !== undefined;
    certificate = certificate.issuerCertificate
  ) {
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    if (pins.includes(createHash('sha256').update(spki).digest('base64'))) return true;
  }
  return false;
}
