/**
 * What `npm test` prints: one line for each test file, every failure in full, and as the last
 * lines node's own summary. Used through `node --test --test-reporter`.
 */

import { relative } from 'node:path';
import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

const OUTPUT_SIZE_MAX = 64 * 1024;

/** Output of one test file, kept until the file is known to have failed. */
const outputs = new Map<string, string>();

function nameOf(file: string | undefined): string {
  return file === undefined ? '?' : relative(process.cwd(), file);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}

function failureText(data: EventData.TestFail): string {
  const error = data.details.error;
  // A suite or a file fails because of a test inside, which was printed already.
  if ((error as { failureType?: string }).failureType === 'subtestsFailed') return '';
  const cause = error.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
  const isTodo = data.todo !== undefined && data.todo !== false;
  const title = `${nameOf(data.file)}:${data.line ?? 0} ${data.name}${isTodo ? ' (todo)' : ''}`;
  return `✖ ${title}\n${indent(text)}\n`;
}

function fileText(data: EventData.TestSummary, file: string, progress: string): string {
  const { passed, tests, skipped } = data.counts;
  const skips = skipped > 0 ? `, ${skipped} skipped` : '';
  const counts = `${passed}/${tests}${skips}, ${(data.duration_ms / 1000).toFixed(1)} s`;
  const line = `${data.success ? '✔' : '✖'} [${progress}] ${nameOf(file)} (${counts})\n`;
  const output = outputs.get(file);
  outputs.delete(file);
  return data.success || output === undefined ? line : `${line}${indent(output.trimEnd())}\n`;
}

/** Turns the events of one run into text. */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const total = process.env.TEST_FILE_COUNT ?? '?';
  const summary: string[] = [];
  let done = 0;
  for await (const event of source) {
    if (event.type === 'test:fail') yield failureText(event.data);
    else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      const text = (outputs.get(event.data.file) ?? '') + event.data.message;
      outputs.set(event.data.file, text.slice(-OUTPUT_SIZE_MAX));
    } else if (event.type === 'test:summary' && event.data.file !== undefined) {
      yield fileText(event.data, event.data.file, `${++done}/${total}`);
    } else if (event.type === 'test:diagnostic' && event.data.nesting === 0) {
      if (
        /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(event.data.message)
      ) {
        summary.push(`ℹ ${event.data.message}\n`);
      }
    }
  }
  for (const text of outputs.values()) yield `${indent(text.trimEnd())}\n`;
  yield summary.join('');
}
