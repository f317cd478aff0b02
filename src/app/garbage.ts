/**
 * Garbage on demand: V8 collects when a program allocates, so a worker that refuses everything
 * because memory is short would keep its garbage, and stay short. Node has no call for it; the
 * function V8 offers for tests is taken from a context made for it.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

let collect: Collect | null = null;

/** Collects all garbage of this thread and gives free pages back; some 10 ms. Never throws. */
export function collectGarbage(): void {
  try {
    if (collect === null) {
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('gc') as Collect;
      setFlagsFromString('--no-expose-gc');
    }
    collect({ type: 'major', flavor: 'last-resort' });
  } catch {
    // A runtime without it collects when it sees fit.
  }
}
