/**
 * Checks over the import graph: cycles among modules that load each other, and dead files.
 */

import { resolvePath } from './layers.ts';
import type { Problem, SourceFile } from './source-file.ts';

/** One problem per import cycle. Types are erased and `import()` is late: neither makes one. */
export function checkCycles(files: readonly SourceFile[]): Problem[] {
  const problems: Problem[] = [];
  const byPath = new Map(files.map((file) => [file.path, file]));
  const state = new Map<string, 'open' | 'done'>();
  const trail: string[] = [];
  const visit = (file: SourceFile): void => {
    state.set(file.path, 'open');
    trail.push(file.path);
    for (const item of file.imports) {
      if (item.kind !== 'value' || !item.specifier.startsWith('.')) continue;
      const next = byPath.get(resolvePath(file.path, item.specifier));
      if (next === undefined || state.get(next.path) === 'done') continue;
      if (state.get(next.path) === 'open') {
        const cycle = [...trail.slice(trail.indexOf(next.path)), next.path].join(' -> ');
        problems.push({ path: file.path, line: item.line, message: `import cycle: ${cycle}` });
      } else visit(next);
    }
    trail.pop();
    state.set(file.path, 'done');
  };
  for (const file of files) if (!state.has(file.path)) visit(file);
  return problems;
}

/**
 * Source files that no entry reaches. Entries are those listed, every file outside `src`, and
 * every test; but a file that only its own test imports is dead all the same.
 */
export function checkDeadFiles(
  files: readonly SourceFile[],
  entries: readonly string[],
): Problem[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const isRoot = (file: SourceFile): boolean =>
    !file.path.startsWith('src/') || file.path.endsWith('.test.ts') || entries.includes(file.path);
  const queue = files.filter(isRoot);
  const reached = new Set(queue);
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    const subject = file.path.replace(/\.test\.ts$/, '.ts');
    for (const item of file.imports) {
      const path = resolvePath(file.path, item.specifier);
      const next = byPath.get(path);
      if (next === undefined || path === subject || reached.has(next)) continue;
      reached.add(next);
      queue.push(next);
    }
  }
  const problems: Problem[] = [];
  for (const file of files) {
    if (reached.has(file)) continue;
    problems.push({ path: file.path, line: 1, message: 'dead file: no entry imports it' });
  }
  for (const path of entries) {
    if (!byPath.has(path)) {
      problems.push({ path: 'layers.json', line: 1, message: `entries: no file ${path}` });
    }
  }
  return problems;
}
