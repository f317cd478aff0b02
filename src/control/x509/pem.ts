/**
 * PEM: the text form of certificates and keys (RFC 7468). Reading is total and linear; what stands
 * between blocks is a comment.
 */

export interface PemBlock {
  /** Such as `CERTIFICATE` or `PRIVATE KEY`. */
  readonly label: string;
  /** Null: what stands between the lines is no Base64, or the end is missing. */
  readonly der: Uint8Array | null;
  /** The key asks for a password; its bytes say nothing then. */
  readonly isEncrypted: boolean;
  /** 1-based line of its beginning. */
  readonly line: number;
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';
const LINE_SIZE = 64;

/** @returns every block in order of appearance; empty when there is none */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let label: string | null = null;
  let line = 0;
  let begin = 0;
  let body: string[] = [];
  let isEncrypted = false;
  const close = (der: Uint8Array | null): void => {
    if (label !== null) blocks.push({ label, der, isEncrypted, line: begin });
    label = null;
  };
  for (const raw of text.split(/\r\n|\n|\r/)) {
    line++;
    const row = raw.trim();
    const opened = labelIn(row, BEGIN);
    if (opened !== null) {
      close(null);
      label = opened;
      begin = line;
      body = [];
      isEncrypted = opened === 'ENCRYPTED PRIVATE KEY';
      continue;
    }
    if (label === null) continue;
    const closed = labelIn(row, END);
    if (closed !== null) close(closed === label ? base64(body.join('')) : null);
    else if (row.includes(':')) isEncrypted ||= row.includes('ENCRYPTED');
    else body.push(row);
  }
  close(null);
  return blocks;
}

/** @returns the block as text, with a line feed at its end */
export function writePem(label: string, der: Uint8Array): string {
  const text = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  const lines: string[] = [];
  for (let i = 0; i < text.length; i += LINE_SIZE) lines.push(text.slice(i, i + LINE_SIZE));
  return [`${BEGIN}${label}${DASHES}`, ...lines, `${END}${label}${DASHES}`, ''].join('\n');
}

/** @returns the certificates of a chain in order; malformed blocks and keys are left out */
export function certificatesOf(text: string): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const { label, der } of readPem(text)) {
    if (label === 'CERTIFICATE' && der !== null) found.push(der);
  }
  return found;
}

function labelIn(row: string, prefix: string): string | null {
  if (!row.startsWith(prefix) || !row.endsWith(DASHES)) return null;
  if (row.length < prefix.length + DASHES.length + 1) return null;
  return row.slice(prefix.length, -DASHES.length);
}

/** Node's decoder takes anything; this one takes Base64 only. */
function base64(text: string): Uint8Array | null {
  if (text.length === 0 || text.length % 4 !== 0) return null;
  const bytes = Buffer.from(text, 'base64');
  // To encode it again is the faster look; only unused bits that are not 0 make it differ.
  if (bytes.toString('base64') !== text && !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  return Uint8Array.from(bytes);
}
