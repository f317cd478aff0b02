/**
 * What the fields of a scanned request head mean for its framing, authority and connection.
 *
 * R1  the framing is certain or the request is rejected (RFC 9112 §6.3): never both of
 *     Content-Length and Transfer-Encoding, never one of them twice.
 * R2  one Host, and in HTTP/1.1 always one (RFC 9112 §3.2).
 */

import { equalsIgnoreCase, latin1Bytes } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { Field, INTERPRETED_MAX } from '../field.ts';
import { Framing, Method, type RequestHead } from '../head.ts';
import { ConnectionOption, listIncludes, readConnectionField } from './connection-options.ts';
import { classifyTransferCoding, parseContentLength, TransferCoding } from './framing-fields.ts';

const CONTINUE = latin1Bytes('100-continue');
const WEBSOCKET = latin1Bytes('websocket');
const TRAILERS = latin1Bytes('trailers');

/**
 * Fills framing, authority, persistence and expectations of `head` from its fields.
 * @param head  request line and fields already scanned
 * @returns `Fault.none`, or why the request is rejected
 */
export function interpretRequest(head: RequestHead): Fault {
  const { fields, bytes } = head;
  const { id, valueStart, valueEnd } = fields;
  let host = -1;
  let contentLength = -1;
  let transferEncoding = -1;
  let hasWebsocket = false;
  for (let i = 0; i < fields.count; i++) {
    const field = id[i]!;
    if (field === Field.other || field > INTERPRETED_MAX) continue;
    if (field === Field.host) {
      if (host !== -1) return Fault.requestHostInvalid;
      host = i;
    } else if (field === Field.contentLength) {
      // RFC 9112 §6.3 lets a recipient reject equal duplicates too; nobody honest sends them.
      if (contentLength !== -1) return Fault.requestFramingInvalid;
      contentLength = i;
    } else if (field === Field.transferEncoding) {
      if (transferEncoding !== -1) return Fault.requestFramingInvalid;
      transferEncoding = i;
    } else if (field === Field.connection) {
      if (!readConnectionField(fields, i)) return Fault.requestFieldsTooMany;
    } else if (field === Field.expect) {
      if (head.expectsContinue) return Fault.requestExpectationUnsupported;
      if (!equalsIgnoreCase(bytes, valueStart[i]!, valueEnd[i]!, CONTINUE)) {
        return Fault.requestExpectationUnsupported;
      }
      head.expectsContinue = true;
    } else if (field === Field.upgrade) {
      if (listIncludes(bytes, valueStart[i]!, valueEnd[i]!, WEBSOCKET)) hasWebsocket = true;
    } else if (listIncludes(bytes, valueStart[i]!, valueEnd[i]!, TRAILERS)) {
      head.wantsTrailers = true;
    }
  }
  const fault = interpretFraming(head, contentLength, transferEncoding);
  if (fault !== Fault.none) return fault;
  interpretConnection(head, hasWebsocket);
  return interpretAuthority(head, host);
}

/** RFC 9112 §6.3, rules 3 to 7 for requests. Arguments are field indexes, or -1. */
function interpretFraming(
  head: RequestHead,
  contentLength: number,
  transferEncoding: number,
): Fault {
  const { valueStart, valueEnd } = head.fields;
  if (transferEncoding !== -1) {
    // RFC 9112 §6.1: in HTTP/1.0 the framing is faulty whatever else is there.
    if (contentLength !== -1 || head.versionMinor === 0) return Fault.requestFramingInvalid;
    const start = valueStart[transferEncoding]!;
    const coding = classifyTransferCoding(head.bytes, start, valueEnd[transferEncoding]!);
    if (coding === TransferCoding.invalid) return Fault.requestFramingInvalid;
    if (coding === TransferCoding.unsupported) return Fault.requestTransferCodingUnsupported;
    head.framing = Framing.chunked;
  } else if (contentLength !== -1) {
    const start = valueStart[contentLength]!;
    const size = parseContentLength(head.bytes, start, valueEnd[contentLength]!);
    if (size < 0) return Fault.requestFramingInvalid;
    head.framing = Framing.length;
    head.contentLength = size;
  }
  return Fault.none;
}

function interpretConnection(head: RequestHead, hasWebsocket: boolean): void {
  const options = head.fields.connectionOptions;
  const isCurrent = head.versionMinor === 1;
  // RFC 9112 §9.3.
  head.keepAlive =
    (options & ConnectionOption.close) === 0 &&
    (isCurrent || (options & ConnectionOption.keepAlive) !== 0);
  const hasBody = head.framing === Framing.chunked || head.contentLength > 0;
  // RFC 9110 §10.1.1: ignored in HTTP/1.0, and pointless where no content follows.
  if (!isCurrent || !hasBody) head.expectsContinue = false;
  head.upgradesWebsocket =
    hasWebsocket &&
    isCurrent &&
    !hasBody &&
    head.method === Method.get &&
    (options & ConnectionOption.upgrade) !== 0;
}

/** RFC 9112 §3.2: Host is required in HTTP/1.1 even when an absolute target overrides it. */
function interpretAuthority(head: RequestHead, host: number): Fault {
  if (host === -1) return head.versionMinor === 1 ? Fault.requestHostInvalid : Fault.none;
  if (head.authorityEnd > head.authorityStart) return Fault.none;
  const fields = head.fields;
  head.authorityStart = fields.valueStart[host]!;
  head.authorityEnd = fields.valueEnd[host]!;
  // RFC 9110 §4.2.1: no http URI has an empty host.
  const isEmpty = head.authorityStart === head.authorityEnd;
  return isEmpty ? Fault.requestHostInvalid : Fault.none;
}
