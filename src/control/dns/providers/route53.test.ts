import assert from 'node:assert/strict';
import test from 'node:test';
import { signAwsRequest } from './aws-signature.ts';
import {
  fakeTools,
  never,
  NOW_MS,
  provider,
  RECORD,
  SECRET,
  withApi,
} from './fake-api.contract.ts';
import type { FakeCall, FakeReply } from './fake-api.contract.ts';

const ID = 'AKIDEXAMPLE';

const xml = (text: string, status = 200): FakeReply => ({
  status,
  body: `<?xml version="1.0"?>\n${text}`,
});

const zone = (id: string, name: string, isPrivate: boolean): string =>
  `<HostedZone><Id>/hostedzone/${id}</Id><Name>${name}</Name><Config>` +
  `<PrivateZone>${isPrivate}</PrivateZone></Config></HostedZone>`;

/** One record set behind the API of the service, which takes a batch whole or not at all. */
class FakeRoute53 {
  ttl = '300';
  values: string[];
  looks = 0;
  /** Done once between a read and the change that was made of it. */
  meanwhile: (() => void) | null = null;

  constructor(values: readonly string[]) {
    this.values = [...values];
  }

  reply(call: FakeCall): FakeReply {
    const { pathname, searchParams } = new URL(call.path, 'http://x');
    if (pathname === '/2013-04-01/hostedzonesbyname') {
      assert.equal(searchParams.get('dnsname'), 'example.com.');
      return xml(
        `<ListHostedZonesByNameResponse><HostedZones>${zone('ZPRIVATE', 'example.com.', true)}` +
          `${zone('ZPUBLIC', 'example.com.', false)}${zone('ZOTHER', 'example.net.', false)}` +
          '</HostedZones></ListHostedZonesByNameResponse>',
      );
    }
    if (pathname.startsWith('/2013-04-01/change/')) {
      const status = ++this.looks % 2 === 0 ? 'INSYNC' : 'PENDING';
      return xml(
        `<GetChangeResponse><ChangeInfo><Id>${pathname}</Id><Status>${status}</Status>` +
          '</ChangeInfo></GetChangeResponse>',
      );
    }
    assert.ok(pathname.startsWith('/2013-04-01/hostedzone/ZPUBLIC/rrset'), pathname);
    if (call.method === 'GET') {
      assert.equal(searchParams.get('name'), `${RECORD.name}.`);
      const set = xml(`<R><ResourceRecordSets>${this.#set()}</ResourceRecordSets></R>`);
      this.meanwhile?.();
      this.meanwhile = null;
      return set;
    }
    if (!this.#apply(call.body)) {
      return xml(
        '<ErrorResponse><Error><Code>InvalidChangeBatch</Code><Message>[Tried to delete it, but ' +
          'the values provided do not match]</Message></Error></ErrorResponse>',
        400,
      );
    }
    return xml('<C><ChangeInfo><Id>/change/C123</Id><Status>PENDING</Status></ChangeInfo></C>');
  }

  #set(): string {
    const name = this.values.length === 0 ? 'zzz.example.com.' : `${RECORD.name}.`;
    const type = this.values.length === 0 ? 'A' : 'TXT';
    const values = this.values.length === 0 ? ['192.0.2.1'] : this.values;
    return (
      `<ResourceRecordSet><Name>${name}</Name><Type>${type}</Type><TTL>${this.ttl}</TTL>` +
      `<ResourceRecords>${records(values)}</ResourceRecords></ResourceRecordSet>`
    );
  }

  #apply(body: string): boolean {
    const changes = [...body.matchAll(/<Change><Action>(\w+)<\/Action>(.*?)<\/Change>/g)];
    let values: string[] | null = this.values.length === 0 ? null : this.values;
    for (const [, action, set] of changes) {
      const given = [...set!.matchAll(/<Value>(.*?)<\/Value>/g)].map(([, value]) =>
        value!.replaceAll('&quot;', '"'),
      );
      if (action === 'DELETE') {
        if (values === null || values.join() !== given.join()) return false;
        if (!set!.includes(`<TTL>${this.ttl}</TTL>`)) return false;
        values = null;
      } else {
        assert.equal(action, 'CREATE');
        if (values !== null) return false;
        values = given;
      }
    }
    this.values = values ?? [];
    return true;
  }
}

