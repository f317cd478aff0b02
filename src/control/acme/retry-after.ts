/**
 * Fields of responses that ACME builds on: Retry-After (RFC 9110 §10.2.3) and Link (RFC 8288).
 */

/** Longest time that is believed: a week, as the longest rate limits last. */
const RETRY_AFTER_MAX_MS = 7 * 86_400_000;

/**
 * @param value  field value, or undefined when there is none
 * @returns when to ask again in Unix milliseconds, at most a week from now; 0: not said, or not
 *          understood
 */
export function retryAtMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return 0;
  const text = value.trim();
  if (/^\d{1,10}$/.test(text)) {
    return nowMs + Math.min(Number(text) * 1_000, RETRY_AFTER_MAX_MS);
  }
  if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text)) return 0;
  const date = Date.parse(text);
  if (Number.isNaN(date)) return 0;
  return Math.min(Math.max(date, nowMs), nowMs + RETRY_AFTER_MAX_MS);
}

/** URLs with the relation `relation`, absolute, in order; at most eight. */
export function linksOf(value: string | undefined, relation: string, base: string): string[] {
  const urls: string[] = [];
  for (const [, target = '', rest = ''] of (value ?? '').matchAll(/<([^<>]*)>([^<]*)/g)) {
    const relations = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(rest);
    const words = (relations?.[1] ?? relations?.[2] ?? '').toLowerCase().split(/\s+/);
    if (!words.includes(relation) || !URL.canParse(target, base)) continue;
    urls.push(new URL(target, base).href);
    if (urls.length === 8) break;
  }
  return urls;
}
