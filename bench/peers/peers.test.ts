import test from 'node:test';
import assert from 'node:assert/strict';
import { loadConfig } from '../../src/control/config/load-config.ts';
import { memorySource } from '../../src/control/config/memory-source.ts';
import { caddyPeer } from './caddy.ts';
import { commandPeer, fillCommand } from './command.ts';
import { haproxyPeer } from './haproxy.ts';
import { nginxPeer } from './nginx.ts';
import type { PeerSetup } from './peer.ts';
import { missingProgram } from './peer.ts';
import { proxyNowPeer } from './proxy-now.ts';
import { traefikPeer } from './traefik.ts';

const SETUP: PeerSetup = {
  dir: '/scratch/7-peer',
  port: 18_001,
  adminPort: 18_002,
  originPort: 18_003,
  hasAccessLog: false,
  routeCount: 0,
  isLongStream: false,
  certificate: null,
};

const PEERS = [
  nginxPeer(''),
  haproxyPeer(''),
  caddyPeer(''),
  traefikPeer('traefik', ''),
  proxyNowPeer(),
];

/** Everything a peer is told, files and command. */
function told(peer: (typeof PEERS)[number], setup: PeerSetup): string {
  const plan = peer.plan(setup)!;
  return [...Object.values(plan.files), ...plan.command].join('\n');
}

test('peers: each is told its port, the origin, and to stay on loopback', () => {
  for (const peer of PEERS) {
    const text = told(peer, SETUP);
    assert.match(text, /18001/, peer.name);
    assert.match(text, /127\.0\.0\.1:18003/, peer.name);
    assert.doesNotMatch(text, /0\.0\.0\.0/, peer.name);
  }
});

test('peers: each speaks TLS with the certificate when there is one, and only then', () => {
  const certificate = { chain: 'CHAIN\n', key: 'KEY\n' };
  for (const peer of PEERS) {
    const text = told(peer, { ...SETUP, certificate });
    assert.match(text, /site(-both)?\.pem/, peer.name);
    assert.match(text, /CHAIN\nKEY/, peer.name);
    assert.doesNotMatch(told(peer, SETUP), /site|CHAIN/, peer.name);
  }
});

test('peers: each logs accesses when asked, and only then', () => {
  for (const peer of PEERS) {
    const logged = told(peer, { ...SETUP, hasAccessLog: true });
    assert.notEqual(logged, told(peer, SETUP), peer.name);
    assert.doesNotMatch(told(peer, SETUP), /access\.log|httplog/, peer.name);
  }
});

test('peers: nginx and Traefik get as many routes as Proxy Now, the others take no part', () => {
  const setup = { ...SETUP, routeCount: 25 };
  assert.equal(told(nginxPeer(''), setup).match(/ location /g)?.length, 25);
  assert.equal(told(traefikPeer('traefik', ''), setup).match(/rule = /g)?.length, 25);
  assert.equal(told(proxyNowPeer(), setup).match(/\[routes\./g)?.length, 25);
  assert.equal(haproxyPeer('').plan(setup), null);
  assert.equal(caddyPeer('').plan(setup), null);
});

test('peers: what Proxy Now is told is a configuration without issues', async () => {
  for (const change of [{}, { hasAccessLog: true }, { routeCount: 25 }]) {
    const { files } = proxyNowPeer().plan({ ...SETUP, ...change })!;
    const { config, issues } = await loadConfig('proxy-now.toml', memorySource(files));
    assert.deepEqual(issues, []);
    assert.notEqual(config, null);
  }
});

test('peers: a program that is nowhere is missing, with its name in the reason', () => {
  assert.match(missingProgram('no-such-proxy', '/bin')!, /no-such-proxy/);
  assert.equal(missingProgram('sh', '/bin'), null);
  assert.equal(missingProgram('/bin/sh', ''), null);
});

test('peers: an extra command gets every placeholder filled, each as often as it stands', () => {
  const text = fillCommand('x {port} {origin} {admin} {dir}/a {port}', SETUP);
  assert.equal(text, 'x 18001 18003 18002 /scratch/7-peer/a 18001');
  const extra = commandPeer({ name: 'x', command: 'x {port}' });
  assert.deepEqual(extra.plan(SETUP)?.command, ['sh', '-c', 'x 18001']);
  assert.equal(extra.plan({ ...SETUP, routeCount: 1 }), null);
});
