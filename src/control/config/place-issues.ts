/**
 * From drafts to issues: finds line and column, drops repeats, sorts.
 */

import type { Issue, IssueDraft, RelatedPlace, Spot, TextRange } from './issue.ts';
import { formatKeyPath } from './issue.ts';
import { FilePositions } from './file-positions.ts';
import type { TomlPositions } from './toml-positions.ts';

/** What is needed of a file to place its issues. */
export interface PlacedFile {
  readonly path: string;
  /** The text that was parsed, broken lines blanked; same lines as the file. */
  readonly parsedText: string;
  /** The file as it is. */
  readonly text: string;
}

interface Place {
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/**
 * Places every draft, in order of file, line, column, code. The position parser is loaded here,
 * and only when there is a draft.
 */
export async function placeIssues(
  drafts: readonly IssueDraft[],
  files: readonly PlacedFile[],
): Promise<Issue[]> {
  if (drafts.length === 0) return [];
  const { TomlPositions } = await import('./toml-positions.ts');
  const placer = new Placer(files, (text) => new TomlPositions(text));
  const seen = new Set<string>();
  const issues: Issue[] = [];
  for (const draft of drafts) {
    const issue = placer.place(draft);
    const id = [issue.code, issue.file, issue.line, issue.column, issue.message].join('\n');
    if (seen.has(id)) continue; // An inherited value is checked once per heir.
    seen.add(id);
    issues.push(issue);
  }
  const order = new Map(files.map((file, index) => [file.path, index]));
  const rank = (issue: Issue): number => order.get(issue.file) ?? files.length;
  return issues.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      a.line - b.line ||
      a.column - b.column ||
      (a.code < b.code ? -1 : Number(a.code > b.code)),
  );
}

class Placer {
  readonly #files: ReadonlyMap<string, PlacedFile>;
  readonly #open: (text: string) => TomlPositions;
  readonly #positions = new Map<string, FilePositions>();
  readonly #lineStarts = new Map<string, number[]>();

  constructor(files: readonly PlacedFile[], open: (text: string) => TomlPositions) {
    this.#files = new Map(files.map((file) => [file.path, file]));
    this.#open = open;
  }

  place(draft: IssueDraft): Issue {
    const { severity, code, message, spot, found, expected, hint, isSecret, related } = draft;
    const place = draft.at === undefined ? this.#find(draft) : this.#atLine(spot.file, draft.at);
    return {
      severity,
      code,
      message,
      file: spot.file,
      ...place,
      path: formatKeyPath(spot.path),
      ...(found === undefined ? {} : { found }),
      ...(expected === undefined ? {} : { expected }),
      ...(hint === undefined ? {} : { hint }),
      ...(isSecret === true ? { isSecret } : {}),
      ...(related === undefined ? {} : { related: this.#related(related.text, related.spot) }),
    };
  }

  #related(text: string, spot: Spot): RelatedPlace {
    const { line, column } = this.#find({ spot, part: 'key' });
    return { text, file: spot.file, line, column };
  }

  #find(draft: Pick<IssueDraft, 'spot' | 'part' | 'within'>): Place {
    const { file: name, path } = draft.spot;
    const file = this.#files.get(name);
    if (file === undefined) return { line: 1, column: 1, endColumn: 2 };
    let positions = this.#positions.get(name);
    if (positions === undefined) {
      positions = new FilePositions(file.parsedText, this.#open);
      this.#positions.set(name, positions);
    }
    const range = positions.find(path, draft.part, draft.within);
    if (range === null) return { line: 1, column: 1, endColumn: 2 };
    return this.#ofRange(file, range);
  }

  #ofRange(file: PlacedFile, range: TextRange): Place {
    let starts = this.#lineStarts.get(file.path);
    if (starts === undefined) {
      starts = lineStartsOf(file.parsedText);
      this.#lineStarts.set(file.path, starts);
    }
    const index = starts.findLastIndex((start) => start <= range.start);
    const lineStart = starts[index] ?? 0;
    const column = range.start - lineStart + 1;
    const nextStart = starts[index + 1] ?? file.parsedText.length + 1;
    const end = Math.min(range.end, nextStart - 1); // A range over lines ends with its first.
    return { line: index + 1, column, endColumn: Math.max(end - lineStart + 1, column + 1) };
  }

  #atLine(name: string, at: { line: number; column: number }): Place {
    const lines = this.#files.get(name)?.text.split('\n') ?? [];
    const line = Math.max(1, Math.min(at.line, lines.length));
    const size = (lines[line - 1] ?? '').replace(/\r$/, '').length;
    const column = Math.max(1, Math.min(at.column, size + 1));
    return { line, column, endColumn: column + 1 };
  }
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
