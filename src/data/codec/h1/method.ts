/**
 * Recognises the methods of `Method` from their bytes; names are case-sensitive (RFC 9110 §9.1).
 */

import { latin1Bytes } from '../../../base/ascii.ts';
import { Method } from '../head.ts';

const GET = latin1Bytes('GET');
const HEAD = latin1Bytes('HEAD');
const POST = latin1Bytes('POST');
const PUT = latin1Bytes('PUT');
const DELETE = latin1Bytes('DELETE');
const OPTIONS = latin1Bytes('OPTIONS');
const TRACE = latin1Bytes('TRACE');
const CONNECT = latin1Bytes('CONNECT');
const PATCH = latin1Bytes('PATCH');

/** @returns the method whose name is exactly [start, end), else `Method.other` */
export function methodOf(bytes: Uint8Array, start: number, end: number): Method {
  switch (bytes[start]) {
    case 0x47:
      return isName(bytes, start, end, GET) ? Method.get : Method.other;
    case 0x50:
      if (isName(bytes, start, end, POST)) return Method.post;
      if (isName(bytes, start, end, PUT)) return Method.put;
      return isName(bytes, start, end, PATCH) ? Method.patch : Method.other;
    case 0x48:
      return isName(bytes, start, end, HEAD) ? Method.head : Method.other;
    case 0x44:
      return isName(bytes, start, end, DELETE) ? Method.delete : Method.other;
    case 0x4f:
      return isName(bytes, start, end, OPTIONS) ? Method.options : Method.other;
    case 0x54:
      return isName(bytes, start, end, TRACE) ? Method.trace : Method.other;
    case 0x43:
      return isName(bytes, start, end, CONNECT) ? Method.connect : Method.other;
    default:
      return Method.other;
  }
}

function isName(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  const size = name.length;
  if (end - start !== size) return false;
  for (let i = 0; i < size; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
