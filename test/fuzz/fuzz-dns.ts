/**
 * Fuzzes the readers of DNS messages, CAA records and TSIG signatures with damaged real ones.
 *
 *     node test/fuzz/fuzz-dns.ts [--seconds 60] [--seed 1]
 *
 * Nothing may throw or take long, every name that is read can be written again, and nothing that
 * is damaged has a good signature. A failed case is printed as hex.
 */

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { readCaa } from '../../src/control/dns/caa.ts';
import {
  MessageWriter,
  nameToWire,
  readMessage,
  RecordType,
  writeQuery,
} from '../../src/control/dns/dns-message.ts';
import { answerOf } from '../../src/control/dns/fake-dns.contract.ts';
import type { FakeRecord } from '../../src/control/dns/fake-dns.contract.ts';
import { checkTsig, signTsig } from '../../src/control/dns/providers/tsig.ts';
import type { TsigKey } from '../../src/control/dns/providers/tsig.ts';
import { createPrng } from '../support/prng.ts';
import type { Prng } from '../support/prng.ts';

const BATCH_SIZE = 1_000;
const CHANGES_MAX = 4;
const SLOW_MS = 100;
const NOW_MS = 1_800_000_000_000;
const KEY: TsigKey = { name: 'key', secret: 'c2VjcmV0LXNlY3JldA==', algorithm: 'hmac-sha256' };
/** What one byte is made: ends of labels, pointers, lengths. */
const BYTES = [0, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xc1, 0xff];

/** A few bytes changed, cut out, doubled or made into pointers. */
function damaged(prng: Prng, original: Uint8Array): Uint8Array {
  const bytes = [...original];
  for (let left = 1 + prng.below(CHANGES_MAX); left > 0 && bytes.length > 0; left--) {
    const at = prng.below(bytes.length);
    const size = 1 + prng.below(8);
    switch (prng.below(6)) {
      case 0:
        bytes.splice(at, size);
        break;
      case 1:
        bytes.splice(at, 0, ...bytes.slice(at, at + size));
        break;
      case 2:
        bytes.length = at;
        break;
      case 3:
        bytes[at] = BYTES[prng.below(BYTES.length)]!;
        break;
      case 4:
        bytes.splice(at, 2, 0xc0 | prng.below(2), prng.below(256));
        break;
      default:
        bytes[at] = prng.below(256);
    }
  }
  return Uint8Array.from(bytes);
}

/** Messages as servers send them, with every type that is known. */
function originals(): Uint8Array[] {
  const records: FakeRecord[] = [
    ['a.example.test', 'a', '192.0.2.1'],
    ['a.example.test', 'a', '192.0.2.2'],
    ['a.example.test', 'aaaa', '2001:db8:0:0:0:0:0:1'],
    ['a.example.test', 'ns', 'ns.example.test'],
    ['a.example.test', 'txt', 'x'.repeat(700)],
    ['a.example.test', 'caa', '128 issue "ca.test; accounturi=https://ca.test/1"'],
    ['example.test', 'soa', 'ns.example.test'],
    ['b.example.test', 'cname', 'a.example.test'],
  ];
  const found = Object.values(RecordType).map((type) =>
    answerOf({ records }, writeQuery(1, 'b.example.test', type, true)!),
  );
  // One with compressed names, which the others have not.
  const compressed = new MessageWriter().u16(7).u16(0x8180).u16(1).u16(2).u32(0);
  compressed.bytes(nameToWire('a.example.test')!).u16(RecordType.ns).u16(1);
  for (const label of ['ns1', 'ns2']) {
    compressed.u16(0xc00c).u16(RecordType.ns).u16(1).u32(60).u16(6);
    compressed.u8(3).bytes(Buffer.from(label)).u16(0xc00e);
  }
  return [...found, compressed.done()];
}

function check(bytes: Uint8Array): boolean {
  const message = readMessage(bytes);
  if (message === null) return false;
  const records = [...message.answers, ...message.authorities, ...message.additional];
  for (const { name, type, text, data } of records) {
    assert.notEqual(nameToWire(name), null, 'a name that was read can be written');
    if (type === RecordType.ns) assert.notEqual(nameToWire(text), null);
    readCaa(data);
  }
  return true;
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const prng = createPrng(Number(values.seed));
const messages = originals();
const { bytes: signed, mac } = signTsig(messages[0]!, KEY, NOW_MS);
const end = performance.now() + Number(values.seconds) * 1_000;
let cases = 0;
let read = 0;
while (performance.now() < end) {
  for (let i = 0; i < BATCH_SIZE; i++) {
    const bytes = damaged(prng, messages[prng.below(messages.length)]!);
    const startedMs = performance.now();
    try {
      if (check(bytes)) read++;
      // Not an answer to the request that has this signature, whatever is damaged.
      assert.notEqual(checkTsig(damaged(prng, signed), KEY, mac, NOW_MS), 'ok');
      assert.ok(performance.now() - startedMs < SLOW_MS, 'it takes long');
    } catch (error) {
      throw new Error(Buffer.from(bytes).toString('hex'), { cause: error });
    }
  }
  cases += BATCH_SIZE;
}
process.stdout.write(`${cases} messages, ${read} of them still read\n`);
