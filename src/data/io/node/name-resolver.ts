/**
 * Names to addresses without blocking anything: numeric, `localhost`, the hosts file, DNS by
 * c-ares, and only where DNS does not know the name, the system's resolver.
 *
 * `getaddrinfo` runs on the few threads of libuv's pool, two at a time: two names of a dead DNS
 * server would stop every other name, and file reads wait in the same pool. c-ares is sockets on
 * the event loop, so a slow name delays nobody. What c-ares lacks (search domains, mDNS, NSS) is
 * asked of `getaddrinfo` after c-ares has said that the name does not exist, so never while DNS is
 * down. Equal questions on the way are asked once.
 */

import dns from 'node:dns';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

import { parseHosts } from './hosts-file.ts';

/** Per try; c-ares doubles it for the second one. */
const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;
/** The hosts file is read again after this long. */
const HOSTS_AGE_MS = 5_000;
/** Questions on the way, for different names; further ones fail. */
const QUESTIONS_MAX = 1_024;
const ADDRESSES_MAX = 256;

/** DNS is certain that there is no such name, or no address of it. */
const NOT_FOUND: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

type Done = (addresses: readonly string[]) => void;

export interface NameResolverOptions {
  readonly nowMs: () => number;
  readonly hostsPath?: string;
  /** DNS servers instead of the system's, as `address:port`. */
  readonly servers?: readonly string[];
}

export class NameResolver {
  readonly #nowMs: () => number;
  readonly #hostsPath: string;
  readonly #dns = new dns.promises.Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  readonly #waiting = new Map<string, Done[]>();
  #hosts: Promise<Map<string, string[]>> | null = null;
  #hostsReadAtMs = 0;

  constructor(options: NameResolverOptions) {
    this.#nowMs = options.nowMs;
    this.#hostsPath = options.hostsPath ?? '/etc/hosts';
    if (options.servers !== undefined) this.#dns.setServers(options.servers);
  }

  /**
   * @param done called later, once: IPv4 addresses first, at most 256; empty when the name has
   *             none, DNS does not answer, or too many names are being asked for
   */
  resolve(host: string, done: Done): void {
    const name = host.toLowerCase();
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    if (this.#waiting.size >= QUESTIONS_MAX) {
      process.nextTick(done, []);
      return;
    }
    this.#waiting.set(name, [done]);
    void this.#answer(name).then(
      (addresses) => this.#finish(name, addresses.slice(0, ADDRESSES_MAX)),
      () => this.#finish(name, []),
    );
  }

  /** Gives up what is on the way: those who wait get no addresses. */
  close(): void {
    this.#dns.cancel();
  }

  #finish(name: string, addresses: readonly string[]): void {
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    // Outside of the promise, so that what `done` throws is not taken for a failed look-up.
    for (const done of waiting) process.nextTick(done, addresses);
  }

  async #answer(name: string): Promise<readonly string[]> {
    if (isIP(name) !== 0) return [name];
    const hosts = await this.#readHosts();
    const listed = hosts.get(name);
    if (listed !== undefined) return listed;
    if (name === 'localhost' || name.endsWith('.localhost')) return ['127.0.0.1', '::1'];
    const [four, six] = await Promise.allSettled([
      this.#dns.resolve4(name),
      this.#dns.resolve6(name),
    ]);
    const addresses = [
      ...(four.status === 'fulfilled' ? four.value : []),
      ...(six.status === 'fulfilled' ? six.value : []),
    ];
    if (addresses.length > 0) return addresses;
    if (!isNotFound(four) || !isNotFound(six)) return [];
    const found = await dns.promises.lookup(name, { all: true, order: 'ipv4first' });
    return found.map((entry) => entry.address);
  }

  async #readHosts(): Promise<Map<string, string[]>> {
    const nowMs = this.#nowMs();
    if (this.#hosts === null || nowMs - this.#hostsReadAtMs > HOSTS_AGE_MS) {
      this.#hostsReadAtMs = nowMs;
      const before = this.#hosts;
      this.#hosts = readFile(this.#hostsPath, 'utf8').then(parseHosts, (error: unknown) => {
        // No file is an empty one; out of descriptors, what was read last is still true.
        const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
        return isGone || before === null ? new Map<string, string[]>() : before;
      });
    }
    return this.#hosts;
  }
}

function isNotFound(result: PromiseSettledResult<string[]>): boolean {
  if (result.status === 'fulfilled') return true;
  const reason: unknown = result.reason;
  return reason instanceof Error && 'code' in reason && NOT_FOUND.has(reason.code);
}
