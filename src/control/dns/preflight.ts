/**
 * Preflight: what would make an order fail, found out before an authority is asked.
 *
 * F1  a finding is one sentence that says what is wrong and what to do.
 * F2  it never keeps anyone from ordering unless it is certain: DNS may look different from where
 *     the authority is, and many networks cannot reach themselves from inside.
 * F3  it ends soon and never fails: a question without an answer gives no finding.
 */

import { parseAddress } from '../../base/cidr.ts';
import { isPrivateAddress } from '../config/certificate-name.ts';
import { caaRefusal, readCaa } from './caa.ts';
import type { CaaRecord } from './caa.ts';
import type { DnsClient } from './dns-client.ts';
import { RecordType, ResponseCode } from './dns-message.ts';
import { hostAddresses } from './propagation.ts';
import { ZoneFinder } from './zone.ts';

export interface PreflightFinding {
  readonly name: string;
  /** True: the order would fail. */
  readonly isCertain: boolean;
  /** One sentence for people. */
  readonly message: string;
}

export interface PreflightRequest {
  /** A-labels and wildcards; addresses are passed over. */
  readonly names: readonly string[];
  /** What may be used to prove them, of `http-01`, `tls-alpn-01`, `dns-01`. */
  readonly challenges: readonly string[];
  /** Domains of the authority in CAA records (RFC 8555 §7.1.1 `caaIdentities`). */
  readonly caaIdentities: readonly string[];
  /** Empty: not known yet. */
  readonly accountUri: string;
  /** Whether the authority sees the public DNS; of a private one nothing is certain. */
  readonly isPublicAuthority: boolean;
}

/** What a request to ourselves came to: `elsewhere`: somebody else answered. */
export type ReachResult = 'reached' | 'elsewhere' | 'no-answer';

