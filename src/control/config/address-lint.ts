/**
 * Addresses: no two listeners want the same one, and the admin listener stays in the house.
 */

import type { AdminConfig, ListenerConfig } from './config.ts';
import type { Report, Spot } from './issue.ts';
import { addressesCollide, isLocalAddress } from './listener-address.ts';

/** A listener with the place of its address. */
export interface PlacedListener {
  readonly listener: ListenerConfig;
  readonly spot: Spot;
}

/**
 * Reports collisions, at the later listener.
 * @param adminSpot where the admin address is written; null when it is the default
 */
export function lintAddresses(
  listeners: readonly PlacedListener[],
  admin: AdminConfig,
  adminSpot: Spot | null,
  report: Report,
): void {
  for (const [index, { listener, spot }] of listeners.entries()) {
    const other = listeners.slice(0, index).find((one) => addressesCollide(one.listener, listener));
    if (other === undefined) continue;
    const names = `\`${other.listener.name}\` and \`${listener.name}\``;
    report({
      severity: 'error',
      code: 'PN1203',
      message: `listeners ${names} want the same address`,
      spot,
      part: 'value',
      related: { text: 'the other address is at', spot: other.spot },
    });
  }
  const { address } = admin;
  if (address === null) return;
  const taken = listeners.find((one) => addressesCollide(one.listener, address));
  if (taken !== undefined) {
    report({
      severity: 'error',
      code: 'PN1203',
      message: `listener \`${taken.listener.name}\` wants the address of the admin listener`,
      spot: adminSpot ?? taken.spot,
      part: 'value',
      hint: 'set admin.address to another address, or to "off"',
    });
  }
  const isGuarded = admin.tls !== null && admin.tls.clientCa.length > 0;
  if (adminSpot !== null && !isLocalAddress(address) && !isGuarded) {
    report({
      severity: 'warning',
      code: 'PN1207',
      message: 'the admin listener is reachable from other machines',
      spot: adminSpot,
      part: 'value',
      hint: 'anybody may read it: prefer a loopback address, or set admin.tls with `client-ca`',
    });
  }
}
