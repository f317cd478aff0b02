/**
 * From the trees of some files to a Config, with every issue found on the way.
 *
 * Total: with issues there is a Config all the same, made of what was readable, for the checks
 * that look at the whole. The caller decides whether it may be used.
 */

import { lintAddresses } from './address-lint.ts';
import type { PlacedListener } from './address-lint.ts';
import type {
  Config,
  ListenerConfig,
  MiddlewareConfig,
  RouteConfig,
  ServiceConfig,
  TransportConfig,
} from './config.ts';
import type { ConfigFile } from './config-files.ts';
import { resolveExtends } from './extends.ts';
import type { IssueDraft, Report } from './issue.ts';
import type { LoadMemory } from './load-memory.ts';
import type { LocatedTable } from './located.ts';
import { decodeMiddleware } from './middleware-section.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { listenerSchema, serviceSchema, transportSchema } from './node-sections.ts';
import { gatherNodes, withoutNodes } from './nodes.ts';
import type { Nodes } from './nodes.ts';
import { lintReferences } from './reference-lint.ts';
import type { Graph } from './reference-lint.ts';
import type { RegexCheck } from './regex-check.ts';
import { NODE_KINDS, rootSchema } from './root-section.ts';
import type { NodeKind } from './root-section.ts';
import { routeSchema, ruleOfRoute } from './route-section.ts';
import { lintObserve, lintService } from './section-lint.ts';
import { lintShadows } from './shadow-lint.ts';
import type { PlacedRoute } from './shadow-lint.ts';
import { specificityOf } from './specificity.ts';

export interface AssembleOptions {
  readonly middlewareKinds: MiddlewareKinds;
  readonly checkRegex: RegexCheck;
  /** Nodes of files that were left out, for better messages; null when none was. */
  readonly dropped: Nodes | null;
  readonly memory: LoadMemory;
}

export interface Assembled {
  readonly config: Config;
  readonly nodes: Nodes;
  readonly drafts: readonly IssueDraft[];
}

/** Issues that a damaged file provokes by what is missing from it. */
const ABSENCE_CODES: readonly string[] = ['PN1104', 'PN1201', 'PN1205', 'PN1206', 'PN1209'];

/** Decodes, resolves and checks `files`; the first one is the main file. */
export function assemble(files: readonly ConfigFile[], options: AssembleOptions): Assembled {
  const drafts: IssueDraft[] = [];
  const damaged = new Set(files.filter((file) => file.isDamaged).map((file) => file.path));
  const report: Report = (draft) => {
    const isAbsence = ABSENCE_CODES.includes(draft.code);
    // What is missing may just be unreadable: in this file, or in another that would declare it.
    const isOwnAbsence = draft.code === 'PN1104' || draft.code === 'PN1209';
    if (isAbsence && (isOwnAbsence ? damaged.has(draft.spot.file) : damaged.size > 0)) return;
    drafts.push(draft);
  };
  const nodes = gatherNodes(files, report);
  const graph = resolveGraph(nodes, options, report);
  const config = new Assembler(graph, options, report).run(files[0]!);
  lintReferences(graph, report);
  return { config, nodes, drafts };
}

function resolveGraph(nodes: Nodes, { dropped, memory }: AssembleOptions, report: Report): Graph {
  const resolved = NODE_KINDS.map((kind) => {
    return [kind, resolveExtends(nodes[kind], report, memory)] as const;
  });
  const tables = resolved.map(([kind, extended]) => [kind, extended.tables] as const);
  const bases = resolved.map(([kind, extended]) => [kind, extended.bases] as const);
  return {
    tables: Object.fromEntries(tables) as Graph['tables'],
    bases: Object.fromEntries(bases) as Graph['bases'],
    dropped,
  };
}

class Assembler {
  readonly #graph: Graph;
  readonly #options: AssembleOptions;
  readonly #report: Report;

  constructor(graph: Graph, options: AssembleOptions, report: Report) {
    this.#graph = graph;
    this.#options = options;
    this.#report = report;
  }

