/** Results of several contenders side by side, as a plain text table. */

export interface Row {
  readonly title: string;
  readonly cells: readonly string[];
}

/** One column per contender, one row per figure. */
export function renderTable(names: readonly string[], rows: readonly Row[]): string {
  const lines = [{ title: '', cells: names }, ...rows];
  const first = Math.max(...lines.map(({ title }) => title.length));
  const widths = names.map((_name, i) =>
    Math.max(...lines.map(({ cells }) => (cells[i] ?? '').length)),
  );
  return lines
    .map(({ title, cells }) => {
      const rest = widths.map((width, i) => (cells[i] ?? '').padStart(width));
      return [title.padEnd(first), ...rest].join('  ').trimEnd();
    })
    .join('\n');
}

export function milliseconds(value: number): string {
  return value < 0 ? 'never' : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export function megabytes(size: number): string {
  return `${(size / 1_048_576).toFixed(0)} MB`;
}

export function percent(part: number): string {
  return `${(part * 100).toFixed(0)} %`;
}
