import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import type { DnsProviderName } from '../../config/dns-settings.ts';
import {
  fakeTools,
  never,
  NOW_MS,
  provider,
  RECORD,
  SECRET,
  withApi,
} from './fake-api.contract.ts';
import type { FakeApi, FakeCall, FakeReply } from './fake-api.contract.ts';

interface Stored {
  readonly id: number;
  readonly name: string;
  readonly value: string;
}

/** A service that keeps records; each vendor's shape is put around it. */
class Store {
  readonly records: Stored[] = [{ id: 1, name: RECORD.name, value: 'someone-else' }];
  #id = 100;

  add(name: string, value: string): Stored {
    const record = { id: this.#id++, name, value };
    this.records.push(record);
    return record;
  }

  remove(id: number): boolean {
    const at = this.records.findIndex((record) => record.id === id);
    if (at >= 0) this.records.splice(at, 1);
    return at >= 0;
  }

  get values(): string[] {
    return this.records.filter(({ name }) => name === RECORD.name).map(({ value }) => value);
  }
}

const json = (call: FakeCall): Record<string, unknown> =>
  JSON.parse(call.body) as Record<string, unknown>;

const ovhSettings = (api: FakeApi): Record<string, string> => ({
  'application-key': 'app',
  'application-secret': SECRET,
  'consumer-key': 'consumer-key-5678',
  api: `${api.url}/1.0`,
});

const webhookSettings = (api: FakeApi) => ({ url: `${api.url}/hook?a=b`, secret: SECRET });

const acmeDnsSettings = (api: FakeApi) => ({
  api: api.url,
  username: 'user',
  password: SECRET,
  subdomain: 'd420c923-bbd7-4056-ab64-c3ca54c9b3cf',
});

/** What every provider promises: V1, V2, twice is once, no rights is a sentence. */
async function keepsThePromise(
  name: DnsProviderName,
  settings: (api: FakeApi) => Record<string, string>,
  reply: (call: FakeCall, store: Store) => FakeReply,
): Promise<FakeCall[]> {
  const store = new Store();
  let calls: FakeCall[] = [];
  await withApi(
    (call) => reply(call, store),
    async (api) => {
      const subject = provider(name, settings(api));
      await subject.add(RECORD, never);
      assert.deepEqual(store.values, ['someone-else', RECORD.value], 'beside the other one');
      await subject.add(RECORD, never);
      assert.deepEqual(new Set(store.values).size, 2);
      await subject.add({ ...RECORD, value: 'second' }, never);
      await subject.remove(RECORD, never);
      assert.deepEqual(store.values, ['someone-else', 'second'], 'by value');
      await subject.remove(RECORD, never);
      assert.deepEqual(store.values, ['someone-else', 'second'], 'gone is gone');
      calls = api.calls;
    },
  );
  await withApi(
    () => ({ status: 403, body: { message: `not with ${SECRET}` } }),
    async (api) => {
      const error = await provider(name, settings(api))
        .add(RECORD, never)
        .catch((reason: unknown) => reason);
      assert.ok(error instanceof Error && error.name === 'DnsProviderError');
      assert.match(error.message, /403/);
      assert.ok(!error.message.includes(SECRET), error.message);
    },
  );
  return calls;
}

test('cloudflare: adds beside others, removes by value', async () => {
  const calls = await keepsThePromise(
    'cloudflare',
    (api) => ({ token: SECRET, api: `${api.url}/client/v4` }),
    (call, store) => {
      assert.equal(call.headers.authorization, `Bearer ${SECRET}`);
      const { pathname, searchParams } = new URL(call.path, 'http://x');
      if (pathname === '/client/v4/zones') {
        const isOurs = searchParams.get('name') === 'example.com';
        return { status: 200, body: { success: true, result: isOurs ? [{ id: 'z0ne' }] : [] } };
      }
      const base = '/client/v4/zones/z0ne/dns_records';
      if (call.method === 'POST' && pathname === base) {
        const { name, content } = json(call) as { name: string; content: string };
        assert.match(content, /^"[^"]+"$/, 'TXT content is quoted');
        const value = content.slice(1, -1);
        if (store.values.includes(value)) {
          const errors = [{ code: 81_058, message: 'An identical record already exists.' }];
          return { status: 400, body: { success: false, errors } };
        }
        return { status: 200, body: { success: true, result: store.add(name, value) } };
      }
      if (call.method === 'GET' && pathname === base) {
        assert.equal(searchParams.get('type'), 'TXT');
        const here = store.records.filter(({ name }) => name === searchParams.get('name'));
        const result = here.map(({ id, name, value }) => ({
          id: `r${id}`,
          name,
          content: `"${value}"`,
        }));
        return { status: 200, body: { success: true, result } };
      }
      assert.equal(call.method, 'DELETE');
      const isGone = store.remove(Number(pathname.slice(base.length + 2)));
      return { status: isGone ? 200 : 404, body: { result: {} } };
    },
  );
  const created = json(calls.find(({ method }) => method === 'POST')!);
  assert.deepEqual(created, {
    type: 'TXT',
    name: RECORD.name,
    content: `"${RECORD.value}"`,
    ttl: 60,
  });
});

test('cloudflare: a zone that the token may not see is a sentence', async () => {
  await withApi(
    () => ({ status: 200, body: { success: true, result: [] } }),
    async (api) => {
      const subject = provider('cloudflare', { token: SECRET, api: api.url });
      await assert.rejects(subject.add(RECORD, never), {
        isTemporary: false,
        message: /no zone example\.com that this token may see/,
      });
      const nowhere = subject.add({ ...RECORD, zone: '' }, never);
      await assert.rejects(nowhere, /no zone was found/);
    },
  );
});

test('digitalocean: adds beside others, removes by value', async () => {
  const calls = await keepsThePromise(
    'digitalocean',
    (api) => ({ token: SECRET, api: api.url }),
    (call, store) => {
      assert.equal(call.headers.authorization, `Bearer ${SECRET}`);
      const { pathname, searchParams } = new URL(call.path, 'http://x');
      const base = '/v2/domains/example.com/records';
      if (call.method === 'GET' && pathname === base) {
        const here = store.records.filter(({ name }) => name === searchParams.get('name'));
        const records = here.map(({ id, value }) => ({ id, type: 'TXT', data: value }));
        return { status: 200, body: { domain_records: records } };
      }
      if (call.method === 'POST' && pathname === base) {
        const { name, data } = json(call) as { name: string; data: string };
        const record = store.add(`${name}.example.com`, data);
        return { status: 201, body: { domain_record: record } };
      }
      assert.equal(call.method, 'DELETE');
      return { status: store.remove(Number(pathname.slice(base.length + 1))) ? 204 : 404 };
    },
  );
  assert.deepEqual(json(calls.find(({ method }) => method === 'POST')!), {
    type: 'TXT',
    name: '_acme-challenge.www',
    data: RECORD.value,
    ttl: 30,
  });
});

test('hetzner: adds beside others, removes by value, waits for actions', async () => {
  const running = new Map<number, number>();
  let action = 0;
  const calls = await keepsThePromise(
    'hetzner',
    (api) => ({ token: SECRET, api: api.url }),
    (call, store) => {
      assert.equal(call.headers.authorization, `Bearer ${SECRET}`);
      const base = '/v1/zones/example.com/rrsets/_acme-challenge.www/TXT';
      if (call.method === 'GET' && call.path === base) {
        if (store.values.length === 0) return { status: 404, body: { error: { code: 'x' } } };
        const records = store.values.map((value) => ({ value: `"${value}"`, comment: '' }));
        return { status: 200, body: { rrset: { name: '_acme-challenge.www', records } } };
      }
      if (call.method === 'GET') {
        const id = Number(/^\/v1\/actions\/(\d+)$/.exec(call.path)![1]);
        const left = running.get(id)!;
        running.set(id, left - 1);
        return { status: 200, body: { action: { id, status: left > 1 ? 'running' : 'success' } } };
      }
      const { records } = json(call) as { records: { value: string }[] };
      const value = records[0]!.value.slice(1, -1);
      if (call.path === `${base}/actions/add_records`) store.add(RECORD.name, value);
      else {
        assert.equal(call.path, `${base}/actions/remove_records`);
        store.remove(store.records.find((record) => record.value === value)!.id);
      }
      running.set(++action, 2);
      return { status: 201, body: { action: { id: action, status: 'running' } } };
    },
  );
  const added = json(calls.find(({ path }) => path.endsWith('add_records'))!);
  assert.deepEqual(
    added,
    { records: [{ value: `"${RECORD.value}"` }] },
    'keeps the TTL of the set',
  );
  const looks = calls.filter(({ path }) => path.startsWith('/v1/actions/'));
  assert.equal(looks.length, 6, 'two looks at each of three actions');
});

test('hetzner: a new set gets a TTL, and an action that fails is a failure', async () => {
  await withApi(
    (call) =>
      call.method === 'GET'
        ? { status: 404 }
        : {
            status: 201,
            body: { action: { id: 1, status: 'error', error: { message: 'zone is locked' } } },
          },
    async (api) => {
      const subject = provider('hetzner', { token: SECRET, api: api.url });
      await assert.rejects(subject.add(RECORD, never), /zone is locked/);
      assert.equal(json(api.calls.at(-1)!)['ttl'], 60);
    },
  );
});

test('ovh: adds beside others, removes by value, signs with the time of the service', async () => {
  const seconds = NOW_MS / 1_000 + 120;
  let refreshed = 0;
  const calls = await keepsThePromise('ovh', ovhSettings, (call, store) => {
    if (call.path === '/1.0/auth/time') return { status: 200, body: seconds };
    const url = `http://${call.headers.host}${call.path}`;
    const signed = [SECRET, 'consumer-key-5678', call.method, url, call.body, seconds].join('+');
    const expected = `$1$${createHash('sha1').update(signed).digest('hex')}`;
    assert.equal(call.headers['x-ovh-signature'], expected);
    assert.equal(call.headers['x-ovh-timestamp'], String(seconds));
    assert.equal(call.headers['x-ovh-application'], 'app');
    const { pathname, searchParams } = new URL(url);
    const base = '/1.0/domain/zone/example.com';
    if (pathname === `${base}/refresh`) {
      refreshed++;
      return { status: 200, body: 'null' };
    }
    if (call.method === 'GET' && pathname === `${base}/record`) {
      assert.equal(searchParams.get('subDomain'), '_acme-challenge.www');
      return { status: 200, body: store.records.map(({ id }) => id) };
    }
    if (call.method === 'POST') {
      const { subDomain, target } = json(call) as { subDomain: string; target: string };
      const record = store.add(`${subDomain}.example.com`, target.slice(1, -1));
      return { status: 200, body: record };
    }
    const id = Number(pathname.slice(`${base}/record/`.length));
    if (call.method === 'DELETE') return { status: store.remove(id) ? 200 : 404, body: 'null' };
    const record = store.records.find((item) => item.id === id);
    return { status: 200, body: { id, target: `"${record?.value}"` } };
  });
  assert.equal(refreshed, 4, 'three additions, one removal');
  assert.equal(calls.filter(({ path }) => path.endsWith('/auth/time')).length, 1);
});

test('webhook: posts the change with its secret', async () => {
  const store = new Store();
  const calls = await keepsThePromise('webhook', webhookSettings, (call, shared) => {
    assert.equal(call.headers.authorization, `Bearer ${SECRET}`);
    const { action, name, value } = json(call) as { action: string; name: string; value: string };
    if (action === 'add' && !shared.values.includes(value)) shared.add(name, value);
    const found = shared.records.find((record) => record.value === value);
    if (action === 'remove' && found !== undefined) shared.remove(found.id);
    return { status: 204 };
  });
  assert.equal(store.values.length, 1);
  assert.deepEqual(json(calls[0]!), {
    action: 'add',
    name: RECORD.name,
    zone: 'example.com',
    value: RECORD.value,
    ttl: 10,
  });
  assert.equal(calls[0]!.path, '/hook?a=b');
});

test('acme-dns: updates its registration, and asks for the CNAME where there is none', async () => {
  await withApi(
    () => ({ status: 200, body: { txt: RECORD.value } }),
    async (api) => {
      const subject = provider('acme-dns', acmeDnsSettings(api));
      await assert.rejects(subject.add(RECORD, never), /make it a CNAME of d420c923/);
      assert.equal(api.calls.length, 0);
      const name = 'd420c923-bbd7-4056-ab64-c3ca54c9b3cf.auth.example.org';
      await subject.add({ ...RECORD, name }, never);
      await subject.remove({ ...RECORD, name }, never);
      const [call] = api.calls;
      assert.equal(api.calls.length, 1);
      assert.equal(`${call!.method} ${call!.path}`, 'POST /update');
      assert.equal(call!.headers['x-api-user'], 'user');
      assert.equal(call!.headers['x-api-key'], SECRET);
      assert.deepEqual(json(call!), {
        subdomain: acmeDnsSettings(api).subdomain,
        txt: RECORD.value,
      });
    },
  );
});

test('providers: 429 with Retry-After is waited for', async () => {
  const tools = fakeTools();
  await withApi(
    (_call, index) =>
      index === 0 ? { status: 429, headers: { 'retry-after': '2' } } : { status: 204 },
    async (api) => {
      await provider('webhook', { url: api.url }, tools).add(RECORD, never);
      assert.deepEqual(tools.pauses, [2_000]);
    },
  );
});
