/**
 * The ACME client against Pebble: every kind of challenge, wildcards and addresses, with nonces
 * that are refused; accounts, chains, revocation. Skipped where Pebble is not installed.
 */

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';

import { acmeClock } from '../../src/control/certificate/acme-clock.ts';
import type { DnsSteps } from '../../src/control/certificate/acme-solvers.ts';
import { IssueError } from '../../src/control/certificate/issuer.ts';
import type { ChallengeKind } from '../../src/control/config/config.ts';
import { AcmeClientStage, type AcmeClientStageOptions } from '../support/acme-client-stage.ts';
import { MemoryStores } from '../support/acme-stores.ts';
import { ChallengeServer } from '../support/challenge-server.ts';
import { hasPebble, Pebble, type PebbleOptions } from '../support/pebble.ts';

const skip = hasPebble() ? false : 'pebble is not installed';

interface Scene {
  readonly pebble: Pebble;
  readonly board: ChallengeServer;
  readonly stores: MemoryStores;
  readonly stage: (options?: Partial<AcmeClientStageOptions>) => AcmeClientStage;
}

const endings: (() => unknown)[] = [];

after(async () => {
  for (const end of endings.toReversed()) await end();
});

async function scene(options: PebbleOptions = {}): Promise<Scene> {
  const pebble = await Pebble.start(options);
  endings.push(() => pebble.stop());
  const board = await ChallengeServer.start(pebble.httpPort, pebble.tlsPort);
  endings.push(() => board.stop());
  const stores = new MemoryStores();
  const stage = (more: Partial<AcmeClientStageOptions> = {}): AcmeClientStage => {
    const made = new AcmeClientStage({
      directory: pebble.directory,
      ca: pebble.ca,
      stores,
      board,
      clock: acmeClock(() => Date.now()),
      dns: dnsOf(pebble),
      ...more,
    });
    endings.push(() => made.close());
    return made;
  };
  return { pebble, board, stores, stage };
}

/** Records go straight to the DNS that Pebble asks. */
function dnsOf(pebble: Pebble): DnsSteps {
  return {
    add: ({ name, value }) => pebble.tell('set-txt', { host: recordName(name), value }),
    waitUntilSeen: () => Promise.resolve(),
    remove: ({ name }) => pebble.tell('clear-txt', { host: recordName(name) }),
  };
}

function recordName(name: string): string {
  return `_acme-challenge.${name}.`;
}

function only(kind: ChallengeKind): Partial<AcmeClientStageOptions> {
  return { config: { challenges: [kind] } };
}

function namesOf(chain: string): string {
  const { subjectAltName = '' } = new X509Certificate(chain);
  return subjectAltName
    .replaceAll(/(DNS|IP Address):/g, '')
    .split(', ')
    .toSorted()
    .join();
}

const CASES: readonly [kind: ChallengeKind, names: readonly string[]][] = [
  ['http-01', ['127.0.0.1', 'one.example.com']],
  ['tls-alpn-01', ['127.0.0.1', 'two.example.com']],
  ['dns-01', ['*.three.example.com', 'three.example.com']],
];

for (const nonceReject of [0, 5, 50]) {
  test(`pebble: gets certificates, ${nonceReject} % of nonces refused`, { skip }, async () => {
    const { board, stores, stage } = await scene({ nonceReject });
    await Promise.all(
      CASES.map(async ([kind, names]) => {
        const issued = await stage(only(kind)).issue(names);
        assert.equal(namesOf(issued.chain), names.toSorted().join());
        await issued.settle!();
      }),
    );
    assert.equal(board.shown.size, 0);
    assert.deepEqual(stores.keys('order'), []);
    assert.equal(stores.keys('account').length, 1, 'three at once share one account');
  });
}

test(
  'pebble: an external account is bound, and asked for when it is missing',
  { skip },
  async () => {
    const hmacKey = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W';
    const { stage } = await scene({ externalAccounts: { 'kid-1': hmacKey } });
    await assert.rejects(stage().issue(['a.example.com']), (error) => {
      assert.ok(error instanceof IssueError);
      assert.equal(error.advice, 'fix');
      assert.match(error.message, /set `eab`/);
      return true;
    });
    await stage({ config: { eab: { keyId: 'kid-1', hmacKey } } }).issue(['a.example.com']);
  },
);

/** One Pebble for what does not depend on how it is started. */
async function everythingElse(): Promise<void> {
  const { pebble, board, stage } = await scene({ alternateRoots: 2, authorizationReuse: 100 });
  // The chain under the wanted root.
  const commonName = new X509Certificate(await pebble.root(2)).subject.replace(/^CN=/, '');
  const chained = await stage({ config: { preferredChain: commonName } }).issue(['a.example.com']);
  const certificates = chained.chain.match(/-----BEGIN[^]*?END CERTIFICATE-----/g)!;
  assert.equal(new X509Certificate(certificates.at(-1)!).issuer, `CN=${commonName}`);
  // What is proved is not proved again; keys of all kinds.
  for (const keyType of ['ecdsa-p384', 'rsa-2048'] as const) {
    await stage({ config: { keyType } }).issue(['a.example.com'], chained.chain);
  }
  assert.equal(board.history.length, 1);
  // A changed account key, and revocation, which is as good twice as once.
  const { issuer } = stage();
  await issuer.changeAccountKey(AbortSignal.timeout(10_000));
  const { chain, key } = await stage().issue(['a.example.com'], chained.chain);
  for (let i = 0; i < 2; i++) await issuer.revoke(chain, key, 1, AbortSignal.timeout(10_000));
  const serial = new X509Certificate(chain).serialNumber;
  assert.equal(await pebble.certificateStatus(serial.toLowerCase()), 'Revoked');
  // An authority that is not trusted is for a person.
  const stranger = stage({ ca: '', stores: new MemoryStores() });
  await assert.rejects(stranger.issue(['a.example.com']), (error) => {
    assert.ok(error instanceof IssueError);
    assert.equal(error.advice, 'fix');
    assert.match(error.message, /not trusted: set `ca`/);
    return true;
  });
}

test('pebble: chains, keys, account keys, revocation, trust', { skip }, everythingElse);
