/**
 * Groups: a TOML text in parts that mean the same alone as in the whole, one for each node or
 * section, so that a part that did not change need not be parsed again.
 *
 * G1  a group that parses alone ends where a table header may stand, so the next header line is
 *     one, and not a line inside a string or array.
 * G2  where no two groups declare keys of the same node or section, none can be in the way of
 *     another: parsed together they are the sum of their parts.
 * Where that is not so (a section in two places, a group that does not parse) the text is parsed
 * as a whole, by whoever asked.
 */

/** Part of a text. */
export interface TomlGroup {
  /** Offset of its first character. */
  readonly start: number;
  readonly text: string;
  /** What it declares: nothing for the lines before the first header, a section (`limits`), or a
   * node (`routes`, `shop`). */
  readonly keys: readonly string[];
}

const BARE = '[A-Za-z0-9_-]+';
const KEY = `${BARE}|"[^"\\\\\\n]*"|'[^'\\n]*'`;
const HEADER = new RegExp(
  `\\[\\[?[ \\t]*(${KEY})(?:[ \\t]*\\.[ \\t]*(${KEY}))?[ \\t]*(?:\\.|\\])`,
  'y',
);

/**
 * @param text       from a place where a table header may stand, to another one or the end
 * @param offset     of `text` in what it is a part of
 * @param nodeKinds  sections whose tables are groups of their own
 * @returns the groups in order, all of the text between them; null when it has to be read whole
 */
export function splitGroups(
  text: string,
  offset: number,
  nodeKinds: ReadonlySet<string>,
): readonly TomlGroup[] | null {
  const groups: TomlGroup[] = [];
  let start = 0;
  let keys: readonly string[] = [];
  const add = (end: number): void => {
    if (end > start) groups.push({ start: offset + start, text: text.slice(start, end), keys });
  };
  for (let at = nextHeader(text, 0); at >= 0; at = nextHeader(text, at + 1)) {
    HEADER.lastIndex = at;
    const match = HEADER.exec(text);
    if (match === null) continue; // No header, or one that is part of this group for all we know.
    const section = unquoted(match[1]!);
    const isNode = nodeKinds.has(section);
    if (isNode && match[2] === undefined) return null; // Its nodes could be anywhere.
    const own = isNode ? [section, unquoted(match[2]!)] : [section];
    if (own[0] === keys[0] && own[1] === keys[1]) continue;
    add(at);
    start = at;
    keys = own;
  }
  add(text.length);
  return groups;
}

/** Whether `root`, parsed of the group, declares what the group says and nothing else. */
export function isOfGroup(
  root: Readonly<Record<string, unknown>>,
  { keys }: TomlGroup,
  nodeKinds: ReadonlySet<string>,
): boolean {
  const [section, node] = keys;
  // A node of the lines before the first header could meet one of the same kind further down.
  if (section === undefined) return Object.keys(root).every((key) => !nodeKinds.has(key));
  if (!isOnly(root, section)) return false;
  return node === undefined || isOnly(root[section] as Readonly<Record<string, unknown>>, node);
}

function isOnly(table: Readonly<Record<string, unknown>>, key: string): boolean {
  const keys = Object.keys(table);
  return keys.length === 1 && keys[0] === key;
}

/** Offset of the next line that begins with a bracket, from `from` on; -1 for none. */
function nextHeader(text: string, from: number): number {
  if (from === 0 && text.startsWith('[')) return 0;
  const at = text.indexOf('\n[', Math.max(0, from - 1));
  return at < 0 ? -1 : at + 1;
}

function unquoted(key: string): string {
  return key.startsWith('"') || key.startsWith("'") ? key.slice(1, -1) : key;
}
