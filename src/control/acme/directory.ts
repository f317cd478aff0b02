/**
 * The directory of an authority (RFC 8555 §7.1.1): its URLs and what it says about itself.
 */

export interface AcmeDirectory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  readonly revokeCert: string;
  readonly keyChange: string;
  /** Empty: no ARI (RFC 9773). */
  readonly renewalInfo: string;
  /** Page with the terms; empty: none. */
  readonly termsOfService: string;
  readonly website: string;
  readonly externalAccountRequired: boolean;
  /** Domains by which CAA records name it (RFC 8659); empty: it does not say. */
  readonly caaIdentities: readonly string[];
  /** Name and description; empty when the authority has no profiles. */
  readonly profiles: ReadonlyMap<string, string>;
}

const PROFILES_MAX = 100;

/**
 * @param base URL of the directory, for relative ones
 * @returns the directory, or a sentence that says what is wrong with it
 */
export function readDirectory(body: Uint8Array, base: string): AcmeDirectory | string {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return `${base} is not an ACME directory: it is no JSON`;
  }
  if (typeof document !== 'object' || document === null) {
    return `${base} is not an ACME directory: it is no object`;
  }
  const members = document as Readonly<Record<string, unknown>>;
  const url = (name: string): string => urlOf(members[name], base);
  for (const name of ['newNonce', 'newAccount', 'newOrder']) {
    if (url(name) === '') return `${base} is not an ACME directory: it has no ${name}`;
  }
  const meta = (typeof members['meta'] === 'object' ? members['meta'] : null) as Readonly<
    Record<string, unknown>
  > | null;
  return {
    newNonce: url('newNonce'),
    newAccount: url('newAccount'),
    newOrder: url('newOrder'),
    revokeCert: url('revokeCert'),
    keyChange: url('keyChange'),
    renewalInfo: url('renewalInfo'),
    termsOfService: textOf(meta?.['termsOfService']),
    website: textOf(meta?.['website']),
    externalAccountRequired: meta?.['externalAccountRequired'] === true,
    caaIdentities: textsOf(meta?.['caaIdentities']),
    profiles: profilesOf(meta?.['profiles']),
  };
}

function urlOf(value: unknown, base: string): string {
  if (typeof value !== 'string' || value === '' || !URL.canParse(value, base)) return '';
  return new URL(value, base).href;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 500) : '';
}

function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.map(textOf).filter((text) => text !== '');
}

function profilesOf(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) return new Map();
  const entries = Object.entries(value).slice(0, PROFILES_MAX);
  return new Map(entries.map(([name, text]) => [name, textOf(text)]));
}
