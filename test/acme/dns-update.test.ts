/** A wildcard certificate through BIND: the real proxy, Pebble, and DNS UPDATE between them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DnsClient } from '../../src/control/dns/dns-client.ts';
import { RecordType } from '../../src/control/dns/dns-message.ts';
import { IssuingStage, NAMES, pebbleAuthority } from '../support/issuing-stage.ts';
import { hasNamed, NameServer } from '../support/name-server.ts';
import { hasPebble, Pebble } from '../support/pebble.ts';
import { until } from '../support/wait.ts';

const [, , WILD] = NAMES;
const skip = hasPebble() && hasNamed() ? false : 'pebble or named (BIND) is not installed';

test(
  'dns update: BIND shows the record, the wildcard comes, the record goes',
  { skip },
  async (t) => {
    const server = await NameServer.start('example.test');
    t.after(() => server.stop());
    const pebble = await Pebble.start({ dnsServer: server.address });
    t.after(() => pebble.stop());
    const dns =
      `provider = "rfc2136"\nserver = "${server.address}"\nkey-name = "${server.keyName}"\n` +
      `key-secret = "${server.keySecret}"\n`;
    const stage = await IssuingStage.open(pebbleAuthority(pebble), { names: [WILD], dns });
    t.after(() => stage.close());
    await stage.start();
    const served = await stage.served(WILD.served);
    assert.deepEqual(served.names, [WILD.name]);
    const { signal } = new AbortController();
    const owner = '_acme-challenge.wild.example.test';
    await until(async () => {
      const client = new DnsClient();
      const answer = await client.ask(server.address, owner, RecordType.txt, false, signal);
      return answer.answers.length === 0;
    }, 'the record to be gone');
    assert.ok(!stage.child!.output.includes(server.keySecret), 'the key is in no line of the log');
  },
);
