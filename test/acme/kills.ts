/**
 * kill -9 between any two steps of an order: the real proxy, Pebble, and a gate between them that
 * holds a request or its answer while every process of the proxy is killed.
 *
 *   node test/acme/kills.ts           every step, table
 *   node test/acme/kills.ts --json    the same for machines
 *   node test/acme/kills.ts --every 3 only each third kill
 *   node test/acme/kills.ts --challenge dns-01   proved by DNS, or by tls-alpn-01
 *
 * After each kill the proxy is started again and must come to a served certificate with the same
 * account, the same key of the order, and one certificate in all; no record may be left in DNS.
 * Exit code 1 when it does not.
 */

import { parseArgs } from 'node:util';
import { DnsClient } from '../../src/control/dns/dns-client.ts';
import { RecordType } from '../../src/control/dns/dns-message.ts';
import { AcmeGate } from '../support/acme-gate.ts';
import { endOnSignals } from '../support/child.ts';
import { IssuingStage, NAMES, pebbleAuthority } from '../support/issuing-stage.ts';
import type { StageName } from '../support/issuing-stage.ts';
import { hasPebble, Pebble } from '../support/pebble.ts';
import { holdsWithin, within } from '../support/wait.ts';

/** `before`: the authority never sees the request; `after`: we never see its answer. */
export type KillMoment = 'before' | 'after';

export interface KillPoint {
  /** Request of an undisturbed order, from 1. */
  readonly number: number;
  readonly moment: KillMoment;
}

export interface KillResult extends KillPoint {
  readonly kind: string;
  /** From the second start to the served certificate. */
  readonly recoveredMs: number;
  readonly accounts: number;
  readonly orders: number;
  readonly finalized: number;
  /** Empty: all is as it must be. */
  readonly problem: string;
}

export interface KillWorld {
  readonly pebble: Pebble;
  readonly gate: AcmeGate;
  readonly name: StageName;
}

/** The requests of an order that nobody disturbs, by kind. */
export async function undisturbed(world: KillWorld): Promise<string[]> {
  const { pebble, gate, name } = world;
  gate.reset();
  const authority = pebbleAuthority(pebble, gate.directory);
  const stage = await IssuingStage.open(authority, { names: [name] });
  try {
    await stage.start();
    await stage.served(name.served);
    return gate.calls.map(({ kind }) => kind);
  } finally {
    await stage.close();
  }
}

/** One kill and what became of it. */
export async function killAt(world: KillWorld, point: KillPoint): Promise<KillResult> {
  const { pebble, gate, name } = world;
  gate.reset();
  const authority = pebbleAuthority(pebble, gate.directory);
  const stage = await IssuingStage.open(authority, { names: [name] });
  let kind = 'not reached';
  let killed: () => void;
  const isKilled = new Promise<void>((resolve) => (killed = resolve));
  const killNow = async (call: { readonly number: number; readonly kind: string }) => {
    if (call.number !== point.number) return;
    ({ kind } = call);
    await stage.kill();
    killed();
  };
  try {
    if (point.moment === 'after') gate.after = killNow;
    else {
      gate.before = async (call) => {
        await killNow(call);
        // Nobody waits for this answer; the authority must not see the request.
        return call.number === point.number ? { status: 503 } : null;
      };
    }
    const isStarted = stage.start().catch(() => undefined); // It may be killed before it listens.
    await within(isKilled, `request ${point.number}`, 15_000);
    await isStarted;
    const restartedMs = performance.now();
    await stage.start();
    await stage.served(name.served);
    const recoveredMs = Math.round(performance.now() - restartedMs);
    const judged = judge(gate, point, kind);
    const left = name.challenge === 'dns-01' ? await recordLeft(world) : '';
    const problem = [judged.problem, left].filter((text) => text !== '').join(', ');
    return { ...point, kind, recoveredMs, ...judged, problem };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ...point, kind, recoveredMs: -1, ...judge(gate, point, kind), problem };
  } finally {
    await stage.close();
  }
}

/** Waits until the value of the challenge is out of DNS again. */
async function recordLeft({ pebble, name }: KillWorld): Promise<string> {
  const owner = `_acme-challenge.${name.name.replace('*.', '')}`;
  const client = new DnsClient();
  const { signal } = new AbortController();
  const isGone = await holdsWithin(async () => {
    const answer = await client.ask(pebble.dns, owner, RecordType.txt, true, signal);
    return answer.answers.length === 0;
  }, 3_000);
  return isGone ? '' : `a record is left at ${owner}`;
}

function judge(gate: AcmeGate, point: KillPoint, kind: string) {
  const accounts = gate.answered('201 POST /sign-me-up');
  const orders = gate.answered('201 POST /order-plz');
  const finalized = gate.answered('200 POST /finalize-order');
  // Whoever never sees the answer to "new order" does not know that order; and an authority that
  // looks while no process is there to answer gives the order up.
  const { number, moment } = point;
  const told = gate.calls.find((call) => call.kind === 'POST /chalZ')?.number ?? Infinity;
  const isLooking = (number === told && moment === 'after') || number === told + 1;
  const isOrderLost = (kind === 'POST /order-plz' && moment === 'after') || isLooking;
  const problems: string[] = [];
  if (accounts !== 1) problems.push(`${accounts} accounts`);
  if (orders > (isOrderLost ? 2 : 1)) problems.push(`${orders} orders`);
  if (finalized !== 1) problems.push(`${finalized} certificates`);
  return { accounts, orders, finalized, problem: problems.join(', ') };
}

/** Both moments of every request. */
export function allPoints(count: number): KillPoint[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return numbers.flatMap((number) => [
    { number, moment: 'before' as const },
    { number, moment: 'after' as const },
  ]);
}

function line(result: KillResult): string {
  const { number, moment, kind, recoveredMs, accounts, orders, finalized, problem } = result;
  return (
    `${String(number).padStart(2)} ${moment.padEnd(7)}${kind.padEnd(24)}` +
    `${String(recoveredMs).padStart(6)} ms  ${accounts} account, ${orders} order, ` +
    `${finalized} certificate  ${problem === '' ? 'ok' : `FAILED: ${problem}`}`
  );
}

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      every: { type: 'string', default: '1' },
      challenge: { type: 'string', default: 'http-01' },
    },
  });
  const name = NAMES.find(({ challenge }) => challenge === values.challenge);
  if (name === undefined) throw new Error(`there is no challenge ${values.challenge}`);
  if (!hasPebble()) throw new Error('pebble and pebble-challtestsrv are not installed');
  const pebble = await Pebble.start();
  const gate = await AcmeGate.open(pebble);
  const world: KillWorld = { pebble, gate, name };
  const results: KillResult[] = [];
  try {
    const kinds = await undisturbed(world);
    const every = Math.max(1, Number(values.every));
    const points = allPoints(kinds.length).filter((_point, index) => index % every === 0);
    for (const point of points) {
      const result = await killAt(world, point);
      results.push(result);
      if (!values.json) console.log(line(result));
    }
  } finally {
    gate.close();
    await pebble.stop();
  }
  if (values.json) console.log(JSON.stringify(results, null, 2));
  const failed = results.filter(({ problem }) => problem !== '').length;
  if (!values.json) console.log(`${results.length} kills, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
