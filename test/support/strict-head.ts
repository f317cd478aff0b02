/**
 * Strict reading of HTTP/1.1 heads for the recorder and the raw client (RFC 9112 §2, §5).
 *
 * Independent of the product's parser. A head that breaks a rule is still returned where its end
 * can be found, with the broken rules in `violations`.
 */

export interface HeadField {
  readonly name: string;
  /** Without surrounding whitespace; latin1. */
  readonly value: string;
}

export interface StrictHead {
  readonly startLine: string;
  readonly fields: readonly HeadField[];
  /** The bytes up to and including the empty line, latin1. */
  readonly raw: string;
  /** Offset past the empty line. */
  readonly end: number;
  readonly violations: string[];
}

export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' };

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const BAD_VALUE = /[\0-\x08\x0a-\x1f\x7f]/;
const CANONICAL_LENGTH = /^(?:0|[1-9][0-9]{0,14})$/;

/** @returns null while the empty line has not arrived */
export function readHead(bytes: Buffer, start: number): StrictHead | null {
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
  if (end < 0) return null;
  const raw = bytes.toString('latin1', start, end + 4);
  const lines = raw.slice(0, -4).split('\r\n');
  const startLine = lines[0] ?? '';
  const violations: string[] = [];
  if (BAD_VALUE.test(startLine)) violations.push(`I3 control byte in ${JSON.stringify(startLine)}`);
  const fields: HeadField[] = [];
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1);
    if (colon < 0 || !TOKEN.test(name)) violations.push(`I3 field line ${JSON.stringify(line)}`);
    else if (BAD_VALUE.test(value)) violations.push(`I3 control byte in ${JSON.stringify(line)}`);
    fields.push({ name, value: value.replace(/^[ \t]+|[ \t]+$/g, '') });
  }
  return { startLine, fields, raw, end: end + 4, violations };
}

/** Values of a field, in order, name compared without case. */
export function fieldValues(fields: readonly HeadField[], name: string): string[] {
  const lower = name.toLowerCase();
  return fields.filter((field) => field.name.toLowerCase() === lower).map((field) => field.value);
}

/** First value of a field, or undefined. */
export function fieldValue(fields: readonly HeadField[], name: string): string | undefined {
  return fieldValues(fields, name)[0];
}

/** All field names in lower case. */
export function fieldNames(fields: readonly HeadField[]): string[] {
  return fields.map((field) => field.name.toLowerCase());
}

/**
 * The framing a head announces; each broken rule of I2 is pushed to `violations`.
 * Chunked wins over a length, as RFC 9112 §6.3 has it.
 */
export function readFraming(fields: readonly HeadField[], violations: string[]): Framing {
  const lengths = fieldValues(fields, 'content-length');
  const codings = fieldValues(fields, 'transfer-encoding');
  if (lengths.length > 1) violations.push(`I2 ${lengths.length} Content-Length fields`);
  if (codings.length > 1) violations.push(`I2 ${codings.length} Transfer-Encoding fields`);
  if (lengths.length > 0 && codings.length > 0) violations.push('I2 both framings');
  for (const value of lengths) {
    if (!CANONICAL_LENGTH.test(value))
      violations.push(`I2 Content-Length ${JSON.stringify(value)}`);
  }
  for (const value of codings) {
    if (value !== 'chunked') violations.push(`I2 Transfer-Encoding ${JSON.stringify(value)}`);
  }
  const coding = codings.at(-1) ?? '';
  if (/(?:^|,)[ \t]*chunked$/i.test(coding)) return { kind: 'chunked' };
  const length = lengths[0];
  if (length !== undefined && /^[0-9]+$/.test(length)) {
    return { kind: 'length', length: Number(length) };
  }
  return { kind: 'none' };
}
