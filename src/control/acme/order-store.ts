/**
 * Where orders under way are kept, so that a process that is killed goes on with the same order.
 *
 * Only who holds the lock for the names of an order works on it; that lock is the caller's.
 */

import type { OrderState } from './order-state.ts';

export interface OrderStore {
  /**
   * @param issuerKey as Issuer.key
   * @param id        of `orderId`: safe as a file name
   * @returns null when there is none, or what is there is not an order
   */
  load(issuerKey: string, id: string): Promise<OrderState | null>;
  /** Whole or not at all, and on disk when it resolves. Holds a private key: mode 0600. */
  save(issuerKey: string, id: string, state: OrderState): Promise<void>;
  /** Harmless when there is none. */
  remove(issuerKey: string, id: string): Promise<void>;
}
