/**
 * From the trees of some files to a Config, with every issue found on the way.
 *
 * Total: with issues there is a Config all the same, made of what was readable, for the checks
 * that look at the whole. The caller decides whether it may be used.
 */

import { lintAddresses } from './address-lint.ts';
import type { PlacedListener } from './address-lint.ts';
import { lintAdminTls } from './admin-lint.ts';
import { adminTlsOf } from './admin-section.ts';
import type { AdminTlsFields } from './admin-section.ts';
import type { CertificateCheck } from './certificate-check.ts';
import { decodeCertificate, lintValidity } from './certificate-section.ts';
import type { PairTools } from './certificate-section.ts';
import type {
  AdminConfig,
  AdminTlsConfig,
  CertificateConfig,
  Config,
  IssuerConfig,
  ListenerConfig,
  MiddlewareConfig,
  ServiceConfig,
  TlsPolicyConfig,
  TransportConfig,
} from './config.ts';
import type { ConfigFile } from './config-files.ts';
import { resolveExtends } from './extends.ts';
import type { IssueDraft, Report } from './issue.ts';
import { decodeIssuer, DEFAULT_INTERNAL } from './issuer-section.ts';
import type { LoadMemory } from './load-memory.ts';
import type { LocatedTable } from './located.ts';
import { decodeMiddleware } from './middleware-section.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { tlsNames } from './needed-names.ts';
import type { NodeFiles, NodeReader } from './node-files.ts';
import { listenerSchema, serviceSchema, transportSchema } from './node-sections.ts';
import { gatherNodes, withoutNodes } from './nodes.ts';
import type { Nodes } from './nodes.ts';
import { lintReferences } from './reference-lint.ts';
import type { Graph } from './reference-lint.ts';
import type { RegexCheck } from './regex-check.ts';
import { NODE_KINDS, rootSchema } from './root-section.ts';
import type { NodeKind } from './root-section.ts';
import { decodeRoute } from './route-nodes.ts';
import type { HttpRouteNode } from './route-nodes.ts';
import { lintEndpointKinds, lintObserve, lintService } from './section-lint.ts';
import { lintUses } from './service-lint.ts';
import { lintShadows } from './shadow-lint.ts';
import type { PlacedRoute } from './shadow-lint.ts';
import { lintTls } from './tls-lint.ts';
import { resolvePlainHttp } from './tls-resolve.ts';
import { decodePolicy, defaultPolicy } from './tls-section.ts';
import { PLAIN_UPSTREAM_TLS, upstreamTlsOf } from './upstream-tls-section.ts';

export interface AssembleOptions {
  readonly middlewareKinds: MiddlewareKinds;
  readonly checkRegex: RegexCheck;
  /** Nodes of files that were left out, for better messages; null when none was. */
  readonly dropped: Nodes | null;
  readonly memory: LoadMemory;
  /** Files that nodes name. */
  readonly files: NodeFiles;
  readonly certificateCheck: CertificateCheck;
}

export interface Assembled {
  readonly config: Config;
  readonly nodes: Nodes;
  readonly drafts: readonly IssueDraft[];
}

