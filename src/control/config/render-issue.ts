/**
 * Issues for people: a code frame in the manner of rustc, and a summary line.
 */

import type { Issue } from './issue.ts';

const LINE_SIZE_MAX = 160;

/**
 * One issue with its source line, carets under what is wrong, and what would be right:
 *
 * ```text
 * error[PN1101]: unknown key `adress`
 *   --> proxy-now.toml:2:1 (listeners.web.adress)
 *    |
 *  2 | adress = ":8080"
 *    | ^^^^^^
 *    = help: did you mean `address`?
 * ```
 * @param sourceText whole text of the issue's file; null when it could not be read
 */
export function renderIssue(issue: Issue, sourceText: string | null): string {
  const place = `${issue.file}:${issue.line}:${issue.column}`;
  const number = String(issue.line);
  const gutter = ' '.repeat(number.length);
  const lines = [`${issue.severity}[${issue.code}]: ${issue.message}`];
  lines.push(`${gutter}--> ${place}${issue.path === '' ? '' : ` (${issue.path})`}`);
  const shownText = issue.isSecret === true ? undefined : sourceText;
  const source = shownText?.split('\n')[issue.line - 1]?.replace(/\r$/, '');
  if (source !== undefined) {
    const [shown, caret] = frame(source, issue);
    lines.push(`${gutter} |`, `${number} | ${shown}`.trimEnd(), `${gutter} | ${caret}`);
  }
  if (issue.expected !== undefined) lines.push(`${gutter} = expected: ${issue.expected}`);
  if (issue.found !== undefined) lines.push(`${gutter} = found: ${issue.found}`);
  if (issue.hint !== undefined) lines.push(`${gutter} = help: ${issue.hint}`);
  if (issue.related !== undefined) {
    const { text, file, line, column } = issue.related;
    lines.push(`${gutter} = note: ${text} ${file}:${line}:${column}`);
  }
  return lines.map(withoutControls).join('\n');
}

/**
 * All issues, then a summary such as `2 errors, 1 warning`.
 * @param textOf text of a file by name; null when it could not be read
 * @returns the empty string when there is none
 */
export function formatIssues(
  issues: readonly Issue[],
  textOf: (file: string) => string | null,
): string {
  if (issues.length === 0) return '';
  const blocks = issues.map((issue) => renderIssue(issue, textOf(issue.file)));
  return `${blocks.join('\n\n')}\n\n${summarizeIssues(issues)}\n`;
}

/** `2 errors, 1 warning`; only what there is; `no issues` for none. */
export function summarizeIssues(issues: readonly Issue[]): string {
  const errors = issues.filter((issue) => issue.severity === 'error').length;
  const warnings = issues.length - errors;
  const parts: string[] = [];
  if (errors > 0) parts.push(`${errors} ${errors === 1 ? 'error' : 'errors'}`);
  if (warnings > 0) parts.push(`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`);
  return parts.length === 0 ? 'no issues' : parts.join(', ');
}

/** The source line and its carets, cut to a window around the issue when the line is long. */
function frame(source: string, issue: Issue): [shown: string, caret: string] {
  const start = issue.column - 1;
  const from = start > LINE_SIZE_MAX - 40 ? start - 40 : 0;
  const shown = source.slice(from, from + LINE_SIZE_MAX);
  const size = Math.max(1, Math.min(issue.endColumn - issue.column, shown.length - start + from));
  // Tabs stay tabs under tabs, so that carets line up.
  const indent = source.slice(from, start).replace(/[^\t]/g, ' ');
  return [shown, indent + '^'.repeat(size)];
}

/** What a file contains must not be able to command the terminal that shows it. */
function withoutControls(line: string): string {
  return line.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '\ufffd');
}
