/**
 * References: every name leads to a node, and every node is led to.
 */

import { suggest } from './did-you-mean.ts';
import type { Report } from './issue.ts';
import { describe } from './located.ts';
import type { Located, LocatedTable } from './located.ts';
import { isBuiltIn, namesOf, NODE_WORDS } from './nodes.ts';
import type { NodeDeclaration } from './nodes.ts';
import { NODE_KINDS } from './root-section.ts';
import type { NodeKind } from './root-section.ts';

/** The graph as references see it. */
export interface Graph {
  /** Whole tables, inheritance resolved, by kind and name. */
  readonly tables: { readonly [K in NodeKind]: ReadonlyMap<string, LocatedTable> };
  /** Nodes that others extend, by kind. */
  readonly bases: { readonly [K in NodeKind]: ReadonlySet<string> };
  /** Nodes of dropped files: they exist, but not for now. */
  readonly dropped: { readonly [K in NodeKind]: ReadonlyMap<string, NodeDeclaration> } | null;
}

/** Which keys of which kind name nodes of which kind. */
const EDGES: readonly (readonly [from: NodeKind, key: string, to: NodeKind])[] = [
  ['routes', 'service', 'services'],
  ['routes', 'listeners', 'listeners'],
  ['routes', 'middlewares', 'middlewares'],
  ['services', 'transport', 'transports'],
  ['listeners', 'tls', 'tls'],
  ['routes', 'tls', 'tls'],
  ['tls', 'default-certificate', 'certificates'],
  ['certificates', 'issuer', 'issuers'],
];

/** Kinds whose nodes do nothing unless something names them. */
const PASSIVE_KINDS: readonly NodeKind[] = ['services', 'middlewares', 'transports', 'tls'];

type UsedNames = ReadonlyMap<NodeKind, Set<string>>;

/**
 * Reports dangling references, and warns of nodes nothing refers to.
 * @param adminTls the section `admin.tls`; null when there is none
 */
export function lintReferences(graph: Graph, adminTls: LocatedTable | null, report: Report): void {
  const used: UsedNames = new Map(NODE_KINDS.map((kind) => [kind, new Set<string>()] as const));
  for (const [from, key, to] of EDGES) {
    const context = { used, report };
    for (const table of graph.tables[from].values()) {
      const value = table.entries.get(key);
      if (value === undefined) continue;
      if (value.kind !== 'array') lintReference(graph, value, to, context);
      else for (const item of value.items) lintReference(graph, item, to, context);
    }
  }
  const adminCertificate = adminTls?.entries.get('certificate');
  if (adminCertificate !== undefined) {
    lintReference(graph, adminCertificate, 'certificates', { used, report });
  }
  for (const kind of PASSIVE_KINDS) {
    for (const [name, table] of graph.tables[kind]) {
      if (used.get(kind)!.has(name) || graph.bases[kind].has(name)) continue;
      if (isBuiltIn(kind, name)) continue;
      report({
        severity: 'warning',
        code: 'PN1205',
        message: `${NODE_WORDS[kind]} \`${name}\` is never used`,
        spot: table.spot,
        part: 'key',
      });
    }
  }
}

function lintReference(
  graph: Graph,
  item: Located,
  to: NodeKind,
  context: { used: UsedNames; report: Report },
): void {
  if (item.kind !== 'string' || item.isBroken || item.text === '') return;
  const name = item.text;
  context.used.get(to)!.add(name);
  if (isBuiltIn(to, name) || graph.tables[to].has(name)) return;
  const dropped = graph.dropped?.[to].get(name);
  const advice = suggest(name, namesOf(to, graph.tables[to].keys()));
  const hint =
    dropped === undefined
      ? advice
      : `it is defined in ${dropped.table.spot.file}, which has errors and is left out`;
  context.report({
    severity: 'error',
    code: 'PN1201',
    message: `no ${NODE_WORDS[to]} is named ${describe(item)}`,
    spot: item.spot,
    part: 'value',
    hint,
  });
}
