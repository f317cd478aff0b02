/**
 * What the other side of a handshake has shown, and whether that is enough.
 *
 * Node's `tls.Server` and `tls.connect` judge certificates in JavaScript, and OpenSSL goes on
 * whatever it finds; so a bare TLS socket accepts anybody, and the judgement is here.
 */

import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';

import { Fault } from '../../../contract/fault.ts';
import type { PeerCertificate, TlsInfo } from '../backend.ts';
import { NodeServerContext } from './tls-context.ts';
import type { NodeClientContext } from './tls-context.ts';
import type { ProxyTlsSocket } from './tls-socket.ts';

/** Longest chain that is looked through for a pinned key. */
const CHAIN_MAX = 10;

/** @returns `Fault.none` or `Fault.tlsClientRefused` */
export function judgeClient(socket: ProxyTlsSocket, context: NodeServerContext): Fault {
  const { clientAuth } = context;
  if (clientAuth === 'none' || clientAuth === 'request') return Fault.none;
  const hasShown = socket.getPeerX509Certificate() !== undefined;
  const isTrusted = hasShown && !socket.tlsHandle?.verifyError();
  if (clientAuth === 'require') return hasShown ? Fault.none : Fault.tlsClientRefused;
  if (clientAuth === 'verify-if-given' && !hasShown) return Fault.none;
  return isTrusted ? Fault.none : Fault.tlsClientRefused;
}

/** @returns `Fault.none` or `Fault.upstreamCertificateInvalid` */
export function judgeServer(
  socket: ProxyTlsSocket,
  context: NodeClientContext,
  serverName: string,
): Fault {
  // A session is only kept after a judgement by the same rules, and for the same name.
  if (socket.tlsHandle?.isSessionReused() === true) return Fault.none;
  try {
    if (context.verifies && !isTrustedServer(socket, serverName)) {
      return Fault.upstreamCertificateInvalid;
    }
    if (context.pins.length > 0 && !hasPinnedKey(socket, context.pins)) {
      return Fault.upstreamCertificateInvalid;
    }
    return Fault.none;
  } catch {
    return Fault.upstreamCertificateInvalid; // Names that Node cannot read.
  }
}

function isTrustedServer(socket: ProxyTlsSocket, serverName: string): boolean {
  if (socket.tlsHandle?.verifyError()) return false;
  return checkServerIdentity(serverName, socket.getPeerCertificate()) === undefined;
}

/**
 * Looks at the leaf and at those above it who have really signed it: an impostor can add any
 * certificate to the chain it sends.
 */
function hasPinnedKey(socket: ProxyTlsSocket, pins: readonly string[]): boolean {
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  for (let depth = 0; certificate !== undefined && depth < CHAIN_MAX; depth++) {
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    if (pins.includes(createHash('sha256').update(spki).digest('base64'))) return true;
    const issuer: X509Certificate | undefined = certificate.issuerCertificate;
    if (issuer === undefined || issuer.fingerprint256 === certificate.fingerprint256) return false;
    if (!certificate.verify(issuer.publicKey)) return false;
    certificate = issuer;
  }
  return false;
}

/** Reads what a handshake has settled. */
export function tlsInfo(
  socket: ProxyTlsSocket,
  context: NodeServerContext | NodeClientContext,
): TlsInfo {
  const isNobody = context instanceof NodeServerContext && !context.asksForCertificate;
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    isResumed: socket.tlsHandle?.isSessionReused() === true,
    peerCertificate: isNobody ? null : peerCertificate(socket.getPeerX509Certificate()),
  };
}

function peerCertificate(certificate: X509Certificate | undefined): PeerCertificate | null {
  if (certificate === undefined) return null;
  return {
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    names: alternativeNames(certificate.subjectAltName),
  };
}

/**
 * @param lines Node's text: one line per RDN, first to last, values escaped as in RFC 2253
 * @returns RFC 4514 text: last to first, with commas
 */
export function distinguishedName(lines: string | undefined): string {
  if (lines === undefined || lines === '') return '';
  const names = lines.split('\n').map((line) => line.replaceAll(' + ', '+'));
  return names.toReversed().join(',');
}

/**
 * @param text Node's, such as `DNS:a.example, IP Address:192.0.2.1`; a value with anything special
 *             in it is written as a JSON string
 * @returns the values of names, addresses, mail addresses and URIs
 */
export function alternativeNames(text: string | undefined): readonly string[] {
  const names: string[] = [];
  const entry = /(DNS|IP Address|email|URI):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)|[^,]*(?:, |$)/gy;
  for (const [whole, kind, value] of (text ?? '').matchAll(entry)) {
    if (whole === '') break;
    if (kind === undefined || value === undefined) continue;
    names.push(value.startsWith('"') ? quoted(value) : value);
  }
  return names;
}

function quoted(value: string): string {
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
