/**
 * From an offset in a decoded TOML string to the offset in the literal that wrote it.
 *
 * Escapes, the newline after an opening `"""`, and line-ending backslashes make the two differ
 * (TOML 1.0, "String").
 */

const ESCAPE_SIZES: { readonly [escape: string]: number } = { x: 4, u: 6, U: 10 };

/**
 * @param literal  source text of the string, quotes included
 * @param offset   offset in the decoded string, 0 to its length
 * @returns offset in `literal` of the character that begins there; the closing quote for the end
 */
export function literalOffset(literal: string, offset: number): number {
  const quote = literal[0] ?? '';
  const isMultiline = literal.length >= 6 && literal.startsWith(quote.repeat(3));
  const hasEscapes = quote === '"';
  const end = literal.length - (isMultiline ? 3 : 1);
  let at = isMultiline ? 3 : 1;
  if (isMultiline) at += newlineSize(literal, at);
  let decoded = 0;
  while (at < end) {
    if (hasEscapes && isMultiline && literal[at] === '\\') at = skipFolded(literal, at);
    if (decoded >= offset || at >= end) break;
    const [size, decodedSize] = hasEscapes ? step(literal, at) : [1, 1];
    at += size;
    decoded += decodedSize;
  }
  return Math.min(at, end);
}

/** Size in the literal, and size decoded, of the character at `at`. */
function step(literal: string, at: number): [number, number] {
  if (literal[at] !== '\\') return [1, 1];
  const size = ESCAPE_SIZES[literal[at + 1] ?? ''] ?? 2;
  if (size !== 10) return [size, 1];
  return [size, Number.parseInt(literal.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1];
}

/** Offset past a line-ending backslash and the white space after it; `at` when it is none. */
function skipFolded(literal: string, at: number): number {
  const folded = /\\[ \t]*\r?\n[ \t\r\n]*/y;
  folded.lastIndex = at;
  return folded.test(literal) ? folded.lastIndex : at;
}

function newlineSize(literal: string, at: number): number {
  if (literal[at] === '\n') return 1;
  return literal.startsWith('\r\n', at) ? 2 : 0;
}
