/**
 * UTF-8 both ways, for rooms that have no built-ins. Any input is taken, neither throws, both
 * allocate: call them when somebody needs text or bytes, never per exchange without need.
 */

/**
 * UTF-8 of `text`. A lone surrogate becomes U+FFFD, as an encoder of the platform would write it.
 * @returns a new array owned by the caller
 */
export function utf8Bytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0)!;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    } else {
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f));
      bytes.push(0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    }
  }
  return Uint8Array.from(bytes);
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