  run(main: ConfigFile): Config {
    const root = rootSchema.decode(withoutNodes(main.tree), this.#report);
    const listeners = this.#listeners();
    const admin = main.tree.entries.get('admin');
    const adminAddress = admin?.kind === 'table' ? admin.entries.get('address') : undefined;
    lintAddresses(listeners, root.admin, adminAddress?.spot ?? null, this.#report);
    lintObserve(root.observe, main.tree, this.#report);
    if (this.#graph.tables.listeners.size === 0) this.#reportNoListener(main);
    return {
      io: root.io,
      workers: root.workers,
      drainTimeoutMs: root.drainTimeoutMs,
      drainDelayMs: root.drainDelayMs,
      reload: root.reload,
      listeners: listeners.map(({ listener }) => listener),
      routes: this.#routes(),
      services: this.#services(),
      transports: this.#transports(),
      middlewares: this.#middlewares(),
      limits: root.limits,
      observe: root.observe,
      admin: root.admin,
    };
  }

  /** Decodes each node whose table is new, and reports what there is to say about all of them. */
  #each<T>(
    kind: NodeKind,
    decode: (name: string, table: LocatedTable, report: Report) => T,
  ): { value: T; table: LocatedTable; hasError: boolean }[] {
    const { decoded } = this.#options.memory;
    return [...this.#graph.tables[kind]].map(([name, table]) => {
      let known = decoded.get(table);
      if (known === undefined) {
        const drafts: IssueDraft[] = [];
        const value = decode(name, table, (draft) => drafts.push(draft));
        known = { value, drafts };
        decoded.set(table, known);
      }
      for (const draft of known.drafts) this.#report(draft);
      const hasError = known.drafts.some((draft) => draft.severity === 'error');
      return { value: known.value as T, table, hasError };
    });
  }

  /** An address that could not be read has port 0, which collides with nothing. */
  #listeners(): PlacedListener[] {
    const all = this.#each('listeners', (name, table, report): ListenerConfig => {
      const { address, trustedProxies } = listenerSchema.decode(table, report);
      return { name, ...address, trustedProxies };
    });
    return all.map(({ value, table }) => {
      return { listener: value, spot: (table.entries.get('address') ?? table).spot };
    });
  }

  #routes(): RouteConfig[] {
    const all = this.#each('routes', (name, table, report): RouteConfig => {
      const fields = routeSchema.decode(table, report);
      const rule = ruleOfRoute(fields, table, this.#options.checkRegex, report);
      const { listeners, service, middlewares, priority } = fields;
      const rank = { specificity: specificityOf(rule), priority };
      const streamsOnChangeMs = streamsOnChange(fields.streamsOnChange);
      const file = table.spot.file;
      return { name, rule, ...rank, listeners, streamsOnChangeMs, service, middlewares, file };
    });
    const placed: PlacedRoute[] = [];
    for (const { value, table, hasError } of all) {
      if (!hasError) placed.push({ route: value, spot: table.spot });
    }
    lintShadows(placed, this.#report, this.#options.memory.shadows);
    return all.map(({ value }) => value);
  }

  #services(): ServiceConfig[] {
    const all = this.#each('services', (name, table, report): ServiceConfig => {
      const fields = serviceSchema.decode(table, report);
      const endpoints = fields.endpoints.map((endpoint) => {
        if ('key' in endpoint) return { ...endpoint, weight: 1 };
        return { ...endpoint.url, weight: endpoint.weight };
      });
      const { extends: _, endpoints: __, ...rest } = fields;
      const service = { name, ...rest, endpoints };
      lintService(service, table, report);
      return service;
    });
    return all.map(({ value }) => value);
  }

  /** The declared ones, and `default` when it is not among them. */
  #transports(): TransportConfig[] {
    const all = this.#each('transports', (name, table, report): TransportConfig => {
      const { extends: _, ...fields } = transportSchema.decode(table, report);
      return { name, ...fields };
    });
    const transports = all.map(({ value }) => value);
    if (transports.some(({ name }) => name === 'default')) return transports;
    const { extends: _, ...defaults } = transportSchema.fallback;
    return [{ name: 'default', ...defaults }, ...transports];
  }

  #middlewares(): MiddlewareConfig[] {
    const { middlewareKinds } = this.#options;
    const all = this.#each('middlewares', (name, table, report) => {
      const middleware = decodeMiddleware(table, middlewareKinds, report);
      return middleware === null ? null : { name, ...middleware };
    });
    return all.flatMap(({ value }) => (value === null ? [] : [value]));
  }

  #reportNoListener(main: ConfigFile): void {
    this.#report({
      severity: 'warning',
      code: 'PN1206',
      message: 'there is no listener, so nothing can be served',
      spot: { file: main.path, path: [] },
      part: 'key',
      hint: 'add one: [listeners.web] with address = ":8080"',
    });
  }
}

/** As in RouteSpec: -1 to keep, 0 to close at once. */
function streamsOnChange(value: 'keep' | 'close' | number): number {
  if (value === 'keep') return -1;
  return value === 'close' ? 0 : value;
}
