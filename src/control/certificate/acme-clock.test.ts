import assert from 'node:assert/strict';
import { test } from 'node:test';

import { acmeClock } from './acme-clock.ts';

test('acme clock: waits, unless it is aborted', async () => {
  const clock = acmeClock(() => 7);
  assert.equal(clock.nowMs(), 7);
  await clock.wait(1, new AbortController().signal);
  const abort = new AbortController();
  const waiting = clock.wait(3_600_000, abort.signal);
  abort.abort(new Error('the process ends'));
  await assert.rejects(waiting, /the process ends/);
  await assert.rejects(clock.wait(1, abort.signal), /the process ends/);
});
