/**
 * Provider `route53`: hosted zones of Amazon Route 53.
 *
 * All values of a name are one record set here, so a change is made of what was read: the old set
 * deleted and the new one created in one batch, which the service does whole or not at all. When
 * somebody else was faster the old set is no longer there as it was; then it is read again.
 */

import type { ApiCall } from '../api-call.ts';
import { DnsProviderError } from '../dns-provider.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { signAwsRequest } from './aws-signature.ts';
import { apiClient, apiUrl, quoted, setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

const CHANGES_MAX = 8;
const SYNC_LOOKS_MAX = 60;
const SYNC_INTERVAL_MS = 2_000;
const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';
/** Errors that say: try that again. */
const AGAIN = /<Code>(InvalidChangeBatch|PriorRequestNotComplete|Throttling)<\/Code>/;

interface RecordSet {
  readonly ttl: string;
  /** With quotes, as the service has them. */
  readonly values: readonly string[];
}

export function route53Provider(input: ProviderInput): DnsProvider {
  const client = new Route53(input);
  return {
    add: (record, signal) =>
      client.change(record, signal, (values) =>
        values.includes(quoted(record.value)) ? values : [...values, quoted(record.value)],
      ),
    remove: (record, signal) =>
      client.change(record, signal, (values) =>
        values.filter((value) => value !== quoted(record.value)),
      ),
  };
}

class Route53 {
  readonly #input: ProviderInput;
  readonly #api;

  constructor(input: ProviderInput) {
    this.#input = input;
    this.#api = apiClient(input, 'Route 53');
  }

  /** Makes the values of a name what `next` says of those it has, and waits until all show it. */
  async change(
    record: TxtRecord,
    signal: AbortSignal,
    next: (values: readonly string[]) => readonly string[],
  ): Promise<void> {
    const zone = await this.#zoneId(record, signal);
    const path = `/2013-04-01/hostedzone/${zone}/rrset`;
    for (let tried = 1; ; tried++) {
      const old = await this.#read(path, record, signal);
      const values = next(old?.values ?? []);
      if (values.length === (old?.values.length ?? 0)) return;
      const body = changeBody(record, old, values);
      const answer = await this.#api.call(this.#call('POST', `${path}/`, body), signal);
      if (answer.status === 200) return this.#inSync(tag(answer.text, 'Id'), signal);
      if (!AGAIN.test(answer.text) || tried === CHANGES_MAX) throw this.#api.refusal(answer);
      await this.#input.tools.delay(500 * tried, signal);
    }
  }

  async #inSync(id: string, signal: AbortSignal): Promise<void> {
    const change = id.replace(/^\/change\//, '');
    for (let i = 0; i < SYNC_LOOKS_MAX; i++) {
      const text = await this.#get(`/2013-04-01/change/${encodeURIComponent(change)}`, signal);
      if (tag(text, 'Status') === 'INSYNC') return;
      await this.#input.tools.delay(SYNC_INTERVAL_MS, signal);
    }
    throw new DnsProviderError('Route 53 has not spread the change after two minutes', true);
  }

  async #zoneId(record: TxtRecord, signal: AbortSignal): Promise<string> {
    const given = setting(this.#input, 'hosted-zone-id').replace(/^\/hostedzone\//, '');
    if (given !== '') return given;
    const zone = zoneOf(record);
    const text = await this.#get(`/2013-04-01/hostedzonesbyname?dnsname=${zone}.`, signal);
    for (const item of tags(text, 'HostedZone')) {
      const isOurs = unescape(tag(item, 'Name')).toLowerCase() === `${zone}.`;
      const id = tag(item, 'Id').replace(/^\/hostedzone\//, '');
      if (isOurs && tag(item, 'PrivateZone') !== 'true' && /^[A-Z0-9]+$/.test(id)) return id;
    }
    throw new DnsProviderError(
      `Route 53 has no public hosted zone ${zone} that these credentials may see`,
      false,
    );
  }

  async #read(path: string, record: TxtRecord, signal: AbortSignal): Promise<RecordSet | null> {
    const query = `name=${encodeURIComponent(`${record.name}.`)}&type=TXT&maxitems=1`;
    const text = await this.#get(`${path}?${query}`, signal);
    const set = tags(text, 'ResourceRecordSet')[0] ?? '';
    const isOurs = unescape(tag(set, 'Name')).toLowerCase() === `${record.name}.`;
    if (!isOurs || tag(set, 'Type') !== 'TXT') return null; // It lists from that name onward.
    const values = tags(set, 'ResourceRecord').map((item) => unescape(tag(item, 'Value')));
    return { ttl: tag(set, 'TTL'), values };
  }

  async #get(path: string, signal: AbortSignal): Promise<string> {
    const answer = await this.#api.call(this.#call('GET', path, ''), signal);
    if (answer.status !== 200) throw this.#api.refusal(answer);
    return answer.text;
  }

  #call(method: ApiCall['method'], path: string, body: string): () => ApiCall {
    const url = `${apiUrl(this.#input)}${path}`;
    const credentials = {
      accessKeyId: setting(this.#input, 'access-key-id'),
      secretAccessKey: setting(this.#input, 'secret-access-key'),
      sessionToken: setting(this.#input, 'session-token'),
      region: setting(this.#input, 'region'),
      service: 'route53',
    };
    return () => {
      const nowMs = this.#input.tools.nowMs();
      const headers = signAwsRequest({ method, url, body, nowMs }, credentials);
      return { method, url, headers: { ...headers, 'content-type': 'text/xml' }, body };
    };
  }
}

function changeBody(record: TxtRecord, old: RecordSet | null, values: readonly string[]): string {
  const change = (action: string, set: RecordSet): string =>
    `<Change><Action>${action}</Action><ResourceRecordSet><Name>${escape(record.name)}.</Name>` +
    `<Type>TXT</Type><TTL>${escape(set.ttl)}</TTL><ResourceRecords>` +
    set.values
      .map((value) => `<ResourceRecord><Value>${escape(value)}</Value></ResourceRecord>`)
      .join('') +
    '</ResourceRecords></ResourceRecordSet></Change>';
  const changes = old === null ? '' : change('DELETE', old);
  const ttl = old?.ttl ?? String(record.ttlSeconds);
  const created = values.length === 0 ? '' : change('CREATE', { ttl, values });
  return (
    `<?xml version="1.0" encoding="UTF-8"?><ChangeResourceRecordSetsRequest xmlns="${NAMESPACE}">` +
    `<ChangeBatch><Changes>${changes}${created}</Changes></ChangeBatch>` +
    '</ChangeResourceRecordSetsRequest>'
  );
}

/** Content of the first element of that name; empty: none. Its XML has no attributes inside. */
function tag(text: string, name: string): string {
  return tags(text, name)[0] ?? '';
}

function tags(text: string, name: string): string[] {
  const open = `<${name}>`;
  const close = `</${name}>`;
  const found: string[] = [];
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at)) {
    const end = text.indexOf(close, at);
    if (end < 0) break;
    found.push(text.slice(at + open.length, end));
    at = end;
  }
  return found;
}

const ENTITIES: readonly (readonly [string, string])[] = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
];

function escape(text: string): string {
  return ENTITIES.reduce((done, [char, entity]) => done.replaceAll(char, entity), text);
}

function unescape(text: string): string {
  return ENTITIES.toReversed().reduce(
    (done, [char, entity]) => done.replaceAll(entity, char),
    text,
  );
}
