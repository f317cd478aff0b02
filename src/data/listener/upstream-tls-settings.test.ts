import assert from 'node:assert/strict';
import test from 'node:test';
import type { EndpointSpec, ServiceSpec } from '../../contract/snapshot.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { UpstreamTlsSettings } from './upstream-tls-settings.ts';

const TLS = {
  verify: true,
  cas: [],
  serverName: '',
  cert: '',
  key: '',
  pins: [],
  minVersion: '1.2',
} as const;

const endpoint = (host: string): EndpointSpec => ({ host, isTls: true }) as EndpointSpec;

function service(name: string, hosts: readonly string[]): ServiceSpec {
  return { name, tls: { ...TLS }, endpoints: hosts.map(endpoint) } as unknown as ServiceSpec;
}

test('upstream tls settings: kept as long as an endpoint has them, then forgotten', () => {
  const settings = new UpstreamTlsSettings(new Simulation({ seed: 1 }), assert.fail);
  const both = service('s', ['a.test', 'b.test']);
  const [a, b] = both.endpoints.map((one) => settings.poolTls(both, one));
  assert.notEqual(a, b);
  settings.retain([both]);
  assert.equal(settings.poolTls(both, endpoint('a.test')), a);
  const one = service('s', ['b.test']);
  settings.retain([one]);
  assert.equal(settings.poolTls(one, endpoint('b.test')), b, 'its connections stay');
  assert.notEqual(settings.poolTls(both, endpoint('a.test')), a, 'nothing is kept of it');
  settings.retain([]);
  assert.notEqual(settings.poolTls(one, endpoint('b.test')), b);
});

test('upstream tls settings: an endpoint with TLS of a service without is not connected to', () => {
  const settings = new UpstreamTlsSettings(new Simulation({ seed: 1 }), assert.fail);
  const bare = { ...service('s', ['a.test']), tls: null };
  assert.equal(settings.poolTls(bare, endpoint('a.test'))?.client, null);
  assert.equal(settings.poolTls(bare, { ...endpoint('a.test'), isTls: false }), null);
});
