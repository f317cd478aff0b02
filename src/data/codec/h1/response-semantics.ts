/**
 * What the fields of a scanned response head mean for its body and its connection.
 *
 * S1  the framing is certain or the response is rejected (RFC 9112 §6.3). One mixture passes:
 *     a plain `chunked` beside one valid Content-Length is read as chunked, and its connection
 *     is not used again.
 * S2  a response without a body never has a framing but `none`; a field that announces one where
 *     none may be costs the connection.
 */

import { latin1Bytes } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { Field, INTERPRETED_MAX } from '../field.ts';
import { Framing, type ResponseHead } from '../head.ts';
import { ConnectionOption, listIncludes, readConnectionField } from './connection-options.ts';
import { classifyTransferCoding, parseContentLength, TransferCoding } from './framing-fields.ts';

const WEBSOCKET = latin1Bytes('websocket');
const SWITCHING_PROTOCOLS = 101;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

/**
 * Fills framing, persistence and upgrade of `head` from its fields.
 * @param head           status line and fields already scanned
 * @param isHeadRequest  the request was HEAD
 * @returns `Fault.none`, or why the response is rejected
 */
export function interpretResponse(head: ResponseHead, isHeadRequest: boolean): Fault {
  const { fields, bytes } = head;
  const { id, valueStart, valueEnd } = fields;
  let isChunked = false;
  let hasWebsocket = false;
  for (let i = 0; i < fields.count; i++) {
    const field = id[i]!;
    if (field === Field.other || field > INTERPRETED_MAX) continue;
    if (field === Field.contentLength) {
      if (head.contentLength !== -1) return Fault.responseFramingInvalid;
      head.contentLength = parseContentLength(bytes, valueStart[i]!, valueEnd[i]!);
      if (head.contentLength === -1) return Fault.responseFramingInvalid;
    } else if (field === Field.transferEncoding) {
      // RFC 9112 §6.1: chunked once, alone, and not from an HTTP/1.0 origin.
      if (isChunked || head.versionMinor === 0) return Fault.responseFramingInvalid;
      const coding = classifyTransferCoding(bytes, valueStart[i]!, valueEnd[i]!);
      if (coding !== TransferCoding.chunked) return Fault.responseFramingInvalid;
      isChunked = true;
    } else if (field === Field.connection) {
      if (!readConnectionField(fields, i)) return Fault.responseFieldsTooMany;
    } else if (field === Field.upgrade) {
      if (listIncludes(bytes, valueStart[i]!, valueEnd[i]!, WEBSOCKET)) hasWebsocket = true;
    }
  }
  const options = fields.connectionOptions;
  head.keepAlive =
    (options & ConnectionOption.close) === 0 &&
    (head.versionMinor === 1 || (options & ConnectionOption.keepAlive) !== 0);
  head.upgradesWebsocket =
    head.status === SWITCHING_PROTOCOLS &&
    hasWebsocket &&
    (options & ConnectionOption.upgrade) !== 0;
  return interpretBody(head, isChunked, isHeadRequest);
}

/** RFC 9112 §6.3, rules 1 to 8 for responses. */
function interpretBody(head: ResponseHead, isChunked: boolean, isHeadRequest: boolean): Fault {
  const status = head.status;
  const announcesBody = isChunked || head.contentLength > 0;
  if (status < 200) {
    // RFC 9110 §15.2 and §8.6: an interim response has no content; one that announces some
    // would be read differently by whoever believes it.
    if (announcesBody) return Fault.responseFramingInvalid;
    head.contentLength = -1;
    return Fault.none;
  }
  if (status === NO_CONTENT) {
    if (announcesBody) head.keepAlive = false;
    head.contentLength = -1; // RFC 9110 §8.6: never sent with 204.
    return Fault.none;
  }
  if (isChunked) {
    // RFC 9112 §6.3 rule 3: Transfer-Encoding overrides, and such a message is suspect.
    if (head.contentLength !== -1) head.keepAlive = false;
    head.contentLength = -1;
  }
  if (isHeadRequest || status === NOT_MODIFIED) return Fault.none;
  if (isChunked) head.framing = Framing.chunked;
  else if (head.contentLength !== -1) head.framing = Framing.length;
  else {
    head.framing = Framing.close;
    head.keepAlive = false;
  }
  return Fault.none;
}
