/**
 * Client peer: who is at the other end of a client connection, and the field block that tells
 * origins about it. Made once per connection that sends a request.
 *
 * The block is complete lines in bytes, ready to be copied behind the fields of each request.
 * X-Forwarded-For and X-Real-IP are written per request when the peer is a trusted proxy.
 */

import type { CidrSet } from '../../base/cidr.ts';
import { latin1Bytes } from '../../base/ascii.ts';
import type { ClientArrival, ClientSecurity } from './client-security.ts';

const PROTO_HTTP = latin1Bytes('X-Forwarded-Proto: http\r\n');
const PROTO_HTTPS = latin1Bytes('X-Forwarded-Proto: https\r\n');

export class ClientPeer {
  /** Socket's view of the other end, or a trusted PROXY header's. */
  readonly peerAddress: string;
  readonly localPort: number;
  /** Null: its requests come without TLS. */
  readonly security: ClientSecurity | null;
  readonly listenerIndex: number;
  /** Whom the listener believes; null for nobody. */
  readonly trusted: CidrSet | null;
  /** True when `peerAddress` is in the listener's `trusted-proxies`. */
  readonly isTrusted: boolean;
  /** Lines for requests of an untrusted peer: For, Real-IP, Proto and Port. */
  readonly forwardedBlock: Uint8Array;

  /** @param arrival copied, not kept */
  constructor(arrival: ClientArrival, listenerIndex: number, trusted: CidrSet | null) {
    const { peerAddress, localPort, security } = arrival;
    this.peerAddress = peerAddress;
    this.localPort = localPort;
    this.security = security;
    this.listenerIndex = listenerIndex;
    this.trusted = trusted;
    this.isTrusted = trusted !== null && peerAddress !== '' && trusted.contains(peerAddress);
    const address =
      peerAddress === '' ? '' : `X-Forwarded-For: ${peerAddress}\r\nX-Real-IP: ${peerAddress}\r\n`;
    const port = localPort > 0 ? `X-Forwarded-Port: ${localPort}\r\n` : '';
    this.forwardedBlock = latin1Bytes(`${address}X-Forwarded-Proto: ${this.scheme}\r\n${port}`);
  }

  get scheme(): 'http' | 'https' {
    return this.security === null ? 'http' : 'https';
  }

  /** `X-Forwarded-Proto` as a line. Shared bytes: do not change them. */
  get protoLine(): Uint8Array {
    return this.security === null ? PROTO_HTTP : PROTO_HTTPS;
  }
}
