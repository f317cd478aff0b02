/**
 * Connection counts: how many client connections this worker has, overall and per client address,
 * against limits. Counted at accept, so nothing of it is on the request path.
 */

import { Fault } from '../../contract/fault.ts';

export class ConnectionCounts {
  total = 0;
  private readonly byAddress = new Map<string, number>();

  /** @returns why one more connection from `address` is refused, or `Fault.none` */
  check(address: string, totalMax: number, perAddressMax: number): Fault {
    if (this.total >= totalMax) return Fault.connectionLimit;
    if (address === '') return Fault.none; // A unix peer has no address of its own.
    const count = this.byAddress.get(address) ?? 0;
    return count >= perAddressMax ? Fault.addressConnectionLimit : Fault.none;
  }

  add(address: string): void {
    this.total++;
    if (address !== '') this.byAddress.set(address, (this.byAddress.get(address) ?? 0) + 1);
  }

  remove(address: string): void {
    this.total--;
    const count = this.byAddress.get(address);
    if (count === undefined) return;
    if (count > 1) this.byAddress.set(address, count - 1);
    else this.byAddress.delete(address);
  }
}
