/**
 * Propagation: waits until every server that an authority may ask shows a TXT record.
 *
 * P1  asked are the zone's own servers, each by its own addresses and past every cache; where
 *     resolvers are configured, those instead.
 * P2  every server that answers must show the value. One that never answered in several rounds is
 *     passed over once all others show it: the authority's resolver would pass over it too.
 * P3  it ends: at the timeout, with a sentence that names a server and what it lacks.
 */

import { formatDuration } from '../../base/duration.ts';
import { DnsQueryError } from './dns-client.ts';
import type { DnsClient } from './dns-client.ts';
import { RecordType } from './dns-message.ts';
import { DnsProviderError } from './dns-provider.ts';
import type { TxtRecord } from './dns-provider.ts';
import type { DnsTools } from './dns-tools.ts';

export interface PropagationOptions {
  readonly client: Pick<DnsClient, 'resolve' | 'ask'>;
  /** Resolvers through which the zone's servers are found. */
  readonly systemResolvers: readonly string[];
  /** Resolvers to look at instead of the zone's servers; empty: the zone's servers. */
  readonly resolvers: readonly string[];
  readonly timeoutMs: number;
  readonly delayMs: number;
  /** False: after the delay it is taken for granted. */
  readonly isChecked: boolean;
  /** Port of the zone's servers; 53 but in tests. */
  readonly port?: number;
  readonly tools: DnsTools;
}

interface Watched {
  /** For messages. */
  readonly name: string;
  /** `host:port`, any of which will do. */
  readonly addresses: readonly string[];
  state: 'unknown' | 'shows' | 'lacks' | 'silent';
}

const LOOK_INTERVAL_MS = 2_000;
const SILENT_ROUNDS = 3;
const SERVERS_MAX = 16;

export class Propagation {
  readonly #options: PropagationOptions;

  constructor(options: PropagationOptions) {
    this.#options = options;
  }

  /** @throws DnsProviderError only */
  async wait(
    record: TxtRecord,
    signal: AbortSignal,
    onStep: (step: string) => void,
  ): Promise<void> {
    const { tools, delayMs, timeoutMs } = this.#options;
    if (delayMs > 0) {
      onStep(`waiting ${formatDuration(delayMs)} for DNS`);
      await tools.delay(delayMs, signal);
    }
    if (!this.#options.isChecked) return;
    const endMs = tools.nowMs() + timeoutMs;
    const servers = await this.#servers(record, signal);
    for (let round = 1; ; round++) {
      await Promise.all(servers.map((server) => this.#look(server, record, signal)));
      if (isSeen(servers, round)) return;
      const lacking = servers.find(({ state }) => state !== 'shows')!;
      // Counted as well: a clock that is set back does not hold the order up.
      const isLate = tools.nowMs() + LOOK_INTERVAL_MS > endMs;
      if (isLate || round * LOOK_INTERVAL_MS > timeoutMs) throw this.#tooLate(lacking, record);
      onStep(`waiting for ${lacking.name} to show the record ${record.name}`);
      await tools.delay(LOOK_INTERVAL_MS, signal);
    }
  }

  #tooLate(server: Watched, record: TxtRecord): DnsProviderError {
    const after = formatDuration(this.#options.timeoutMs);
    const what =
      server.state === 'silent'
        ? 'does not answer'
        : `does not show the TXT record of ${record.name}`;
    return new DnsProviderError(
      `${server.name} ${what} after ${after}: see whether the provider has it, ` +
        'or allow more time with `dns.propagation-timeout`',
      true,
    );
  }

  async #servers(record: TxtRecord, signal: AbortSignal): Promise<Watched[]> {
    const { resolvers, systemResolvers } = this.#options;
    const own = resolvers.length > 0 ? [] : await this.#zoneServers(record.zone, signal);
    if (own.length > 0) return own;
    const asked = resolvers.length > 0 ? resolvers : systemResolvers;
    if (asked.length === 0) {
      throw new DnsProviderError('there is no DNS server to look at: set `dns.resolvers`', false);
    }
    return asked.map((server) => ({ name: server, addresses: [server], state: 'unknown' }));
  }

  /** @returns empty: the zone is not known, or none of its servers has an address */
  async #zoneServers(zone: string, signal: AbortSignal): Promise<Watched[]> {
    if (zone === '') return [];
    const { client, systemResolvers } = this.#options;
    const found: Watched[] = [];
    try {
      const answer = await client.resolve(systemResolvers, zone, RecordType.ns, signal);
      const records = answer.answers.filter(({ type }) => type === RecordType.ns);
      for (const { text: name } of records.slice(0, SERVERS_MAX)) {
        const addresses = await this.#addresses(name, signal);
        if (addresses.length > 0) found.push({ name, addresses, state: 'unknown' });
      }
    } catch (error) {
      if (!(error instanceof DnsQueryError)) throw error;
      if (found.length === 0) throw new DnsProviderError(error.message, true, { cause: error });
    }
    return found;
  }

  async #addresses(name: string, signal: AbortSignal): Promise<string[]> {
    const { client, systemResolvers, port = 53 } = this.#options;
    const hosts = await hostAddresses(client, systemResolvers, name, signal);
    return hosts.map((host) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`));
  }

  async #look(server: Watched, record: TxtRecord, signal: AbortSignal): Promise<void> {
    if (server.state === 'shows') return;
    const isRecursive = this.#options.resolvers.length > 0 || record.zone === '';
    server.state = 'silent';
    for (const address of server.addresses) {
      try {
        const { client } = this.#options;
        const { name, value } = record;
        const answer = await client.ask(address, name, RecordType.txt, isRecursive, signal);
        const isThere = answer.answers.some(
          ({ type, text }) => type === RecordType.txt && text === value,
        );
        server.state = isThere ? 'shows' : 'lacks';
        return;
      } catch (error) {
        if (!(error instanceof DnsQueryError)) throw error;
      }
    }
  }
}

/** Whether enough of them show it (P2). */
function isSeen(servers: readonly Watched[], round: number): boolean {
  const shown = servers.filter(({ state }) => state === 'shows').length;
  if (shown === servers.length) return true;
  const silent = servers.filter(({ state }) => state === 'silent').length;
  return shown > 0 && round >= SILENT_ROUNDS && shown + silent === servers.length;
}

/** Addresses of a name, of both families; one that cannot be resolved has none. */
export async function hostAddresses(
  client: Pick<DnsClient, 'resolve'>,
  resolvers: readonly string[],
  name: string,
  signal: AbortSignal,
): Promise<string[]> {
  const addresses: string[] = [];
  for (const type of [RecordType.a, RecordType.aaaa]) {
    try {
      const answer = await client.resolve(resolvers, name, type, signal);
      for (const record of answer.answers) {
        if (record.type === type) addresses.push(record.text);
      }
    } catch (error) {
      if (!(error instanceof DnsQueryError)) throw error;
    }
  }
  return addresses;
}
