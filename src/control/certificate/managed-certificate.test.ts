import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CertificateClock } from './certificate-clock.ts';
import { packEntries } from './entry-batch.ts';
import { ManagedCertificate } from './managed-certificate.ts';
import {
  ACME,
  DAY_MS,
  FakeIssuer,
  FakeTime,
  HOUR_MS,
  makePair,
  START_MS,
} from './manager-stage.contract.ts';
import { certificateTextOf } from './stored-certificate.ts';

test('managed certificate: one that is revoked as soon as it is made makes no storm', () => {
  const time = new FakeTime();
  const clock = new CertificateClock({ nowMs: () => time.nowMs, wallMs: () => time.wallMs });
  const names = ['a.example.com'];
  const { chain, key } = makePair(names, START_MS - HOUR_MS, START_MS + 90 * DAY_MS);
  const text = certificateTextOf(chain, key, 1)!;
  const record = new ManagedCertificate({ unit: names[0]!, names, isOnDemand: false });
  record.issuers = [new FakeIssuer(time, ACME)];
  const meta = { id: text.id, obtainedAtMs: START_MS, plan: null, isOnDemand: false };
  const entry = packEntries([text])[0]!;
  record.stored = { issuerKey: 'ca.test-directory', unit: record.unit, entry, meta };

  record.revoke(clock);
  assert.equal(record.untilAttempt(clock), HOUR_MS);
  time.nowMs += HOUR_MS - 1;
  assert.equal(record.untilAttempt(clock), 1);
  time.nowMs += DAY_MS;
  record.revoke(clock);
  assert.equal(record.untilAttempt(clock), 0, 'an older one is replaced at once');
});
