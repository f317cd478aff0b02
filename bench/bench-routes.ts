/**
 * The routes of workload g, in one place so that peers and load generator agree: ten paths on
 * each host, all leading to the same service.
 */

const PATHS_PER_HOST = 10;

/** A host and a path prefix without its trailing slash. */
export interface BenchRoute {
  readonly host: string;
  readonly prefix: string;
}

/** Route number `index`. */
export function benchRoute(index: number): BenchRoute {
  const host = Math.floor(index / PATHS_PER_HOST);
  return { host: `site-${host}.bench.test`, prefix: `/part-${index % PATHS_PER_HOST}` };
}

/** The first `count` routes. */
export function benchRoutes(count: number): BenchRoute[] {
  return Array.from({ length: count }, (_, index) => benchRoute(index));
}

/** `count` routes spread evenly over `routeCount`, the first and the last among them. */
export function sampleRoutes(routeCount: number, count: number): BenchRoute[] {
  const picks = Math.min(count, routeCount);
  const step = picks > 1 ? (routeCount - 1) / (picks - 1) : 0;
  return Array.from({ length: picks }, (_, i) => benchRoute(Math.round(i * step)));
}
