/**
 * Request view: what matchers, middlewares, logs and the request writer may ask of a request.
 *
 * V1  host and path are canonical, made once, and the same everywhere.
 * V2  everything that reads the received head works only until the exchange's `start` returns;
 *     what is needed later (`clientAddress`, the log's copy) is made before.
 */

import {
  canonicalHostPort,
  canonicalizeHost,
  canonicalizePath,
  HOST_SIZE_MAX,
} from '../../base/target.ts';
import { latin1Bytes, latin1Text, equalsIgnoreCase } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';
import type { RouteRequest } from '../../contract/routing.ts';
import { Field } from '../codec/field.ts';
import type { RequestHead } from '../codec/head.ts';
import { TargetForm } from '../codec/head.ts';
import type { ClientPeer } from './client-peer.ts';
import { clientAddressOf, forwardedElement } from './forwarded.ts';
import type { LinkedSnapshot } from './linked-snapshot.ts';

/** Name this proxy uses in Via (RFC 9110 §7.6.3) and to recognise itself. */
export const VIA_PSEUDONYM = 'proxy-now';

const NO_BYTES = new Uint8Array(0);
const ASTERISK_PATH = latin1Bytes('*');
/** First size of a path's own memory; kept with the recycled exchange. */
const OWN_PATH_SIZE = 256;
/** Where a path is rewritten before it is kept: as large as any head. */
const scratchPath = new Uint8Array(65_536);

export class RequestView implements RouteRequest {
  readonly head: RequestHead;
  peer: ClientPeer | null = null;
  /** Canonical host, then `:port` when the client named one. */
  readonly hostBytes = new Uint8Array(HOST_SIZE_MAX + 8);
  readonly hostStart = 0;
  hostEnd = 0;
  /** End of host and port; 0 when an HTTP/1.0 client named no host. */
  authorityEnd = 0;
  pathBytes: Uint8Array;
  pathStart = 0;
  pathEnd = 0;
  listenerIndex = 0;
  private linked: LinkedSnapshot | null = null;
  private address = '';
  /** Made when a path first needs rewriting or keeping: most never do. */
  private ownPath: Uint8Array = NO_BYTES;

  constructor(head: RequestHead) {
    this.head = head;
    this.pathBytes = NO_BYTES;
  }

  /** Binds the view to a peer and a generation. */
  bind(peer: ClientPeer, linked: LinkedSnapshot): void {
    this.peer = peer;
    this.linked = linked;
    this.listenerIndex = peer.listenerIndex;
  }

  reset(): void {
    this.peer = null;
    this.linked = null;
    this.hostEnd = 0;
    this.authorityEnd = 0;
    this.pathBytes = NO_BYTES;
    this.pathStart = 0;
    this.pathEnd = 0;
    this.address = '';
  }

  /** Makes host and path canonical. @returns why the target is refused, or `Fault.none` */
  readTarget(): Fault {
    const head = this.head;
    const start = head.authorityStart;
    const host = canonicalizeHost(head.bytes, start, head.authorityEnd, this.hostBytes);
    if (host < 0 || (host === 0 && head.versionMinor === 1)) return Fault.requestHostInvalid;
    this.hostEnd = host;
    this.authorityEnd = this.appendPort(host, canonicalHostPort());
    if (head.targetForm === TargetForm.asterisk) {
      this.useOwnPath(ASTERISK_PATH, 0, 1);
      return Fault.none;
    }
    const isStrict = this.linked!.limits.encodedSlash === 'reject';
    const path = canonicalizePath(head.bytes, head.pathStart, head.pathEnd, scratchPath, isStrict);
    if (path < 0) return Fault.requestTargetInvalid;
    if (path > 0) {
      this.useOwnPath(scratchPath, 0, path);
      return Fault.none;
    }
    this.pathBytes = head.bytes;
    this.pathStart = head.pathStart;
    this.pathEnd = head.pathEnd;
    return Fault.none;
  }

  /** Instead of `readTarget`, where there is no request. @param host canonical */
  setHost(host: string): void {
    const size = Math.min(host.length, HOST_SIZE_MAX);
    for (let i = 0; i < size; i++) this.hostBytes[i] = host.charCodeAt(i);
    this.hostEnd = size;
    this.authorityEnd = size;
  }

  /**
   * How often this proxy stands in Via already; only asked when there is a Via. Hostile input:
   * counted, never trusted for more than refusing.
   */
  viaHops(): number {
    const fields = this.head.fields;
    let hops = 0;
    for (let at = fields.find(Field.via); at >= 0; at = fields.find(Field.via, at + 1)) {
      hops += fields.valueText(at).split(VIA_PSEUDONYM).length - 1;
    }
    return hops;
  }

  method(): string {
    return this.head.methodText();
  }

  clientAddress(): string {
    if (this.address === '') {
      const peer = this.peer!;
      const trusted = this.linked!.trustedProxies[this.listenerIndex] ?? null;
      this.address =
        peer.isTrusted && trusted !== null
          ? clientAddressOf(this.head.fields, peer.peerAddress, trusted)
          : peer.peerAddress;
    }
    return this.address;
  }

  someHeader(name: string, visit: (value: string) => boolean): boolean {
    const fields = this.head.fields;
    const wanted = latin1Bytes(name);
    for (let index = 0; index < fields.count; index++) {
      const start = fields.nameStart[index]!;
      if (!equalsIgnoreCase(fields.bytes, start, fields.nameEnd[index]!, wanted)) continue;
      if (visit(fields.valueText(index))) return true;
    }
    return false;
  }

  query(): string {
    const head = this.head;
    return head.queryStart < 0 ? '' : latin1Text(head.bytes, head.queryStart, head.queryEnd);
  }

  /** True when the canonical host is that text. Makes none of its own. */
  isHost(text: string): boolean {
    if (text.length !== this.hostEnd) return false;
    for (let i = 0; i < text.length; i++) {
      if (this.hostBytes[i] !== text.charCodeAt(i)) return false;
    }
    return true;
  }

  host(): string {
    return latin1Text(this.hostBytes, 0, this.hostEnd);
  }

  /** Canonical host, and the port when the client named one. */
  authority(): string {
    return latin1Text(this.hostBytes, 0, this.authorityEnd);
  }

  path(): string {
    return latin1Text(this.pathBytes, this.pathStart, this.pathEnd);
  }

  /** The Forwarded element about this hop (RFC 7239). */
  forwardedElement(): string {
    const { peerAddress, scheme } = this.peer!;
    return forwardedElement(peerAddress, this.authority(), scheme);
  }

  /** Moves the path to memory of its own, for readers after `start` (V2). */
  keepPath(): void {
    if (this.pathBytes === this.ownPath) return;
    this.useOwnPath(this.pathBytes, this.pathStart, this.pathEnd);
  }

  /** Makes the path a copy of `bytes[start, end)` in memory of its own. */
  private useOwnPath(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.ownPath.length < size) this.ownPath = new Uint8Array(Math.max(size, OWN_PATH_SIZE));
    for (let i = 0; i < size; i++) this.ownPath[i] = bytes[start + i]!;
    this.pathBytes = this.ownPath;
    this.pathStart = 0;
    this.pathEnd = size;
  }

  private appendPort(hostEnd: number, port: number): number {
    if (port < 0 || hostEnd === 0) return hostEnd;
    const text = String(port);
    this.hostBytes[hostEnd] = 0x3a;
    for (let i = 0; i < text.length; i++) this.hostBytes[hostEnd + 1 + i] = text.charCodeAt(i);
    return hostEnd + 1 + text.length;
  }
}
