/**
 * Renewal plan: when a certificate is to be renewed.
 *
 * R1  one instant is chosen at random in a window, once per window: thousands of certificates of
 *     one age are not renewed at one time, and a restart does not choose again.
 * R2  the authority's window (RFC 9773) comes before ours, earlier or later.
 * R3  whatever the window says, renewal begins when a sixth of the life or a day is left, whichever
 *     is more; with less than three days of life, when a third is left.
 * R4  without a window of the authority: at a third of the life left, and at half of it for lives
 *     of less than ten days, each a little earlier by chance.
 */

import type { RenewalWindow } from './issuer.ts';
import type { CertificateRenewal } from './certificate-row.ts';

const DAY_MS = 86_400_000;
/** Lives below this are renewed at half. */
const SHORT_LIFE_MS = 10 * DAY_MS;
/** Our own windows, as shares of the life that is over. */
const LONG_WINDOW = [0.6, 0.667] as const;
const SHORT_WINDOW = [0.42, 0.5] as const;

/** A renewal with the instant that was chosen in its window. Plain data. */
export interface RenewalPlan extends CertificateRenewal {
  /** Unix milliseconds. */
  readonly chosenMs: number;
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** R3: the last moment that a window may choose, Unix milliseconds. */
export function latestRenewal({ notBeforeMs, notAfterMs }: Validity): number {
  const lifeMs = Math.max(0, notAfterMs - notBeforeMs);
  return notAfterMs - Math.min(lifeMs / 3, Math.max(lifeMs / 6, DAY_MS));
}

/** True when a certificate may be renewed by that window: malformed ones are none. */
export function isUsableWindow({ startMs, endMs }: RenewalWindow): boolean {
  return Number.isFinite(startMs) && Number.isFinite(endMs) && endMs > startMs;
}

/**
 * R1 and R2.
 * @param window   what the authority says now; null: nothing
 * @param planned  what was planned before; null: nothing
 * @param random   uniform in [0, 1)
 * @returns `planned` itself while the window is the same
 */
export function planRenewal(
  validity: Validity,
  window: RenewalWindow | null,
  planned: RenewalPlan | null,
  random: () => number,
): RenewalPlan {
  const next = window !== null && isUsableWindow(window) ? byAuthority(window) : byLife(validity);
  const isSame =
    planned !== null &&
    planned.by === next.by &&
    planned.startMs === next.startMs &&
    planned.endMs === next.endMs;
  if (isSame) return planned;
  const chosenMs = Math.floor(next.startMs + random() * (next.endMs - next.startMs));
  return { ...next, chosenMs };
}

/** When it is renewed by that plan: R3. Unix milliseconds. */
export function renewalDue(validity: Validity, plan: RenewalPlan): number {
  return Math.min(plan.chosenMs, latestRenewal(validity));
}

/** True when the window is another one, not only the first that is heard of. */
export function isMoved(before: RenewalPlan, after: RenewalPlan): boolean {
  if (before.by !== 'authority') return after.chosenMs < before.startMs;
  return before.startMs !== after.startMs || before.endMs !== after.endMs;
}

/** True for what a store may hold as a plan. */
export function isRenewalPlan(value: unknown): value is RenewalPlan {
  if (typeof value !== 'object' || value === null) return false;
  const { startMs, endMs, chosenMs, by, explanationUrl } = value as Partial<RenewalPlan>;
  if (![startMs, endMs, chosenMs].every(Number.isFinite)) return false;
  if (by !== 'authority' && by !== 'lifetime') return false;
  return typeof explanationUrl === 'string' && chosenMs! >= startMs! && chosenMs! <= endMs!;
}

function byAuthority({ startMs, endMs, explanationUrl }: RenewalWindow): CertificateRenewal {
  return { startMs, endMs, by: 'authority', explanationUrl };
}

/** R4. */
function byLife({ notBeforeMs, notAfterMs }: Validity): CertificateRenewal {
  const lifeMs = Math.max(0, notAfterMs - notBeforeMs);
  const [from, to] = lifeMs < SHORT_LIFE_MS ? SHORT_WINDOW : LONG_WINDOW;
  const startMs = Math.floor(notBeforeMs + lifeMs * from);
  return {
    startMs,
    endMs: Math.max(startMs + 1, Math.floor(notBeforeMs + lifeMs * to)),
    by: 'lifetime',
    explanationUrl: '',
  };
}
