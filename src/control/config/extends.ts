/**
 * Inheritance: resolves `extends` within one kind. Tables merge, arrays and scalars replace.
 *
 * A route that has its own `rule` inherits no matching key, and one that has its own short
 * matching keys inherits no `rule`: what is matched is never half another route's.
 */

import { suggest } from './did-you-mean.ts';
import type { Report } from './issue.ts';
import { describe } from './located.ts';
import type { LoadMemory } from './load-memory.ts';
import type { Located, LocatedTable } from './located.ts';
import { isBuiltIn, NODE_WORDS } from './nodes.ts';
import type { NodeDeclaration } from './nodes.ts';
import type { NodeKind } from './root-section.ts';
import { SHORT_MATCH_KEYS } from './route-section.ts';
import { extendsField } from './node-fields.ts';

export interface Extended {
  /** The whole table of each node by name: what it says and what it inherits. */
  readonly tables: ReadonlyMap<string, LocatedTable>;
  /** Nodes others extend. */
  readonly bases: ReadonlySet<string>;
}

/**
 * Resolves the nodes of one kind. Unknown bases and circles are issues, and count as no base. What
 * a node inherits is merged anew only when its own table or its base's is another one than before.
 */
export function resolveExtends(
  nodes: ReadonlyMap<string, NodeDeclaration>,
  report: Report,
  memory: LoadMemory,
): Extended {
  const baseOf = new Map<string, string>();
  for (const node of nodes.values()) {
    const base = readBase(node, nodes, report);
    if (base !== null) baseOf.set(node.name, base);
  }
  const bases = new Set(baseOf.values());
  if (bases.size > 0) cutCircles(nodes, baseOf, report);
  else {
    const own = new Map<string, LocatedTable>();
    for (const { kind, name, table } of nodes.values()) {
      own.set(name, wholeTable(kind, table, undefined, memory));
    }
    return { tables: own, bases };
  }
  const resolved = new Map<string, LocatedTable>();
  for (const name of nodes.keys()) {
    // Bases first, without recursion: a chain may be as long as there are nodes.
    const chain: string[] = [];
    for (
      let at: string | undefined = name;
      at !== undefined && !resolved.has(at);
      at = baseOf.get(at)
    ) {
      chain.push(at);
    }
    for (const heir of chain.toReversed()) {
      const { kind, table } = nodes.get(heir)!;
      const base = resolved.get(baseOf.get(heir) ?? '');
      resolved.set(heir, wholeTable(kind, table, base, memory));
    }
  }
  // Bases were resolved early; declaration order is what ranks routes.
  const tables = new Map([...nodes.keys()].map((name) => [name, resolved.get(name)!] as const));
  return { tables, bases };
}

function wholeTable(
  kind: NodeKind,
  table: LocatedTable,
  base: LocatedTable | undefined,
  memory: LoadMemory,
): LocatedTable {
  if (base === undefined) {
    return table.entries.has('extends') ? withoutKeys(table, ['extends']) : table;
  }
  const known = memory.merged.get(table);
  if (known?.base === base) return known.table;
  const own = withoutKeys(table, ['extends']);
  const whole = merge(kind === 'routes' ? inheritable(base, own) : base, own);
  memory.merged.set(table, { base, table: whole });
  return whole;
}

function readBase(
  node: NodeDeclaration,
  nodes: ReadonlyMap<string, NodeDeclaration>,
  report: Report,
): string | null {
  const value = node.table.entries.get('extends');
  if (value === undefined) return null;
  const base = extendsField.decode(value, report);
  if (base === null || base === '') return null;
  if (nodes.has(base)) return base;
  if (isBuiltIn(node.kind, base)) return null; // Its settings are what holds anyway.
  report({
    severity: 'error',
    code: 'PN1201',
    message: `no ${NODE_WORDS[node.kind]} is named ${describe(value)}`,
    spot: value.spot,
    part: 'value',
    hint: suggest(base, [...nodes.keys()]),
  });
  return null;
}

/** Removes one edge of each circle, and reports it where the circle is entered first. */
function cutCircles(
  nodes: ReadonlyMap<string, NodeDeclaration>,
  baseOf: Map<string, string>,
  report: Report,
): void {
  const done = new Set<string>();
  for (const start of nodes.keys()) {
    const chain: string[] = [];
    let at: string | undefined = start;
    while (at !== undefined && !done.has(at) && !chain.includes(at)) {
      chain.push(at);
      at = baseOf.get(at);
    }
    if (at !== undefined && chain.includes(at)) {
      const circle = [...chain.slice(chain.indexOf(at)), at];
      baseOf.delete(at);
      const { table } = nodes.get(at)!;
      report({
        severity: 'error',
        code: 'PN1202',
        message: `nodes extend each other in a circle: ${circle.join(' -> ')}`,
        spot: table.entries.get('extends')?.spot ?? table.spot,
        part: 'value',
      });
    }
    for (const name of chain) done.add(name);
  }
}

/** What a route may inherit, given its own keys. */
function inheritable(base: LocatedTable, own: LocatedTable): LocatedTable {
  if (own.entries.has('rule')) return withoutKeys(base, ['rule', ...SHORT_MATCH_KEYS]);
  if (SHORT_MATCH_KEYS.some((key) => own.entries.has(key))) return withoutKeys(base, ['rule']);
  return base;
}

function merge(base: LocatedTable, own: LocatedTable): LocatedTable {
  const entries = new Map<string, Located>(base.entries);
  for (const [key, value] of own.entries) {
    const inherited = base.entries.get(key);
    const areTables = inherited?.kind === 'table' && value.kind === 'table';
    entries.set(key, areTables ? merge(inherited, value) : value);
  }
  return { ...own, entries };
}

function withoutKeys(table: LocatedTable, keys: readonly string[]): LocatedTable {
  const entries = new Map([...table.entries].filter(([key]) => !keys.includes(key)));
  return { ...table, entries };
}
