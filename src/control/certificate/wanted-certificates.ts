/**
 * Wanted certificates: what a configuration wants the manager to have. The names of one node in
 * `certificates` share a certificate; every other name has one of its own.
 */

import type { Config } from '../config/config.ts';
import { neededNames } from '../config/needed-names.ts';
import type { NeededName } from '../config/needed-names.ts';
import { unitPart } from './store-keys.ts';

export interface WantedCertificate {
  /** As `unitPart`. */
  readonly unit: string;
  /** Node in `certificates`, or the name. */
  readonly label: string;
  /** Sorted. */
  readonly names: readonly string[];
  /** Names of the issuers that can issue all of it, in order of preference. */
  readonly issuers: readonly string[];
}

/** By unit; two nodes with the same names are one. */
export function wantedCertificates(config: Config): Map<string, WantedCertificate> {
  const wanted = new Map<string, WantedCertificate>();
  const add = (label: string, group: readonly NeededName[]): void => {
    const names = [...new Set(group.map(({ name }) => name))].toSorted();
    const unit = unitPart(names);
    if (!wanted.has(unit)) wanted.set(unit, { unit, label, names, issuers: commonIssuers(group) });
  };
  const needed = neededNames(config);
  const nodes = Map.groupBy(needed, ({ certificate }) => certificate);
  for (const [node, group] of nodes) if (node !== null) add(node, group);
  for (const name of nodes.get(null) ?? []) add(name.name, [name]);
  return wanted;
}

function commonIssuers(group: readonly NeededName[]): readonly string[] {
  const [first, ...rest] = group;
  return first!.issuers.filter((issuer) => rest.every(({ issuers }) => issuers.includes(issuer)));
}
