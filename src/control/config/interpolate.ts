/**
 * `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` inside strings; `$${` is a plain `${`.
 *
 * What comes out is never looked at again: a variable that contains `${...}` stays as it is.
 */

import type { ConfigSource } from './config-source.ts';
import { joinPath } from './config-source.ts';
import type { Report } from './issue.ts';
import type { Located, LocatedString } from './located.ts';
import type { Parsed } from './parsed.ts';
import { bad, good, reportProblem } from './parsed.ts';

const EXPRESSION = /\$?\$\{([^}]*)(\}?)/g;
const ENV = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

/** What interpolation may look at. Paths of files are relative to `folder`. */
export interface InterpolateOptions {
  readonly source: ConfigSource;
  readonly folder: string;
  readonly report: Report;
  /** Called with every file asked for, so that a watcher can watch it. */
  readonly onFile: (path: string) => void;
}

/**
 * The tree with every string interpolated. Keys are left alone. Reports what is missing. What has
 * nothing to interpolate is the same object as before.
 */
export function interpolate(value: Located, options: InterpolateOptions): Located {
  switch (value.kind) {
    case 'string':
      return value.text.includes('${') ? interpolateString(value, options) : value;
    case 'array': {
      const items = value.items.map((item) => interpolate(item, options));
      return items.every((item, index) => item === value.items[index])
        ? value
        : { ...value, items };
    }
    case 'table': {
      let entries: Map<string, Located> | null = null;
      for (const [key, child] of value.entries) {
        const now = interpolate(child, options);
        if (now === child) continue;
        entries ??= new Map(value.entries);
        entries.set(key, now);
      }
      return entries === null ? value : { ...value, entries };
    }
    default:
      return value;
  }
}

function interpolateString(value: LocatedString, options: InterpolateOptions): Located {
  const { written } = value;
  let hasProblem = false;
  const text = written.replace(EXPRESSION, (...match: unknown[]) => {
    const [whole, body, close, start] = match as [string, string, string, number];
    if (whole.startsWith('$$')) return whole.slice(1);
    const parsed = close === '' ? unclosed() : evaluate(body, options);
    if (parsed.ok) return parsed.value;
    hasProblem = true;
    const within = { start, end: start + whole.length };
    const rest = { severity: 'error', found: whole } as const;
    reportProblem(options.report, { ...parsed.problem, within }, value.spot, rest);
    return '';
  });
  return { ...value, text, isInterpolated: true, isBroken: hasProblem };
}

function evaluate(body: string, options: InterpolateOptions): Parsed<string> {
  const env = ENV.exec(body);
  if (env !== null) {
    const name = env[1] ?? '';
    const value = options.source.env(name);
    // As in a shell, `:-` also stands in for a variable that is set but empty.
    const fallback = env[2];
    if (fallback !== undefined && (value === undefined || value === '')) return good(fallback);
    if (value !== undefined) return good(value);
    return bad('PN1006', `environment variable ${name} is not set`, {
      hint: `set it, or give a default: \${env:${name}:-...}`,
    });
  }
  if (body.startsWith('file:') && body.length > 5) {
    const path = joinPath(options.folder, body.slice(5));
    options.onFile(path);
    const content = options.source.readFile(path);
    if (typeof content !== 'string') {
      return bad('PN1007', `${path} cannot be read: ${content.problem}`);
    }
    return good(content.replace(/\r?\n$/, '')); // Editors end files with a newline.
  }
  return bad('PN1008', 'not an expression', {
    expected: '${env:NAME}, ${env:NAME:-default} or ${file:/path}',
    hint: 'write $${ for a plain ${',
  });
}

function unclosed(): Parsed<string> {
  return bad('PN1008', 'the expression is not closed', { expected: '}' });
}
