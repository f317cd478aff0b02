/**
 * Checks about TLS that look at more than one node: who answers for a name, with which policy,
 * and whether there can be a certificate for it.
 */

import { canIssue, hostsOfRule } from './needed-names.ts';
import type { TlsName } from './needed-names.ts';
import type { Config, ListenerConfig } from './config.ts';
import type { IssueDraft, Report } from './issue.ts';
import type { Located } from './located.ts';
import type { Graph } from './reference-lint.ts';
import type { NodeKind } from './root-section.ts';
import type { HttpRouteNode } from './route-nodes.ts';
import { httpsListener } from './tls-resolve.ts';

export interface TlsLintInput {
  readonly config: Config;
  readonly graph: Graph;
  readonly routes: readonly HttpRouteNode[];
  readonly names: readonly TlsName[];
}

/** Names without a certificate that are told one by one. */
const UNCOVERED_MAX = 20;

/** Reports everything of the above. */
export function lintTls(input: TlsLintInput, report: Report): void {
  new TlsLint(input, report).run();
}

class TlsLint {
  readonly #input: TlsLintInput;
  readonly #config: Config;
  readonly #report: Report;
  readonly #secure: readonly ListenerConfig[];

  constructor(input: TlsLintInput, report: Report) {
    this.#input = input;
    this.#config = input.config;
    this.#report = report;
    this.#secure = input.config.listeners.filter(({ tls }) => tls !== null);
  }

