/**
 * Bytes to text, for rooms that have no built-ins. Both readers take any bytes; neither throws.
 * They allocate: call them when somebody needs text (a regexp, a log line), not before.
 */

/**
 * One character per byte (ISO 8859-1), so no input is ever an error. Equals the text itself for
 * what is ASCII, as canonical hosts and paths are.
 * @param bytes  borrowed for the call
 */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/**
 * UTF-8, with U+FFFD for what is malformed, exactly as the WHATWG decoder replaces it; a leading
 * byte order mark is kept.
 * @param bytes  borrowed for the call
 */
export function utf8Text(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  let i = start;
  while (i < end) {
    const lead = bytes[i++]!;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    const size = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    // The first continuation byte has narrower bounds where overlong forms, surrogates and code
    // points above U+10FFFF would begin (Unicode, table 3-7).
    let low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    let high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    let code = size === 0 ? 0xfffd : lead & (0x3f >> size);
    for (let k = 0; k < size; k++) {
      const byte = i < end ? bytes[i]! : 0;
      if (byte < low || byte > high) {
        code = 0xfffd; // What was read so far is one replacement; this byte starts anew.
        break;
      }
      code = code * 64 + (byte & 0x3f);
      low = 0x80;
      high = 0xbf;
      i++;
    }
    text += String.fromCodePoint(code);
  }
  return text;
}
