/**
 * Issues by example: a line or two that are wrong in one way only, and where the issue is.
 */

import test from 'node:test';
import assert from 'node:assert/strict';
import type { IssueCode } from './issue.ts';
import { loadConfig } from './load-config.ts';
import type { LoadOptions } from './load-config.ts';
import { memorySource } from './memory-source.ts';

/** A valid file: cases add to it, so that each issue stands alone. */
const BASE = `
listeners.web.address = ":8080"
routes.r.service = "s"
services.s.endpoints = ["http://a"]
`.trim();
/** Lines of BASE: line 4 is the first line of a case. */
const FIRST = 4;

export interface Case {
  readonly code: IssueCode;
  readonly text: string;
  /** Line counted from the first line of `text`, as 1. */
  readonly at: readonly [line: number, column: number, endColumn: number];
  readonly path?: string;
  readonly hint?: RegExp;
}

/** Codes that only configurations with TLS can have. */
export function isTlsCode(code: string): boolean {
  return /^PN(?:121\d|1319|132\d|15\d\d)$/.test(code);
}

/** @param files others than the main one, by path */
export function describeCases(
  cases: readonly Case[],
  files: { readonly [path: string]: string },
  options: LoadOptions,
): void {
  for (const { code, text, at, path, hint } of cases) {
    test(`issue: ${code} and no other for ${JSON.stringify(text.slice(-70))}`, async () => {
      const source = memorySource({ ...files, 'm.toml': `${BASE}\n${text}\n` });
      const { config, issues } = await loadConfig('m.toml', source, options);
      assert.deepEqual(
        issues.map((issue) => issue.code),
        [code],
        JSON.stringify(issues, null, 1),
      );
      const [issue] = issues;
      assert.ok(issue !== undefined);
      const line = issue.file === 'm.toml' ? issue.line - FIRST + 1 : issue.line;
      assert.deepEqual([line, issue.column, issue.endColumn], at);
      if (path !== undefined) assert.equal(issue.path, path);
      if (hint !== undefined) assert.match(issue.hint ?? '', hint);
      const isMainBad = issue.severity === 'error' && issue.file === 'm.toml';
      assert.equal(config === null, isMainBad);
    });
  }
}