/** Issues that a damaged file provokes by what is missing from it. */
const ABSENCE_CODES: readonly string[] = [
  'PN1104',
  'PN1201',
  'PN1205',
  'PN1206',
  'PN1209',
  'PN1213',
  'PN1214',
  'PN1216',
];

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
  lintReferences(graph, adminTlsAt(files[0]!), report);
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
    const admin: AdminConfig = { ...root.admin, tls: this.#adminTls(root.admin.tls, main) };
    const adminAddress = tableAt(main.tree, 'admin')?.entries.get('address');
    lintAddresses(listeners, admin, adminAddress?.spot ?? null, this.#report);
    lintObserve(root.observe, main.tree, this.#report);
    if (this.#graph.tables.listeners.size === 0) this.#reportNoListener(main);
    const { http, passthroughs } = this.#routes();
    const draft: Config = {
      io: root.io,
      workers: root.workers,
      drainTimeoutMs: root.drainTimeoutMs,
      drainDelayMs: root.drainDelayMs,
      reload: root.reload,
      storage: root.storage,
      listeners: listeners.map(({ listener }) => listener),
      routes: http.map(({ route }) => route),
      services: this.#services(),
      transports: this.#transports(),
      middlewares: this.#middlewares(),
      tls: this.#policies(),
      passthroughs,
      certificates: this.#certificates(),
      issuers: this.#issuers(),
      limits: root.limits,
      observe: root.observe,
      admin,
    };
    const names = tlsNames(draft);
    lintTls({ config: draft, graph: this.#graph, routes: http, names }, this.#report);
    lintUses(draft, this.#graph, this.#report);
    const adminTls = adminTlsAt(main);
    if (adminTls !== null) lintAdminTls(draft, adminTls, this.#report);
    const routes = resolvePlainHttp(http, draft, names, this.#options.memory.resolved);
    return { ...draft, routes };
  }

  /** Decodes each node whose table is new, and reports what there is to say about all of them. */
  #each<T>(
    kind: NodeKind,
    decode: (name: string, table: LocatedTable, report: Report, reader: NodeReader) => T,
  ): { value: T; table: LocatedTable; hasError: boolean }[] {
    const { memory, files } = this.#options;
    const { decoded } = memory;
    return [...this.#graph.tables[kind]].map(([name, table]) => {
      const { file } = table.spot;
      let known = decoded.get(table);
      if (known === undefined || !files.isCurrent(known.reads, file)) {
        const drafts: IssueDraft[] = [];
        const reader = files.reader(file);
        const value = decode(name, table, (draft) => drafts.push(draft), reader);
        known = { value, drafts, reads: reader.reads };
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
      const fields = listenerSchema.decode(table, report);
      const { address, trustedProxies, tls, publicPort } = fields;
      const proxyProtocol = fields.proxyProtocol?.trusted ?? null;
      return { name, ...address, trustedProxies, tls, publicPort, proxyProtocol };
    });
    return all.map(({ value, table }) => {
      return { listener: value, spot: (table.entries.get('address') ?? table).spot };
    });
  }

  #routes(): { http: HttpRouteNode[]; passthroughs: Config['passthroughs'] } {
    const all = this.#each('routes', (name, table, report) => {
      return decodeRoute(name, table, this.#options.checkRegex, report);
    });
    const placed: PlacedRoute[] = [];
    const http: HttpRouteNode[] = [];
    for (const { value, table, hasError } of all) {
      if (value.kind !== 'http') continue;
      http.push(value);
      if (!hasError) placed.push({ route: value.route, spot: table.spot });
    }
    lintShadows(placed, this.#report, this.#options.memory.shadows);
    const passthroughs = all.flatMap(({ value }) => {
      return value.kind === 'passthrough' ? [value.passthrough] : [];
    });
    return { http, passthroughs };
  }

  #services(): ServiceConfig[] {
    const all = this.#each('services', (name, table, report, reader): ServiceConfig => {
      const fields = serviceSchema.decode(table, report);
      const endpoints = fields.endpoints.map((endpoint) => {
        if ('key' in endpoint) return { ...endpoint, weight: 1 };
        return { ...endpoint.url, weight: endpoint.weight };
      });
      const section = table.entries.get('tls');
      const tools = this.#tools(reader);
      const given =
        fields.tls !== null && section?.kind === 'table'
          ? upstreamTlsOf(fields.tls, section, tools, report)
          : PLAIN_UPSTREAM_TLS;
      const tls = endpoints.some(({ isTls }) => isTls) ? given : null;
      const { extends: _, endpoints: __, ...rest } = fields;
      const service = { name, ...rest, endpoints, tls };
      lintService(service, table, report);
      lintEndpointKinds(service, table, report);
      return service;
    });
    return all.map(({ value }) => value);
  }

  /** The declared ones, and `default` when it is not among them. */
  #policies(): TlsPolicyConfig[] {
    const all = this.#each('tls', (name, table, report, reader) => {
      return decodePolicy(name, table, this.#tools(reader), report);
    });
    const policies = all.map(({ value }) => value);
    const hasDefault = policies.some(({ name }) => name === 'default');
    return hasDefault ? policies : [defaultPolicy(), ...policies];
  }

  #certificates(): CertificateConfig[] {
    const { certificateCheck } = this.#options;
    const all = this.#each('certificates', (name, table, report, reader) => {
      return decodeCertificate(name, table, this.#tools(reader), report);
    });
    const nowMs = certificateCheck.nowMs();
    for (const { value, table } of all) lintValidity(value, table, nowMs, this.#report);
    return all.map(({ value }) => value);
  }

  /** The declared ones, and `internal` when none of that kind is among them. */
  #issuers(): IssuerConfig[] {
    const all = this.#each('issuers', (name, table, report, reader) => {
      return decodeIssuer(name, table, this.#tools(reader), report);
    });
    const issuers = all.map(({ value }) => value);
    const hasInternal = issuers.some(({ kind }) => kind === 'internal');
    return hasInternal ? issuers : [...issuers, DEFAULT_INTERNAL];
  }

  #adminTls(fields: AdminTlsFields | null, main: ConfigFile): AdminTlsConfig | null {
    const table = adminTlsAt(main);
    if (fields === null || table === null) return null;
    return adminTlsOf(
      fields,
      table,
      this.#tools(this.#options.files.reader(main.path)),
      this.#report,
    );
  }

  #tools(reader: NodeReader): PairTools {
    const { certificateCheck, memory } = this.#options;
    return { reader, check: certificateCheck, pairs: memory.pairs };
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

function adminTlsAt(main: ConfigFile): LocatedTable | null {
  const admin = tableAt(main.tree, 'admin');
  return admin === null ? null : tableAt(admin, 'tls');
}

function tableAt({ entries }: LocatedTable, key: string): LocatedTable | null {
  const value = entries.get(key);
  return value?.kind === 'table' ? value : null;
}
