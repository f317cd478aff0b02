/**
 * Provider `rfc2136`: DNS UPDATE (RFC 2136) signed with TSIG, for BIND, Knot, PowerDNS and such.
 *
 * One record is added to or deleted from its set, so values of one name never touch each other.
 */

import { randomInt } from 'node:crypto';
import { DnsClient, DnsQueryError } from '../dns-client.ts';
import { MessageWriter, nameToWire, readMessage, RecordType } from '../dns-message.ts';
import { ResponseCode, responseCodeText } from '../dns-message.ts';
import { DnsProviderError } from '../dns-provider.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';
import { checkTsig, signTsig } from './tsig.ts';
import type { TsigKey, TsigVerdict } from './tsig.ts';

const CLASS_INTERNET = 1;
const CLASS_NONE = 254;
const OPCODE_UPDATE = 0x2800;
const TRIES_MAX = 3;

export function rfc2136Provider(input: ProviderInput): DnsProvider {
  const client = new DnsClient({ timeoutMs: 5_000 });
  return {
    add: (record, signal) => update(input, client, record, true, signal),
    remove: (record, signal) => update(input, client, record, false, signal),
  };
}

async function update(
  input: ProviderInput,
  client: DnsClient,
  record: TxtRecord,
  isAdded: boolean,
  signal: AbortSignal,
): Promise<void> {
  const server = setting(input, 'server');
  const key: TsigKey = {
    name: setting(input, 'key-name'),
    secret: setting(input, 'key-secret'),
    algorithm: setting(input, 'key-algorithm') as TsigKey['algorithm'],
  };
  let problem = '';
  for (let tried = 0; tried < TRIES_MAX; tried++) {
    const message = writeUpdate(randomInt(65_536), record, isAdded);
    const signed = signTsig(message, key, input.tools.nowMs());
    let answer: Uint8Array;
    try {
      answer = await client.exchangeRaw(server, signed.bytes, signal);
    } catch (error) {
      if (!(error instanceof DnsQueryError)) throw error;
      problem = error.message;
      continue; // The same change twice is the same change: sets hold a value once.
    }
    const { code } = readMessage(answer)!;
    const verdict = checkTsig(answer, key, signed.mac, input.tools.nowMs());
    if (verdict === 'ok' && code === ResponseCode.noError) return;
    throw refusal(server, record, code, verdict);
  }
  throw new DnsProviderError(`the change of DNS did not get through: ${problem}`, true);
}

function refusal(
  server: string,
  record: TxtRecord,
  code: number,
  verdict: TsigVerdict,
): DnsProviderError {
  const about: { readonly [V in TsigVerdict]: string } = {
    ok: `does its key have the right to change TXT records of ${record.name}?`,
    unsigned: 'does the server know the TSIG key, and is it the same one?',
    invalid: 'is it the same TSIG key and algorithm on both sides?',
    time: 'the clocks here and there differ by more than five minutes',
    key: 'the server does not know a TSIG key of that name',
  };
  const said = `${server} refused to change ${record.zone} (${responseCodeText(code)})`;
  const isTemporary = verdict === 'ok' && code === ResponseCode.serverFailure;
  return new DnsProviderError(`${said}: ${about[verdict]}`, isTemporary);
}

/** An update of one record (RFC 2136 §2.5.1 adds, §2.5.4 deletes one of a set). */
export function writeUpdate(id: number, record: TxtRecord, isAdded: boolean): Uint8Array {
  const zone = nameToWire(zoneOf(record));
  const name = nameToWire(record.name);
  const value = new TextEncoder().encode(record.value);
  if (zone === null || name === null || value.length > 255) {
    throw new DnsProviderError(`${record.name} is no name that DNS can carry`, false);
  }
  return new MessageWriter()
    .u16(id)
    .u16(OPCODE_UPDATE)
    .u16(1) // One zone, no prerequisites, one change, nothing additional.
    .u16(0)
    .u16(1)
    .u16(0)
    .bytes(zone)
    .u16(RecordType.soa)
    .u16(CLASS_INTERNET)
    .bytes(name)
    .u16(RecordType.txt)
    .u16(isAdded ? CLASS_INTERNET : CLASS_NONE)
    .u32(isAdded ? record.ttlSeconds : 0)
    .u16(value.length + 1)
    .u8(value.length)
    .bytes(value)
    .done();
}
