/**
 * Writes one test file's failures and counts as JSON lines, for `scripts/test.ts` to read.
 * Used through `node --test-reporter`.
 */

import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** One line of the output. */
export type TestRecord =
  | {
      readonly type: 'failure';
      readonly line: number;
      readonly name: string;
      readonly text: string;
    }
  | { readonly type: 'count'; readonly key: string; readonly value: number };

function failure(data: EventData.TestFail): TestRecord | null {
  const error = data.details.error;
  // A suite fails because of a test inside, which was written already.
  if ((error as { failureType?: string }).failureType === 'subtestsFailed') return null;
  const cause = error.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
  const isTodo = data.todo !== undefined && data.todo !== false;
  const name = isTodo ? `${data.name} (todo)` : data.name;
  return { type: 'failure', line: data.line ?? 0, name, text };
}

/** `tests 12` and the like, which node says at the end. */
function count(message: string): TestRecord | null {
  const [, key, value] = /^(\w+) ([\d.]+)$/.exec(message) ?? [];
  return key === undefined ? null : { type: 'count', key, value: Number(value) };
}

/** Turns the events of one file into lines. */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    let record: TestRecord | null = null;
    if (event.type === 'test:fail') record = failure(event.data);
    else if (event.type === 'test:diagnostic' && event.data.nesting === 0) {
      record = count(event.data.message);
    }
    if (record !== null) yield `${JSON.stringify(record)}\n`;
  }
}
