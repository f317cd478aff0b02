/**
 * Issues: problems with a configuration, as plain data, each at its exact place.
 *
 * An `IssueDraft` names its place by file and key path; it becomes an `Issue` with line and
 * column once positions are known (place-issues.ts). Codes are stable: never reused, only added.
 */

/** Every code with the one line the reference page prints for it. */
export const ISSUE_CODES = {
  PN1001: 'A file cannot be read.',
  PN1002: 'The text is not TOML.',
  PN1003: 'An include pattern matches no file.',
  PN1004: 'A key belongs in the main file, not in an included one.',
  PN1005: 'A node of this kind and name exists already.',
  PN1006: 'An environment variable is not set and has no default.',
  PN1007: 'A file named by ${file:} cannot be read.',
  PN1008: 'A ${...} expression is malformed.',
  PN1101: 'A key is unknown.',
  PN1102: 'A value has the wrong type.',
  PN1103: 'A number, size or duration is out of bounds.',
  PN1104: 'A required key is missing.',
  PN1105: 'A value is none of the allowed words.',
  PN1106: 'A text does not have the expected form.',
  PN1107: 'A node name is not usable.',
  PN1108: 'An array is empty.',
  PN1201: 'A name refers to a node that does not exist.',
  PN1202: 'Nodes extend each other in a circle.',
  PN1203: 'Two listeners want the same address.',
  PN1204: 'A service lists an endpoint twice.',
  PN1205: 'A node is never used.',
  PN1206: 'Nothing listens.',
  PN1207: 'The admin listener is reachable from other machines.',
  PN1208: 'Two keys do not fit together.',
  PN1209: 'A middleware kind is unknown, missing, or given more than once.',
  PN1210: 'Two nodes want the connections for one name on one listener.',
  PN1211: 'Two routes want different TLS policies for one name.',
  PN1212: 'A route and its service do not speak the same protocol.',
  PN1213: 'A name has no certificate, and nobody to issue one.',
  PN1214: 'An issuer cannot issue a name that it is asked for.',
  PN1215: 'Certificates are got on demand for any name, without permission.',
  PN1216: 'A redirect to HTTPS leads nowhere.',
  PN1301: 'A rule is malformed.',
  PN1302: 'A rule names an unknown matcher.',
  PN1303: 'A matcher has the wrong number of arguments.',
  PN1304: 'A regular expression is not valid RE2 syntax.',
  PN1305: 'A regular expression is too long.',
  PN1306: 'A host is malformed.',
  PN1307: 'A path is malformed.',
  PN1308: 'A method is malformed.',
  PN1309: 'A method is not a common one.',
  PN1310: 'An address range is malformed.',
  PN1311: 'A field name is malformed.',
  PN1312: 'An endpoint scheme is not supported.',
  PN1313: 'An endpoint is malformed.',
  PN1314: 'A listener address is malformed.',
  PN1315: 'A cookie name is malformed.',
  PN1316: 'A status or range of statuses is malformed.',
  PN1317: 'The path of a health check is malformed.',
  PN1318: 'A method may not be repeated.',
  PN1319: 'A cipher or group is unknown.',
  PN1320: 'A protocol is not spoken here.',
  PN1321: 'A TLS fingerprint is malformed.',
  PN1322: 'A public key pin is malformed.',
  PN1323: 'A URL is malformed.',
  PN1324: 'A part of an account is malformed.',
  PN1401: 'A route has the same rule as a better-ranked one and is never chosen.',
  PN1402: 'A route is unreachable: a better-ranked one matches everything it matches.',
  PN1403: 'A route is unreachable: its rule contradicts itself.',
  PN1501: 'A file of certificates or keys cannot be read.',
  PN1502: 'A certificate or revocation list is malformed, or there is none.',
  PN1503: 'A private key is malformed, encrypted, or of a kind that is not served.',
  PN1504: 'A certificate and its key do not belong together.',
  PN1505: 'A certificate has expired, or is not valid yet.',
  PN1506: 'A chain is out of order, or has parts that do not belong to it.',
  PN1507: 'A key or signature is too weak to be served.',
  PN1508: 'A certificate names no host.',
  PN1509: 'A folder of certificates has none, or one without its key.',
} as const;

export type IssueCode = keyof typeof ISSUE_CODES;

export type Severity = 'error' | 'warning';

/** A key path from the root of a file: table keys and array indexes. */
export type KeyPath = readonly (string | number)[];

/** A place in a file, before line and column are known. */
export interface Spot {
  readonly file: string;
  readonly path: KeyPath;
}

/** Part of a decoded string: offsets in UTF-16 units, `end` exclusive. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export interface IssueDraft {
  readonly severity: Severity;
  readonly code: IssueCode;
  readonly message: string;
  readonly spot: Spot;
  /** Whether the key or its value is at fault. A value that has no text falls back to the key. */
  readonly part: 'key' | 'value';
  /** The part of a string value that is at fault; absent for the whole value. */
  readonly within?: TextRange | undefined;
  /** Line and 1-based column already known (syntax errors); wins over `spot.path`. */
  readonly at?: { readonly line: number; readonly column: number } | undefined;
  readonly found?: string | undefined;
  readonly expected?: string | undefined;
  readonly hint?: string | undefined;
  /** True: the line it is about holds a secret and is not shown. */
  readonly isSecret?: boolean | undefined;
  /** Another place that explains this one, such as the first definition of a name. */
  readonly related?: { readonly text: string; readonly spot: Spot } | undefined;
}

/** Receives every draft; decoding and lints never stop at the first. */
export type Report = (draft: IssueDraft) => void;

export interface Issue {
  readonly severity: Severity;
  readonly code: IssueCode;
  readonly message: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
  /** 1-based column past the last character, on the same line; always > `column`. */
  readonly endColumn: number;
  /** Key path as TOML writes it: `routes.shop.header."x-a"`, array items as `[0]`; may be empty. */
  readonly path: string;
  readonly found?: string;
  readonly expected?: string;
  readonly hint?: string;
  readonly isSecret?: boolean;
  readonly related?: RelatedPlace;
}

export interface RelatedPlace {
  readonly text: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Writes a key path as TOML does: bare keys where possible, `[0]` for array items. */
export function formatKeyPath(path: KeyPath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else {
      if (text !== '') text += '.';
      text += /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
    }
  }
  return text;
}
