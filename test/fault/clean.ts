/** Assertions on what a load client saw. */

import assert from 'node:assert/strict';
import type { PhaseSummary } from '../support/load/tally.ts';

/** No request failed, and no idle connection was reset. */
export function assertClean(phase: PhaseSummary, kinds: readonly string[] = ['new', 'kept']): void {
  const seen = { failed: phase.failed, idleReset: phase.idleReset, samples: phase.samples };
  assert.deepEqual(seen, { failed: 0, idleReset: 0, samples: [] }, phase.name);
  for (const kind of kinds) assert.ok((phase.done[kind] ?? 0) > 0, `${phase.name}: no ${kind}`);
}

/** Failures of `phase` whose `kind outcome` does not match. */
export function failuresBut(phase: PhaseSummary, allowed: RegExp): Record<string, number> {
  return Object.fromEntries(Object.entries(phase.failures).filter(([key]) => !allowed.test(key)));
}
