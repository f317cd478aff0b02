/**
 * Waiting in black-box tests: always for a condition, always with a ceiling.
 *
 * Nothing here is a plain sleep: a wait ends as soon as what it waits for is true, and an
 * expired ceiling is an error that says what was missing.
 */

/** Resolves after `ms`; only for polling intervals and for proving that nothing more arrives. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Polls until `condition` is true.
 * @throws Error naming `what` when `timeoutMs` passes first
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 5_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await delay(5);
  }
}

/** Same as `until`, but answers false instead of throwing. */
export async function holdsWithin(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  try {
    await until(condition, 'condition', timeoutMs);
    return true;
  } catch {
    return false;
  }
}

/**
 * The value of `promise`, or an error naming `what` after `timeoutMs`.
 * The promise itself is not cancelled.
 */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs = 5_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms for: ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
