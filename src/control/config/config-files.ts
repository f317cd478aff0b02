/**
 * The files of a configuration: the main one and what it includes, each parsed for itself.
 *
 * Included files cannot include others. A file that cannot be read or parsed never stops the
 * others; its problems are drafts that name it.
 */

import type { ConfigSource } from './config-source.ts';
import { folderOf } from './config-source.ts';
import { interpolate } from './interpolate.ts';
import type { IssueDraft } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import { emptyTable } from './located.ts';
import { LoadMemory } from './load-memory.ts';

export interface ConfigFile {
  readonly path: string;
  readonly role: 'main' | 'include';
  /** As read; null when the file cannot be read. */
  readonly text: string | null;
  /** What was parsed: broken lines are blank. */
  readonly parsedText: string;
  /** Interpolated. */
  readonly tree: LocatedTable;
  /** True when something of the file is missing in `tree`, so what is absent proves nothing. */
  readonly isDamaged: boolean;
}

export interface ConfigFiles {
  /** The main file first, then included ones in order of patterns and names. */
  readonly files: readonly ConfigFile[];
  /** Every path that was asked for, readable or not, `${file:}` included. */
  readonly inputs: readonly string[];
  readonly drafts: readonly IssueDraft[];
}

/**
 * Reads the main file and everything it includes.
 * @param memory of loads before: parts of files that did not change give the same objects
 */
export function readConfigFiles(
  path: string,
  source: ConfigSource,
  memory: LoadMemory = new LoadMemory(),
): ConfigFiles {
  const reader = new FileReader(source, memory);
  const main = reader.read(path, 'main');
  const files = [main];
  const seen = new Set([path]);
  for (const included of reader.expandIncludes(main)) {
    if (seen.has(included)) continue;
    seen.add(included);
    files.push(reader.read(included, 'include'));
  }
  memory.retain(seen);
  return { files, inputs: [...reader.inputs], drafts: reader.drafts };
}

class FileReader {
  readonly inputs = new Set<string>();
  readonly drafts: IssueDraft[] = [];
  readonly #source: ConfigSource;
  readonly #memory: LoadMemory;

  constructor(source: ConfigSource, memory: LoadMemory) {
    this.#source = source;
    this.#memory = memory;
  }

  read(path: string, role: 'main' | 'include'): ConfigFile {
    this.inputs.add(path);
    const raw = this.#source.readFile(path);
    if (typeof raw !== 'string') {
      const message = `${path} cannot be read: ${raw.problem}`;
      this.#addAt(path, { code: 'PN1001', message, line: 1, column: 1 });
      const tree = emptyTable(path);
      return { path, role, text: null, parsedText: '', tree, isDamaged: true };
    }
    const text = raw.startsWith('\ufeff') ? raw.slice(1) : raw; // A byte order mark is no TOML.
    const document = this.#memory.read(path, text);
    for (const problem of document.problems) this.#addAt(path, { code: 'PN1002', ...problem });
    const tree = text.includes('${') ? this.#interpolate(document.tree, path) : document.tree;
    const isDamaged = document.problems.length > 0;
    return { path, role, text, parsedText: document.text, tree, isDamaged };
  }

  #interpolate(tree: LocatedTable, path: string): LocatedTable {
    return interpolate(tree, {
      source: this.#source,
      folder: folderOf(path),
      report: (draft) => this.drafts.push(draft),
      onFile: (file) => this.inputs.add(file),
    }) as LocatedTable;
  }

  /** Paths of the files that `main` includes. What is no text is left to the schema. */
  expandIncludes(main: ConfigFile): string[] {
    const include = main.tree.entries.get('include');
    if (include?.kind !== 'array') return [];
    return include.items.flatMap((item) => this.#expand(item, main.path));
  }

  #expand(item: Located, mainPath: string): string[] {
    if (item.kind !== 'string' || item.isBroken || item.text === '') return [];
    const paths = this.#source.glob(item.text, folderOf(mainPath));
    if (!Array.isArray(paths)) {
      this.drafts.push({
        severity: 'error',
        code: 'PN1001',
        message: `the included files cannot be listed: ${paths.problem}`,
        spot: item.spot,
        part: 'value',
        found: JSON.stringify(item.written),
      });
      return [];
    }
    if (paths.length === 0) {
      const isPattern = /[*?[{]/.test(item.text);
      this.drafts.push({
        severity: isPattern ? 'warning' : 'error',
        code: isPattern ? 'PN1003' : 'PN1001',
        message: isPattern ? 'no file matches' : 'the included file cannot be read',
        spot: item.spot,
        part: 'value',
        found: JSON.stringify(item.written),
      });
    }
    return paths;
  }

  #addAt(
    file: string,
    problem: { code: 'PN1001' | 'PN1002'; message: string; line: number; column: number },
  ): void {
    const { code, message, line, column } = problem;
    const spot = { file, path: [] };
    this.drafts.push({ severity: 'error', code, message, spot, part: 'key', at: { line, column } });
  }
}
