/**
 * The stage of tests against the fake authority: for each test a new authority, new stores and a
 * new clock; challenges are answered by servers that all tests of a file share.
 */

import assert from 'node:assert/strict';
import { after, before, beforeEach } from 'node:test';

import { IssueError } from '../../src/control/certificate/issuer.ts';
import { AcmeClientStage, FastClock, type AcmeClientStageOptions } from './acme-client-stage.ts';
import { MemoryStores } from './acme-stores.ts';
import { ChallengeServer } from './challenge-server.ts';
import type { CaBookOptions } from './fake-ca-book.ts';
import { FakeCa } from './fake-ca.ts';

export class FakeCaScene {
  stores = new MemoryStores();
  clock = new FastClock();
  #board: ChallengeServer | null = null;
  #ca: FakeCa | null = null;
  readonly #stages: AcmeClientStage[] = [];

  /** A scene that is set before each test of the file, and taken down after the last one. */
  constructor() {
    before(async () => {
      this.#board = await ChallengeServer.start();
    });
    beforeEach(() => this.#set());
    after(async () => {
      for (const stage of this.#stages) stage.close();
      await this.#ca?.stop();
      await this.#board?.stop();
    });
  }

  get board(): ChallengeServer {
    return this.#board ?? assert.fail('no test is running');
  }

  get ca(): FakeCa {
    return this.#ca ?? assert.fail('no test is running');
  }

  /** Another authority than the usual one. */
  async replaceCa(options: Partial<CaBookOptions>): Promise<void> {
    await this.#ca?.stop();
    const ports = { http: this.board.httpPort, tls: this.board.tlsPort };
    this.#ca = await FakeCa.start({ ports, ...options });
  }

  /** An issuer on the stores of this test; each one is a process of its own. */
  stage(options: Partial<AcmeClientStageOptions> = {}): AcmeClientStage {
    const { stores, clock, board } = this;
    const { directory } = this.ca;
    const stage = new AcmeClientStage({ directory, stores, board, clock, ...options });
    this.#stages.push(stage);
    return stage;
  }

  /** The error that `promise` ends with; nothing is shown any more then. */
  async failure(promise: Promise<unknown>): Promise<IssueError> {
    const error = await promise.then(
      () => assert.fail('it must fail'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof IssueError, String(error));
    assert.equal(this.board.shown.size, 0, 'challenges are taken away');
    return error;
  }

  /** Requests of an operation so far. */
  requests(operation: string): number {
    return this.ca.requests.get(operation) ?? 0;
  }

  async #set(): Promise<void> {
    await this.replaceCa({});
    this.stores = new MemoryStores();
    this.clock = new FastClock();
    this.board.broken.clear();
    this.board.history.length = 0;
  }
}
