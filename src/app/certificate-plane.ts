/**
 * Certificate plane: what a proxy process knows of certificates, put together: the manager with
 * its store and issuers, challenges for authorities, the log, and what workers are told.
 *
 * X1  workers have the certificates of a configuration before they have its snapshot.
 * X2  no authority is asked to look before this process is the one that answers: while it starts,
 *     the process before it may still accept on the same sockets.
 */

import type { ToWorker } from '../contract/message.ts';
import type { TicketSecrets, TlsState } from '../contract/tls.ts';
import type { Logger } from '../control/admin/logger.ts';
import type { CertificateDesk } from '../control/certificate/certificate-desk.ts';
import { CertificateLog } from '../control/certificate/certificate-log.ts';
import { openFileStore } from '../control/certificate/file-store.ts';
import { IssuerFactory } from '../control/certificate/issuer-factory.ts';
import { CertificateManager } from '../control/certificate/manager.ts';
import type { Config } from '../control/config/config.ts';
import type { ChallengeReader } from './challenge-relay.ts';
import { ChallengeRelay } from './challenge-relay.ts';
import type { TicketHeritage } from './orders.ts';
import { storageFolder } from './state-folder.ts';
import { version } from './version.ts';

/** Where a user without a home keeps what must not be lost. */
const FOLDER_WITHOUT_HOME = '/var/lib/proxy-now/storage';
/** After the start of serving, until the process before this one accepts nothing any more. */
const TAKE_OVER_MS = 1_000;
/** How often certificates near their end are looked for. */
const LOOK_INTERVAL_MS = 600_000;

export interface CertificatePlaneOptions {
  readonly configPath: string;
  /** The first configuration. */
  readonly config: Config;
  /** Of the process before this one; null: there was none. */
  readonly tickets: TicketHeritage | null;
  readonly logger: Logger;
  /** Workers that are there now. */
  readonly readers: () => readonly ChallengeReader[];
  /** To every worker. */
  readonly send: (message: ToWorker) => void;
  /** What a successor is to take over has changed. */
  readonly onTickets: () => void;
}

export class CertificatePlane {
  private readonly options: CertificatePlaneOptions;
  private readonly manager: CertificateManager;
  private readonly relay: ChallengeRelay;
  private readonly log: CertificateLog;
  private isServing: () => void = () => {};
  private lookInterval: NodeJS.Timeout | undefined;

  constructor(options: CertificatePlaneOptions) {
    const { config, configPath, logger, readers, send, tickets } = options;
    this.options = options;
    this.log = new CertificateLog(logger);
    this.relay = new ChallengeRelay({
      readers,
      setTimer,
      onLate: () => logger.warn('a worker does not take over a challenge'),
    });
    const ready = new Promise<void>((resolve) => (this.isServing = resolve));
    const { relay } = this;
    const store = openFileStore({
      folder: storageFolder(config.storage.path, configPath) ?? FOLDER_WITHOUT_HOME,
      wallMs,
      random,
      setTimer,
    });
    const factory = new IssuerFactory({
      store,
      board: {
        // X2.
        present: (challenge) => ready.then(() => relay.present(challenge)),
        remove: (challenge) => relay.remove(challenge),
      },
      userAgent: `proxy-now/${version()}`,
      environment: process.env,
      wallMs,
    });
    this.manager = new CertificateManager({
      store,
      createIssuer: (issuer) => factory.create(issuer),
      preflight: factory.preflight,
      publish: (update) => send({ type: 'certificates', update }),
      publishSecrets: (secrets) => {
        send({ type: 'ticket-secrets', secrets });
        options.onTickets();
      },
      settled: (name) => send({ type: 'certificate-settled', name }),
      secrets: tickets === null ? null : secretsOf(tickets),
      onEvent: (event) => this.log.event(event),
      nowMs: () => performance.now(),
      wallMs,
      random,
      setTimer,
    });
  }

  get desk(): CertificateDesk {
    return this.manager;
  }

  /** Reads the store. Before the workers start. */
  async load(): Promise<void> {
    this.manager.configure(this.options.config);
    await this.manager.start();
    this.look();
    this.lookInterval = setInterval(() => this.look(), LOOK_INTERVAL_MS).unref();
  }

  /** The workers accept connections. */
  serve(): void {
    setTimeout(() => this.isServing(), TAKE_OVER_MS).unref();
  }

  /** Takes a configuration: before its snapshot is published (X1), and back when that fails. */
  configure(config: Config): void {
    this.manager.configure(config);
  }

  /** What a worker that starts now has to know. */
  workerStart(): { readonly state: TlsState; readonly challengeRevision: number } {
    const { challenges, revision } = this.relay;
    return { state: { ...this.manager.state, challenges }, challengeRevision: revision };
  }

  /** A worker has acknowledged challenges, or has ended. */
  onChallenged(): void {
    this.relay.check();
  }

  /** A client waits for a certificate that may be got on demand. */
  wanted(name: string, peerAddress: string): void {
    this.manager.wanted(name, peerAddress);
  }

  /** What a successor needs to take the session tickets of this process. */
  tickets(): TicketHeritage {
    const { current, previous } = this.manager.state.ticketSecrets;
    return { current: hex(current), previous: previous === null ? null : hex(previous) };
  }

  /** Ends all attempts; the next process goes on with orders. */
  async close(): Promise<void> {
    clearInterval(this.lookInterval);
    const closed = this.manager.close();
    this.isServing(); // What waits for that was broken off.
    await closed;
  }

  private look(): void {
    this.log.look(this.manager.rows(), Date.now());
  }
}

function secretsOf({ current, previous }: TicketHeritage): TicketSecrets {
  return {
    current: Buffer.from(current, 'hex'),
    previous: previous === null ? null : Buffer.from(previous, 'hex'),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function wallMs(): number {
  return Date.now();
}

function random(): number {
  return Math.random();
}

/** Calls `task` once, later. @returns cancels it */
function setTimer(delayMs: number, task: () => void): () => void {
  const timer = setTimeout(task, Math.min(delayMs, 0x7fff_ffff));
  return () => clearTimeout(timer);
}
