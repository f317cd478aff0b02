/**
 * CAA: whether a name's records let an authority issue for it (RFC 8659, RFC 8657).
 *
 * K1  the records that count are those of the name itself or, where it has none, of the nearest
 *     name above; the first set found decides alone (RFC 8659 §3).
 * K2  what is not understood and marked critical forbids (RFC 8659 §4.1).
 */

export interface CaaRecord {
  readonly isCritical: boolean;
  /** Lower case. */
  readonly tag: string;
  readonly value: string;
}

export interface CaaQuestion {
  readonly isWildcard: boolean;
  /** Domains by which the authority is known (`caaIdentities`); empty: nobody knows. */
  readonly identities: readonly string[];
  /** URL of the account; empty: not known yet. */
  readonly accountUri: string;
  /** Methods that may be used, one of which has to be allowed. */
  readonly methods: readonly string[];
}

const CRITICAL = 0x80;
const KNOWN = ['issue', 'issuewild', 'iodef', 'issuemail', 'issuevmc', 'contactemail'];

/** Reads the data of a CAA record (RFC 8659 §4.1). @returns null: malformed */
export function readCaa(data: Uint8Array): CaaRecord | null {
  const flags = data[0];
  const tagSize = data[1];
  if (flags === undefined || tagSize === undefined || tagSize === 0) return null;
  if (data.length < 2 + tagSize) return null;
  const tag = ascii(data.subarray(2, 2 + tagSize)).toLowerCase();
  return {
    isCritical: (flags & CRITICAL) !== 0,
    tag,
    value: ascii(data.subarray(2 + tagSize)),
  };
}

function ascii(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : '?';
  return text;
}

/** @returns null: they allow it; else the end of a sentence: `allow only example.org` */
export function caaRefusal(records: readonly CaaRecord[], question: CaaQuestion): string | null {
  if (question.identities.length === 0) return null;
  const unknown = records.find((record) => record.isCritical && !KNOWN.includes(record.tag));
  if (unknown !== undefined) return `have the critical property ${unknown.tag}, which forbids all`;
  const wild = records.filter((record) => record.tag === 'issuewild');
  const isWild = question.isWildcard && wild.length > 0;
  const rules = isWild ? wild : records.filter((record) => record.tag === 'issue');
  if (rules.length === 0) return null;
  let reason: string | null = null;
  for (const rule of rules) {
    const parsed = parseRule(rule.value);
    if (!question.identities.some((name) => name.toLowerCase() === parsed.issuer)) continue;
    reason = parameterRefusal(parsed.parameters, question);
    if (reason === null) return null;
  }
  if (reason !== null) return reason;
  const named = rules.map((rule) => parseRule(rule.value).issuer).filter((name) => name !== '');
  return named.length === 0 ? 'allow no authority at all' : `allow only ${named.join(' and ')}`;
}

function parseRule(value: string) {
  const [issuer = '', ...rest] = value.split(';').map((part) => part.trim());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const at = part.indexOf('=');
    if (at > 0) parameters.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  return { issuer: issuer.toLowerCase(), parameters };
}

function parameterRefusal(
  parameters: ReadonlyMap<string, string>,
  question: CaaQuestion,
): string | null {
  const account = parameters.get('accounturi');
  if (account !== undefined && question.accountUri !== '' && account !== question.accountUri) {
    return `allow it only for the account ${account}`;
  }
  const methods = parameters.get('validationmethods');
  if (methods === undefined) return null;
  const allowed = methods.split(',').map((method) => method.trim().toLowerCase());
  if (question.methods.some((method) => allowed.includes(method))) return null;
  return `allow it only by ${allowed.join(' or ')}`;
}
