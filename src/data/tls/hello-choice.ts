/**
 * Hello choice: what becomes of a client, judged by its ClientHello.
 *
 * The one place where something that a stranger says decides anything, so the whole of it is here:
 * a challenge of ours is answered with its certificate; a denied fingerprint is turned away; the
 * name chooses a passthrough, or else a policy and a certificate. The threat model is in
 * docs/internals/tls-routing.md.
 *
 * D1  versions, ciphers and groups decide nothing: they are the context's to negotiate. No client
 *     gets to a weaker policy by offering less.
 * D2  who offers `acme-tls/1` gets nothing but the certificate of a challenge that is open.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';
import type { TlsContext } from '../io/backend.ts';
import { ACME_TLS_1 } from './challenges.ts';
import { NameState } from './client-hello.ts';
import { ja4 } from './ja4.ts';
import type { LinkedPassthrough, LinkedPolicy, ListenerTls } from './linked-tls.ts';
import type { WorkerTls } from './worker-tls.ts';

export const HelloAction = {
  /** `fault` says why. */
  refuse: 0,
  /** Passed on to `passthrough` as it is. */
  pass: 1,
  /** A handshake with `context`, `alpn` and `policy`. */
  secure: 2,
  /** The same, for a certificate authority that wants to see a certificate and no more. */
  challenge: 3,
  /** A certificate for the name may be got while the client waits. */
  wait: 4,
} as const;
export type HelloAction = (typeof HelloAction)[keyof typeof HelloAction];

/** What else is known about the client. */
export interface HelloClient {
  readonly peerAddress: string;
  /** The address that it connected to; asked for only when needed. */
  readonly localAddress: string;
  /** Its fingerprint is wanted for a log. */
  readonly wantsFingerprint: boolean;
  /** It has waited for a certificate: it is not counted again, and does not wait again. */
  readonly hasWaited: boolean;
}

/** Filled by `chooseForHello`; reused within one callback. */
export class HelloChoice {
  action: HelloAction = HelloAction.refuse;
  fault: Fault = Fault.none;
  serverName = '';
  fingerprint = '';
  policy: LinkedPolicy | null = null;
  context: TlsContext | null = null;
  alpn: readonly string[] = [];
  passthrough: LinkedPassthrough | null = null;

  reset(): void {
    this.action = HelloAction.refuse;
    this.fault = Fault.none;
    this.serverName = '';
    this.fingerprint = '';
    this.policy = null;
    this.context = null;
    this.alpn = NONE;
    this.passthrough = null;
  }
}

const NONE: readonly string[] = [];
const ACME_ONLY: readonly string[] = [ACME_TLS_1];
const ACME_BYTES: Uint8Array = latin1Bytes(ACME_TLS_1);

/**
 * Decides by `worker.hello`, which a reader has just filled.
 * @param tls of the listener
 * @param choice is filled
 */
export function chooseForHello(
  worker: WorkerTls,
  tls: ListenerTls,
  client: HelloClient,
  choice: HelloChoice,
): void {
  const { hello, challenges } = worker;
  choice.reset();
  choice.fault = Fault.tlsNameRefused;
  if (hello.nameState === NameState.invalid) return;
  const name = hello.serverName;
  choice.serverName = name;
  const policy = tls.policyOf(name);
  if (challenges.hasAlpn && hello.offersOnly(ACME_BYTES)) {
    choice.context = challenges.alpnContext(name, tls.policy);
  }
  if (choice.context === null) {
    if (isDenied(worker, policy, client, choice)) return;
    choice.passthrough = passthroughFor(worker, tls, name);
    if (choice.passthrough !== null) {
      choice.action = HelloAction.pass;
      return;
    }
  }
  choice.policy = policy;
  const isCounted = client.hasWaited;
  if (!isCounted && !worker.allowsHandshake(client.peerAddress, tls.handshakesPerAddressMax)) {
    choice.fault = Fault.tlsHandshakeLimit;
  } else if (choice.context !== null) {
    choice.action = HelloAction.challenge;
    choice.alpn = ACME_ONLY;
  } else {
    chooseCertificate(worker, tls, client, choice);
  }
}

function isDenied(
  worker: WorkerTls,
  policy: LinkedPolicy,
  client: HelloClient,
  choice: HelloChoice,
): boolean {
  const denied = policy.deniedFingerprints;
  if (denied === null && !client.wantsFingerprint) return false;
  choice.fingerprint = ja4(worker.hello);
  if (denied?.has(choice.fingerprint) !== true) return false;
  choice.fault = Fault.tlsFingerprintDenied;
  return true;
}

function passthroughFor(
  worker: WorkerTls,
  tls: ListenerTls,
  name: string,
): LinkedPassthrough | null {
  return tls.hasPassthroughs ? tls.passthroughOf(name, worker.hasCertificate(name)) : null;
}

function chooseCertificate(
  worker: WorkerTls,
  tls: ListenerTls,
  client: HelloClient,
  choice: HelloChoice,
): void {
  const name = choice.serverName;
  const policy = choice.policy!;
  if (!client.hasWaited && tls.isOnDemand(name) && !worker.hasCertificate(name)) {
    choice.action = HelloAction.wait;
    return;
  }
  const certificates = worker.choiceFor(policy, name, client);
  if (certificates === null) return;
  choice.context = worker.contextFor(policy, certificates);
  choice.fault = Fault.internal; // Unless there is a context.
  if (choice.context === null) return;
  choice.fault = Fault.none;
  choice.action = HelloAction.secure;
  choice.alpn = policy.spec.alpn;
}
