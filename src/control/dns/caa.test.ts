import assert from 'node:assert/strict';
import test from 'node:test';
import { caaRefusal, readCaa } from './caa.ts';
import type { CaaQuestion, CaaRecord } from './caa.ts';

const QUESTION: CaaQuestion = {
  isWildcard: false,
  identities: ['letsencrypt.org'],
  accountUri: 'https://ca.test/acct/1',
  methods: ['http-01', 'dns-01'],
};

/** Reads lines such as `0 issue ca.test`. */
function records(...lines: readonly string[]): CaaRecord[] {
  return lines.map((line) => {
    const [, flags, tag, value] = /^(\d+) (\S+) ?(.*)$/.exec(line)!;
    const data = [Number(flags), tag!.length, ...Buffer.from(`${tag}${value}`)];
    return readCaa(Uint8Array.from(data))!;
  });
}

test('caa: what lets an authority issue, and what does not', () => {
  const rows: [readonly string[], Partial<CaaQuestion>, string | null][] = [
    [[], {}, null],
    [['0 iodef mailto:a@b.c'], {}, null],
    [['0 issue letsencrypt.org'], {}, null],
    [['0 ISSUE LetsEncrypt.org'], {}, null],
    [['0 issue  letsencrypt.org ; x=y'], {}, null],
    [['0 issue ;'], {}, 'allow no authority at all'],
    [['0 issue '], {}, 'allow no authority at all'],
    [
      ['0 issue digicert.com', '0 issue sectigo.com'],
      {},
      'allow only digicert.com and sectigo.com',
    ],
    [['0 issue digicert.com', '0 issue letsencrypt.org'], {}, null],
    [['0 issue digicert.com'], { identities: [] }, null],
    [['0 issue notletsencrypt.org'], {}, 'allow only notletsencrypt.org'],
    [['0 issuewild ;'], {}, null],
    [['0 issuewild ;'], { isWildcard: true }, 'allow no authority at all'],
    [['0 issue ;', '0 issuewild letsencrypt.org'], { isWildcard: true }, null],
    [['0 issue letsencrypt.org'], { isWildcard: true }, null],
    [['0 issue digicert.com'], { isWildcard: true }, 'allow only digicert.com'],
    [
      ['0 issue letsencrypt.org;accounturi=https://ca.test/acct/2'],
      {},
      'allow it only for the account https://ca.test/acct/2',
    ],
    [['0 issue letsencrypt.org; accounturi=https://ca.test/acct/1'], {}, null],
    [['0 issue letsencrypt.org;accounturi=https://ca.test/acct/2'], { accountUri: '' }, null],
    [['0 issue letsencrypt.org;validationmethods=dns-01'], {}, null],
    [
      ['0 issue letsencrypt.org;validationmethods=dns-01,tls-alpn-01'],
      { methods: ['http-01'] },
      'allow it only by dns-01 or tls-alpn-01',
    ],
    [['128 future x', '0 issue letsencrypt.org'], {}, 'have the critical property future'],
    [['0 future x', '0 issue letsencrypt.org'], {}, null],
    [['128 issue letsencrypt.org'], {}, null],
  ];
  for (const [lines, more, expected] of rows) {
    const refusal = caaRefusal(records(...lines), { ...QUESTION, ...more });
    const label = JSON.stringify([lines, more]);
    if (expected === null) assert.equal(refusal, null, label);
    else assert.ok(refusal?.startsWith(expected) === true, `${label}: ${refusal}`);
  }
});

test('caa: data that is cut is no record', () => {
  assert.equal(readCaa(Uint8Array.of()), null);
  assert.equal(readCaa(Uint8Array.of(0)), null);
  assert.equal(readCaa(Uint8Array.of(0, 0)), null);
  assert.equal(readCaa(Uint8Array.of(0, 5, 0x69)), null);
  assert.deepEqual(readCaa(Uint8Array.of(128, 1, 0x41, 0x42, 0x0a)), {
    isCritical: true,
    tag: 'a',
    value: 'B?',
  });
});
