import test from 'node:test';
import assert from 'node:assert/strict';
import { utf8Bytes } from '../../base/utf8.ts';
import type { ServerTlsOptions } from '../io/backend.ts';
import { SimServerContext } from '../io/sim/sim-tls.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { Challenges } from './challenges.ts';
import { linkedPolicy } from './tls-fixtures.contract.ts';

const policy = linkedPolicy({ clientAuth: 'verify', clientCas: ['ca'] });

function alpn(host: string, cert = 'cert'): Parameters<Challenges['set']>[0][number] {
  return { kind: 'tls-alpn-01', host, cert, key: 'key' };
}

test('challenges: answers a token for its host, and nothing else', () => {
  const challenges = new Challenges(new Simulation({ seed: 1 }), () => {});
  assert.equal(challenges.hasHttp, false);
  const keyAuthorization = 'tok.thumb';
  challenges.set([{ kind: 'http-01', host: 'a.test', token: 'tok', keyAuthorization }]);
  assert.equal(challenges.hasHttp, true);
  assert.deepEqual(challenges.httpAnswer('a.test', 'tok'), utf8Bytes(keyAuthorization));
  assert.equal(challenges.httpAnswer('b.test', 'tok'), null);
  assert.equal(challenges.httpAnswer('a.test', 'to'), null);
  assert.equal(challenges.httpAnswer('a.test', ''), null);
  challenges.set([]);
  assert.equal(challenges.httpAnswer('a.test', 'tok'), null);
  assert.equal(challenges.hasHttp, false);
});

test('challenges: builds the context of a certificate that asks nothing of the client', () => {
  const sim = new Simulation({ seed: 1 });
  const built: ServerTlsOptions[] = [];
  sim.serverTls = (options) => {
    built.push(options);
    return new SimServerContext(options);
  };
  const challenges = new Challenges(sim, () => {});
  challenges.set([alpn('a.test')]);
  const context = challenges.alpnContext('a.test', policy);
  assert.notEqual(context, null);
  assert.equal(challenges.alpnContext('a.test', policy), context);
  assert.equal(challenges.alpnContext('b.test', policy), null);
  assert.equal(built.length, 1);
  assert.equal(built[0]!.clientAuth, 'none');
  assert.equal(built[0]!.ticketSecret, null);
  challenges.set([alpn('a.test'), alpn('b.test')]);
  assert.equal(challenges.alpnContext('a.test', policy), context, 'it stays while it is open');
  assert.equal((context as SimServerContext).isClosed, false);
  challenges.set([alpn('a.test', 'another')]);
  assert.equal((context as SimServerContext).isClosed, true);
  assert.notEqual(challenges.alpnContext('a.test', policy), context);
});

test('challenges: one that has no context is reported once', () => {
  const sim = new Simulation({ seed: 1 });
  sim.serverTls = () => 'no start line';
  const reports: string[] = [];
  const challenges = new Challenges(sim, (message) => void reports.push(message));
  challenges.set([alpn('a.test')]);
  assert.equal(challenges.alpnContext('a.test', policy), null);
  assert.equal(challenges.alpnContext('a.test', policy), null);
  assert.deepEqual(reports, ['the TLS-ALPN challenge for a.test has no context: no start line']);
});