function records(values: readonly string[]): string {
  return values
    .map((value) => value.replaceAll('"', '&quot;'))
    .map((value) => `<ResourceRecord><Value>${value}</Value></ResourceRecord>`)
    .join('');
}

async function withRoute53(
  values: readonly string[],
  run: (
    service: FakeRoute53,
    subject: ReturnType<typeof provider>,
    calls: readonly FakeCall[],
  ) => Promise<void>,
): Promise<void> {
  const service = new FakeRoute53(values);
  await withApi(
    (call) => service.reply(call),
    (api) => {
      const settings = { 'access-key-id': ID, 'secret-access-key': SECRET, api: api.url };
      return run(service, provider('route53', settings, fakeTools()), api.calls);
    },
  );
}

const OURS = `"${RECORD.value}"`;

test('route53: adds beside others, removes by value, waits until all servers have it', async () => {
  await withRoute53(['"other"'], async (service, subject, calls) => {
    await subject.add(RECORD, never);
    assert.deepEqual(service.values, ['"other"', OURS]);
    assert.equal(service.looks, 2, 'PENDING, then INSYNC');
    const changes = (): number => calls.filter(({ method }) => method === 'POST').length;
    assert.equal(changes(), 1);
    await subject.add(RECORD, never);
    assert.equal(changes(), 1, 'what is there is not written again');
    await subject.remove(RECORD, never);
    assert.deepEqual(service.values, ['"other"']);
    await subject.remove(RECORD, never);
    assert.equal(changes(), 2);
  });
});

test('route53: the first value makes the set, the last one takes it away', async () => {
  await withRoute53([], async (service, subject) => {
    await subject.add(RECORD, never);
    assert.deepEqual(service.values, [OURS]);
    service.ttl = '10';
    await subject.remove(RECORD, never);
    assert.deepEqual(service.values, []);
  });
});

test('route53: a change by somebody else in between is not lost', async () => {
  await withRoute53(['"other"'], async (service, subject, calls) => {
    service.meanwhile = () => service.values.push('"third"');
    await subject.add(RECORD, never);
    assert.deepEqual(service.values, ['"other"', '"third"', OURS]);
    assert.equal(calls.filter(({ method }) => method === 'POST').length, 2);
  });
  await withRoute53([], async (service, subject) => {
    service.meanwhile = () => service.values.push('"third"');
    await subject.add(RECORD, never);
    assert.deepEqual(service.values, ['"third"', OURS]);
  });
});

test('route53: every call is signed, and the secret is not in it', async () => {
  await withRoute53([], async (_service, subject, calls) => {
    await subject.add(RECORD, never);
    for (const call of calls) {
      const text = JSON.stringify(call);
      assert.ok(!text.includes(SECRET));
      assert.equal(call.headers['x-amz-date'], '20260801T120000Z');
      const scope = `${ID}/20260801/us-east-1/route53/aws4_request`;
      assert.ok(call.headers.authorization!.includes(`Credential=${scope}, SignedHeaders=host;`));
      const expected = signAwsRequest(
        {
          method: call.method,
          url: `http://${call.headers.host}${call.path}`,
          body: call.body,
          nowMs: NOW_MS,
        },
        {
          accessKeyId: ID,
          secretAccessKey: SECRET,
          sessionToken: '',
          region: 'us-east-1',
          service: 'route53',
        },
      );
      assert.equal(call.headers.authorization, expected['authorization']);
    }
  });
});

test('aws signature: the published example of a plain request', () => {
  const credentials = {
    accessKeyId: ID,
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken: '',
    region: 'us-east-1',
    service: 'service',
  };
  const nowMs = Date.UTC(2015, 7, 30, 12, 36);
  const sign = (url: string): string =>
    signAwsRequest({ method: 'GET', url, body: '', nowMs }, credentials)['authorization']!;
  assert.match(
    sign('https://example.amazonaws.com/'),
    /Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31$/,
  );
  assert.match(
    sign('https://example.amazonaws.com/?Param2=value2&Param1=value1'),
    /Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500$/,
  );
});

test('route53: no public zone of that name is a sentence', async () => {
  await withApi(
    () => ({ status: 200, body: '<R><HostedZones></HostedZones></R>' }),
    async (api) => {
      const settings = { 'access-key-id': ID, 'secret-access-key': SECRET, api: api.url };
      await assert.rejects(provider('route53', settings).add(RECORD, never), {
        isTemporary: false,
        message: /no public hosted zone example\.com/,
      });
    },
  );
});
