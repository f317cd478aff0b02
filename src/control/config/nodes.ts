/**
 * Nodes: gathers the named nodes of every file into one graph, one namespace per kind.
 */

import type { ConfigFile } from './config-files.ts';
import type { Report } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import { NODE_KINDS, rootSchema } from './root-section.ts';
import type { NodeKind } from './root-section.ts';
import { reportWrongType } from './schema.ts';
import { reportUnknownKey } from './schema-compound.ts';

export interface NodeDeclaration {
  readonly kind: NodeKind;
  readonly name: string;
  readonly table: LocatedTable;
  /** Position among the nodes of its kind, over all files. */
  readonly order: number;
}

/** Declarations by name, in order, for each kind. */
export type Nodes = { readonly [K in NodeKind]: Map<string, NodeDeclaration> };

/** Names as metrics, references and messages can bear them. A number would lose its order. */
const NAME = /^(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** Words for one node of each kind. */
export const NODE_WORDS: { readonly [K in NodeKind]: string } = {
  listeners: 'listener',
  routes: 'route',
  services: 'service',
  transports: 'transport',
  middlewares: 'middleware',
  tls: 'TLS policy',
  certificates: 'certificate',
  issuers: 'issuer',
};

/** Nodes that are there without being declared. */
const BUILT_IN: { readonly [K in NodeKind]?: string } = {
  transports: 'default',
  tls: 'default',
  issuers: 'internal',
};

export function isBuiltIn(kind: NodeKind, name: string): boolean {
  return BUILT_IN[kind] === name;
}

/** Names of nodes of one kind, built-in ones too. */
export function namesOf(kind: NodeKind, declared: Iterable<string>): string[] {
  const names = new Set(declared);
  const builtIn = BUILT_IN[kind];
  if (builtIn !== undefined) names.add(builtIn);
  return [...names];
}

/** Gathers the nodes of `files`. Of two with one name the first stays; the second is an issue. */
export function gatherNodes(files: readonly ConfigFile[], report: Report): Nodes {
  const nodes: Nodes = {
    listeners: new Map(),
    routes: new Map(),
    services: new Map(),
    transports: new Map(),
    middlewares: new Map(),
    tls: new Map(),
    certificates: new Map(),
    issuers: new Map(),
  };
  for (const file of files) {
    if (file.role === 'include') checkIncludedKeys(file.tree, report);
    for (const kind of NODE_KINDS) {
      const section = file.tree.entries.get(kind);
      if (section !== undefined) gatherSection(kind, section, nodes[kind], report);
    }
  }
  return nodes;
}

/** The main file's tree without its nodes: what the root schema decodes. */
export function withoutNodes(tree: LocatedTable): LocatedTable {
  const kinds: readonly string[] = NODE_KINDS;
  const entries = new Map([...tree.entries].filter(([key]) => !kinds.includes(key)));
  return { ...tree, entries };
}

/** Every key the top level of a file knows. */
export function rootKeys(): string[] {
  return [...new Set([...rootSchema.fields.keys(), ...NODE_KINDS])];
}

function checkIncludedKeys(tree: LocatedTable, report: Report): void {
  const known = rootKeys();
  for (const [key, value] of withoutNodes(tree).entries) {
    if (!known.includes(key)) reportUnknownKey(report, key, value, NODE_KINDS);
    else {
      report({
        severity: 'error',
        code: 'PN1004',
        message: `\`${key}\` belongs in the main file`,
        spot: value.spot,
        part: 'key',
        expected: `only nodes: ${NODE_KINDS.join(', ')}`,
      });
    }
  }
}

function gatherSection(
  kind: NodeKind,
  section: Located,
  nodes: Map<string, NodeDeclaration>,
  report: Report,
): void {
  if (section.kind !== 'table') {
    reportWrongType(report, section, `tables such as [${kind}.name]`);
    return;
  }
  for (const [name, value] of section.entries) {
    if (value.kind !== 'table') {
      reportWrongType(report, value, `a table: [${kind}.${name}]`);
      continue;
    }
    if (!NAME.test(name)) reportName(kind, value, report);
    const first = nodes.get(name);
    if (first === undefined) nodes.set(name, { kind, name, table: value, order: nodes.size });
    else {
      report({
        severity: 'error',
        code: 'PN1005',
        message: `${NODE_WORDS[kind]} \`${name}\` is defined twice`,
        spot: value.spot,
        part: 'key',
        related: { text: 'first defined at', spot: first.table.spot },
      });
    }
  }
}

function reportName(kind: NodeKind, value: LocatedTable, report: Report): void {
  report({
    severity: 'error',
    code: 'PN1107',
    message: `not a name for a ${NODE_WORDS[kind]}`,
    spot: value.spot,
    part: 'key',
    expected: 'up to 64 letters, digits, `_`, `-`, `.`; not only digits',
  });
}
