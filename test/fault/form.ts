/** The short form runs in CI; the full one (`--full`, or FULL=1) takes its time. */

export const IS_FULL = process.env['FULL'] === '1';

/** One value for each form. */
export function inForm<T>(short: T, full: T): T {
  return IS_FULL ? full : short;
}