export interface PreflightOptions {
  readonly client: Pick<DnsClient, 'resolve' | 'ask'>;
  /** `host:port` of servers that recurse. */
  readonly resolvers: readonly string[];
  /** Tries to reach this proxy under `name`; null: that is not tried. */
  readonly reach:
    | ((name: string, kind: 'http-01' | 'tls-alpn-01', signal: AbortSignal) => Promise<ReachResult>)
    | null;
  /** Port of the zone's servers; 53 but in tests. */
  readonly port?: number;
  /** For all of it. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const NAMES_MAX = 100;

export class Preflight {
  readonly #options: PreflightOptions;

  constructor(options: PreflightOptions) {
    this.#options = options;
  }

  /** Never rejects. @returns in order of the names; empty: nothing was found */
  async check(request: PreflightRequest, signal: AbortSignal): Promise<PreflightFinding[]> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS);
    const either = AbortSignal.any([signal, timeout]);
    const names = request.names.filter((name) => !isAddress(name)).slice(0, NAMES_MAX);
    const found: PreflightFinding[] = [];
    if (names.length === 0 || !(await this.#hasDns(either))) return found;
    for (const name of names) {
      for (const step of [this.#addresses, this.#caa]) {
        try {
          found.push(...(await step.call(this, name, request, either)));
        } catch {
          // No answer, no finding (F3).
        }
      }
    }
    return found;
  }

  /** Whether any resolver answers at all: without one there is no use in waiting for each name. */
  async #hasDns(signal: AbortSignal): Promise<boolean> {
    const { client, resolvers } = this.#options;
    const asked = resolvers.map((server) => client.ask(server, '.', RecordType.ns, true, signal));
    return Promise.any(asked).then(
      () => true,
      () => false,
    );
  }

  async #addresses(
    name: string,
    request: PreflightRequest,
    signal: AbortSignal,
  ): Promise<PreflightFinding[]> {
    const methods = request.challenges.filter((kind) => kind !== 'dns-01');
    if (name.startsWith('*.') || methods.length < request.challenges.length) return [];
    const { client, resolvers } = this.#options;
    const seen = await hostAddresses(client, resolvers, name, signal);
    const own = await this.#ownAddresses(name, signal);
    const finding = (message: string, isCertain = false): PreflightFinding[] => [
      { name, message, isCertain: isCertain && request.isPublicAuthority },
    ];
    if (seen.length === 0 && own !== null && own.length === 0) {
      return finding(`${name} has no A or AAAA record: add one that leads to this proxy`, true);
    }
    if (seen.length === 0 && own !== null) {
      return finding(
        `${name} is known to its DNS servers but not yet to the resolvers here: ` +
          'wait until the old answer has run out',
      );
    }
    if (seen.length === 0) {
      return finding(`${name} cannot be resolved: see whether its DNS servers answer`);
    }
    const reserved = seen.filter(isPrivateAddress);
    if (request.isPublicAuthority && reserved.length === seen.length) {
      return finding(
        `${name} leads to ${reserved.join(' and ')}, which a public authority cannot reach: ` +
          'use DNS-01, or let the name lead to a public address',
      );
    }
    return this.#reach(name, methods, signal);
  }

  /** Addresses as the zone's own servers say; null: they do not answer. */
  async #ownAddresses(name: string, signal: AbortSignal): Promise<string[] | null> {
    const { client, resolvers, port = 53 } = this.#options;
    const { zone, name: target } = await new ZoneFinder(client, resolvers).find(name, signal);
    if (zone === '') return null;
    const servers = await client.resolve(resolvers, zone, RecordType.ns, signal);
    for (const { type, text } of servers.answers) {
      if (type !== RecordType.ns) continue;
      for (const host of await hostAddresses(client, resolvers, text, signal)) {
        const server = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
        const addresses = await this.#askBoth(server, target, signal);
        if (addresses !== null) return addresses;
      }
    }
    return null;
  }

  async #askBoth(server: string, name: string, signal: AbortSignal): Promise<string[] | null> {
    const found: string[] = [];
    for (const type of [RecordType.a, RecordType.aaaa]) {
      try {
        const answer = await this.#options.client.ask(server, name, type, false, signal);
        const { noError, noSuchName } = ResponseCode;
        const isKnown = answer.code === noError || answer.code === noSuchName;
        if (!isKnown || !answer.isAuthoritative) return null;
        for (const record of answer.answers) if (record.type === type) found.push(record.text);
      } catch {
        return null;
      }
    }
    return found;
  }

  async #reach(
    name: string,
    methods: readonly string[],
    signal: AbortSignal,
  ): Promise<PreflightFinding[]> {
    const { reach } = this.#options;
    if (reach === null) return [];
    const kinds = (['http-01', 'tls-alpn-01'] as const).filter((kind) => methods.includes(kind));
    const words: string[] = [];
    for (const kind of kinds) {
      const result = await reach(name, kind, signal);
      if (result === 'reached') return [];
      const port = kind === 'http-01' ? 80 : 443;
      words.push(
        result === 'elsewhere'
          ? `port ${port} of ${name} is answered by something else`
          : `port ${port} of ${name} does not answer from here`,
      );
    }
    if (words.length === 0) return [];
    const message =
      `${words.join(' and ')}: if that is so from outside too, let the name and the port lead to ` +
      'this proxy';
    return [{ name, isCertain: false, message }];
  }

  async #caa(
    name: string,
    request: PreflightRequest,
    signal: AbortSignal,
  ): Promise<PreflightFinding[]> {
    const isWildcard = name.startsWith('*.');
    const labels = (isWildcard ? name.slice(2) : name).split('.');
    const methods = isWildcard ? ['dns-01'] : request.challenges;
    const { caaIdentities: identities, accountUri } = request;
    for (let i = 0; i < labels.length; i++) {
      const owner = labels.slice(i).join('.');
      const records = await this.#caaRecords(owner, signal);
      if (records.length === 0) continue;
      const why = caaRefusal(records, { isWildcard, identities, accountUri, methods });
      if (why === null) return [];
      const wanted = `0 ${isWildcard ? 'issuewild' : 'issue'} "${identities[0]}"`;
      const message = `the CAA records of ${owner} ${why}: add \`${wanted}\` for ${name}`;
      return [{ name, isCertain: request.isPublicAuthority, message }];
    }
    return [];
  }

  async #caaRecords(name: string, signal: AbortSignal): Promise<CaaRecord[]> {
    const { client, resolvers } = this.#options;
    const answer = await client.resolve(resolvers, name, RecordType.caa, signal);
    const found: CaaRecord[] = [];
    for (const { type, data } of answer.answers) {
      const record = type === RecordType.caa ? readCaa(data) : null;
      if (record !== null) found.push(record);
    }
    return found;
  }
}

function isAddress(name: string): boolean {
  return parseAddress(name, new Uint32Array(4));
}
