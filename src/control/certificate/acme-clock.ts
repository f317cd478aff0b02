/** The clock of ACME clients over the timers of the process. */

import type { AcmeClock } from '../acme/acme-http.ts';

/** @param wallMs Unix milliseconds now */
export function acmeClock(wallMs: () => number): AcmeClock {
  return { nowMs: wallMs, wait };
}

function wait(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, durationMs);
    signal.addEventListener('abort', abort, { once: true });
  });
}
