/**
 * Connection counts: how many client connections this worker has, overall and per client address,
 * against limits. Counted at accept, so nothing of it is on the request path.
 *
 * An IPv6 client is its /64: a host or home gets at least that much (RFC 6177 §2, RFC 7934), and
 * would otherwise have more addresses than there are connections.
 */

import { Fault } from '../../contract/fault.ts';

/** Connections that come between two looks at memory: some hundred KB. */
const BURST_COUNT = 32;
/** Most of a worker's connections that one client may have by uneven luck. */
const OTHERS_SHARE = 7 / 8;

export class ConnectionCounts {
  total = 0;
  /** Connections that `check` refused. */
  refusedCount = 0;
  private burstCount = 0;
  private readonly byAddress = new Map<string, number>();

  /** @returns why one more connection from `address` is refused, or `Fault.none` */
  check(address: string, totalMax: number, perAddressMax: number): Fault {
    const fault = this.reached(address, totalMax, perAddressMax);
    if (fault !== Fault.none) this.refusedCount++;
    return fault;
  }

  private reached(address: string, totalMax: number, perAddressMax: number): Fault {
    if (this.total >= totalMax) return Fault.connectionLimit;
    if (address === '') return Fault.none; // A unix peer has no address of its own.
    const count = this.byAddress.get(clientOf(address)) ?? 0;
    return count >= perAddressMax ? Fault.addressConnectionLimit : Fault.none;
  }

  /** Called for each connection that comes. @returns true once in `BURST_COUNT` times */
  countsBurst(): boolean {
    this.burstCount = (this.burstCount + 1) % BURST_COUNT;
    return this.burstCount === 0;
  }

  add(address: string): void {
    this.total++;
    if (address === '') return;
    const client = clientOf(address);
    this.byAddress.set(client, (this.byAddress.get(client) ?? 0) + 1);
  }

  remove(address: string): void {
    this.total--;
    const client = clientOf(address);
    const count = this.byAddress.get(client);
    if (count === undefined) return;
    if (count > 1) this.byAddress.set(client, count - 1);
    else this.byAddress.delete(client);
  }
}

/**
 * What one client may have in one of `workerCount` workers, of a limit for the whole process. The
 * kernel deals connections out by chance, so an even share would refuse clients far below the
 * limit; three standard deviations more make that rare. Some room stays for others all the same,
 * unless the limit is that of all connections, which is none.
 * @param totalMax what this worker may have overall
 */
export function addressShareOf(limit: number, workerCount: number, totalMax: number): number {
  if (workerCount === 1 || limit >= totalMax * workerCount) return limit;
  const even = limit / workerCount;
  const most = Math.max(even, totalMax * OTHERS_SHARE);
  return Math.ceil(Math.min(limit, even + 3 * Math.sqrt(even), most));
}

/**
 * The network a limit counts for: an IPv4 address, or the first half of an IPv6 one.
 * @param address as the kernel writes it (RFC 5952), perhaps with a zone
 */
export function clientOf(address: string): string {
  if (!address.includes(':')) return address;
  const gap = address.indexOf('::');
  const head = gap < 0 ? address : address.slice(0, gap);
  const groups = head === '' ? [] : head.split(':');
  if (gap >= 0) {
    // What `::` stands for is zeros up to where the groups behind it begin.
    const behind = address.slice(gap + 2).split('%')[0]!;
    const behindCount = behind === '' ? 0 : behind.split(':').length;
    const behindGroups = behind === '' ? [] : behind.split(':');
    while (groups.length + behindCount < 8) groups.push('0');
    groups.push(...behindGroups);
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