  run(): void {
    this.#lintPolicies();
    this.#lintRoutes();
    this.#lintPassthroughs();
    for (const listener of this.#secure) this.#lintOwners(listener);
    this.#lintUnused();
    this.#lintManaged();
    this.#lintUncovered();
  }

  /** A default certificate has to be known before workers start. */
  #lintPolicies(): void {
    for (const { name, defaultCertificate } of this.#config.tls) {
      const node = this.#config.certificates.find((one) => one.name === defaultCertificate);
      if (node === undefined || node.names.length === 0) continue;
      this.#add('PN1208', 'tls', name, 'default-certificate', {
        message: `the certificate \`${node.name}\` is not from files`,
        hint: 'without `default-certificate` the first certificate there is stands in',
      });
    }
  }

  #lintRoutes(): void {
    for (const { route, plainHttp } of this.#input.routes) {
      const { name, tls } = route;
      const isSecure = this.#listenersOf(route.listeners).length > 0;
      if (tls !== null && !isSecure) {
        this.#add('PN1205', 'routes', name, 'tls', {
          severity: 'warning',
          message: `the policy of route \`${name}\` is never used: it is on no listener with TLS`,
        });
      }
      if (plainHttp === 'redirect' && httpsListener(route, this.#secure) === null) {
        this.#add('PN1216', 'routes', name, 'plain-http', {
          message: 'the redirect leads nowhere: the route is on no TCP listener with TLS',
          hint: 'give a listener the key `tls`, and name it in `listeners` if the route has that',
        });
      }
    }
  }

  #lintPassthroughs(): void {
    for (const { name, listeners } of this.#config.passthroughs) {
      if (this.#secure.length === 0) {
        this.#add('PN1205', 'routes', name, 'mode', {
          severity: 'warning',
          message: `passthrough \`${name}\` is never used: no listener has TLS`,
          hint: 'give a listener `tls = "default"`',
        });
      }
      for (const own of listeners ?? []) {
        const listener = this.#config.listeners.find((one) => one.name === own);
        if (listener === undefined || listener.tls !== null) continue;
        this.#add('PN1208', 'routes', name, 'listeners', {
          message: `the listener \`${own}\` has no TLS, so no client says a name there`,
          hint: 'give it `tls = "default"`',
        });
      }
    }
  }

  /** One name on one listener: one who opens it, or one to whom it is passed; one policy. */
  #lintOwners(listener: ListenerConfig): void {
    const passed = new Map<string, string>();
    for (const { name, hosts, listeners } of this.#config.passthroughs) {
      if (!isOn(listeners, listener)) continue;
      for (const host of hosts) {
        const other = passed.get(host);
        if (other === undefined) passed.set(host, name);
        else {
          const message = `\`${host}\` is passed through by \`${other}\` already`;
          const hint = `both are on listener \`${listener.name}\``;
          this.#add('PN1210', 'routes', name, 'sni', { message, hint, related: other });
        }
      }
    }
    const hasPolicies = this.#input.routes.some(({ route }) => route.tls !== null);
    if (passed.size === 0 && !hasPolicies) return;
    const policies = new Map<string, { policy: string; route: string }>();
    for (const { route } of this.#input.routes) {
      if (!isOn(route.listeners, listener)) continue;
      for (const host of hostsOfRule(route.rule)) {
        const other = passed.get(host);
        if (other !== undefined) this.#reportBoth(route.name, host, other, listener);
        if (route.tls === null) continue;
        const known = policies.get(host);
        if (known === undefined) policies.set(host, { policy: route.tls, route: route.name });
        else if (known.policy !== route.tls) {
          this.#add('PN1211', 'routes', route.name, 'tls', {
            message: `\`${host}\` has the policy \`${known.policy}\` by route \`${known.route}\``,
            hint: 'the policy is chosen before the path of a request is known',
            related: known.route,
          });
        }
      }
    }
  }

  #reportBoth(route: string, host: string, other: string, listener: ListenerConfig): void {
    this.#add('PN1210', 'routes', route, 'host', {
      message: `\`${host}\` is passed through by \`${other}\`, on listener \`${listener.name}\``,
      hint: 'requests in connections that are passed through are not seen here',
      related: other,
    });
  }

  #lintUnused(): void {
    if (this.#secure.length > 0) return;
    for (const kind of ['certificates', 'issuers'] as const) {
      for (const [name, table] of this.#input.graph.tables[kind]) {
        const isOfAdmin = kind === 'certificates' && name === this.#config.admin.tls?.certificate;
        if (isOfAdmin) continue;
        this.#report({
          severity: 'warning',
          code: 'PN1205',
          message: `${kind.slice(0, -1)} \`${name}\` is never used: no listener has TLS`,
          spot: table.spot,
          part: 'key',
          hint: 'give a listener `tls = "default"`',
        });
      }
    }
  }

  /** What a node of `certificates` lists has to be issued by one issuer that can. */
  #lintManaged(): void {
    const nodes = Map.groupBy(this.#input.names, ({ certificate }) => certificate ?? '');
    for (const { name, issuer } of this.#config.certificates) {
      const listed = nodes.get(name) ?? [];
      const chosen = this.#config.issuers.find((one) => one.name === issuer) ?? null;
      if (issuer !== null && chosen === null) continue; // Reported as a reference.
      const bad = listed.find((one) => {
        return chosen === null ? one.issuers.length === 0 : !canIssue(chosen, one.name);
      });
      if (bad !== undefined) this.#reportUnable(name, bad, chosen?.name ?? null);
      else if (listed.length > 0 && chosen === null && commonIssuers(listed).length === 0) {
        this.#add('PN1214', 'certificates', name, 'names', {
          message: `no issuer is for all names of \`${name}\`, and one certificate has one issuer`,
          hint: 'make it several, or name an `issuer`',
        });
      }
    }
  }

  #reportUnable(node: string, { name, isWildcard }: TlsName, issuer: string | null): void {
    const message =
      issuer === null
        ? `no issuer is there that can issue \`${name}\``
        : `issuer \`${issuer}\` cannot issue \`${name}\``;
    const hint = isWildcard
      ? 'a wildcard is proved by the challenge `dns-01`: give the issuer a table `dns`'
      : issuerHint(issuer !== null);
    this.#add('PN1214', 'certificates', node, 'names', { message, hint });
  }

  /** What routes name and nobody has a certificate for. */
  #lintUncovered(): void {
    const takesAny = this.#secure.every(({ tls }) => {
      return this.#config.tls.find(({ name }) => name === tls)?.unknownName === 'default';
    });
    if (takesAny) return;
    const bare = this.#input.names.filter(({ certificate, cover, issuer }) => {
      return certificate === null && cover === null && issuer === null;
    });
    for (const { name, isWildcard, routes } of bare.slice(0, UNCOVERED_MAX)) {
      this.#add('PN1213', 'routes', routes[0]!, 'host', {
        severity: 'warning',
        message: `there is no certificate for \`${name}\`, and no issuer to get one from`,
        hint: isWildcard
          ? 'add [certificates.x], or an issuer with a table `dns`, or one with `on-demand`'
          : issuerHint(false),
      });
    }
    const more = bare.length - UNCOVERED_MAX;
    if (more <= 0) return;
    this.#add('PN1213', 'routes', bare[UNCOVERED_MAX]!.routes[0]!, 'host', {
      severity: 'warning',
      message: `there is no certificate for ${more} more names, and no issuer to get one from`,
    });
  }

  #listenersOf(own: readonly string[] | null): readonly ListenerConfig[] {
    return this.#secure.filter((listener) => isOn(own, listener));
  }

  /** An issue at a key of a node, or at the node where it does not say the key. */
  #add(
    code: IssueDraft['code'],
    kind: NodeKind,
    name: string,
    key: string,
    more: {
      message: string;
      severity?: 'warning';
      hint?: string;
      /** A route that explains this one. */
      related?: string;
    },
  ): void {
    const { message, severity = 'error', hint, related } = more;
    const { tables } = this.#input.graph;
    const table = tables[kind].get(name)!;
    const value: Located = table.entries.get(key) ?? table;
    const other = related === undefined ? undefined : tables.routes.get(related);
    this.#report({
      severity,
      code,
      message,
      spot: value.spot,
      part: value === table ? 'key' : 'value',
      hint,
      ...(other === undefined
        ? {}
        : { related: { text: `\`${related}\` is at`, spot: other.spot } }),
    });
  }
}

function commonIssuers(names: readonly TlsName[]): readonly string[] {
  const [first, ...rest] = names;
  return first!.issuers.filter((issuer) => rest.every(({ issuers }) => issuers.includes(issuer)));
}

function isOn(own: readonly string[] | null, listener: ListenerConfig): boolean {
  return own === null || own.includes(listener.name);
}

function issuerHint(isChosen: boolean): string {
  if (isChosen) return 'the challenge `dns-01` alone does not prove an address';
  return 'add [certificates.x] with files, or [issuers.letsencrypt] with your `email`';
}
