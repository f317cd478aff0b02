/** Reads single values from a Prometheus text page. */

import { fetchFrom } from './http-origin.ts';

/** Sum over all label sets of `name` in `text`; null when the metric is absent. */
export function metricSum(text: string, name: string): number | null {
  let sum: number | null = null;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const next = line[name.length];
    if (next !== ' ' && next !== '{') continue;
    sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}

/** The metrics page of an admin listener. @throws when it does not answer 200 */
export async function readMetrics(adminPort: number): Promise<string> {
  const { status, body } = await fetchFrom(adminPort, '/metrics');
  if (status !== 200) throw new Error(`/metrics answered ${status}`);
  return body.toString();
}
