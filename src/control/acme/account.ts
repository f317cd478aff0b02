/**
 * The account with an authority: found or made, kept up to date, changed to another key, given up
 * (RFC 8555 §7.3).
 *
 * A1  a key is saved before the authority hears of it: who is killed in between asks with the same
 *     key again and gets the same account.
 * A2  everything that changes the account happens under its lock.
 */

import { AcmeError } from './acme-error.ts';
import type { AccountStore, StoredAccount } from './account-store.ts';
import type { AcmePost, AcmeReply, AcmeSession, AcmeSigner } from './acme-session.ts';
import { generateAccountKey, readAccountKey, signBinding, signJws } from './jws.ts';
import type { AccountKey } from './jws.ts';

export interface ExternalAccount {
  readonly keyId: string;
  /** Base64url. */
  readonly hmacKey: string;
}

export interface AccountOptions {
  readonly session: AcmeSession;
  readonly store: AccountStore;
  /** As Issuer.key. */
  readonly issuerKey: string;
  /** Empty: the authority gets no contact. */
  readonly email: string;
  readonly externalAccount: ExternalAccount | null;
}

export class Account {
  readonly #options: AccountOptions;
  /** The registered account, once it is known. */
  #signer: AcmeSigner | null = null;

  constructor(options: AccountOptions) {
    this.#options = options;
  }

  /** The account, registered if it has to be. @throws AcmeError */
  async signer(signal: AbortSignal): Promise<AcmeSigner> {
    if (this.#signer !== null) return this.#signer;
    return this.#locked(signal, async (stored) => {
      if (stored === null) return this.#register(signal);
      try {
        const account = await this.#finishRollOver(stored, signal);
        if (account.url === '') return await this.#register(signal, account.key);
        return await this.#updateContact(account, signal);
      } catch (error) {
        if (!isLost(error)) throw error;
        return this.#register(signal);
      }
    });
  }

  /**
   * Makes a new account after the authority said that it does not know the one at `lostUrl`;
   * somebody else may have done it by now.
   * @throws AcmeError
   */
  async replace(lostUrl: string, signal: AbortSignal): Promise<AcmeSigner> {
    this.#signer = null;
    return this.#locked(signal, async (stored) => {
      if (stored !== null && stored.url !== '' && stored.url !== lostUrl) {
        return (this.#signer = signerOf(stored));
      }
      return this.#register(signal);
    });
  }

  /**
   * The account as it is in the store, after the authority refused a signature: another process may
   * have changed its key.
   * @returns null: nobody has
   */
  async changedSigner(used: AcmeSigner, signal: AbortSignal): Promise<AcmeSigner | null> {
    return this.#locked(signal, async (stored) => {
      if (stored === null || stored.url !== used.url || stored.nextKey !== '') return null;
      const signer = signerOf(stored);
      if (signer.key.thumbprint === used.key.thumbprint) return null;
      return (this.#signer = signer);
    });
  }

  /**
   * Takes over an account that was made elsewhere; its key is looked up and nothing is made.
   * @param key private key, PEM
   * @throws AcmeError
   */
  async importKey(key: string, signal: AbortSignal): Promise<AcmeSigner> {
    return this.#locked(signal, async () => {
      const signer = { key: keyOf(key), url: '' };
      const url = await this.#lookUp(signer, signal);
      if (url === null) {
        throw new AcmeError('the authority knows no account with that key', { advice: 'fix' });
      }
      return this.#keep({ key, url, nextKey: '', contact: [] });
    });
  }

  /** Changes to a new key (RFC 8555 §7.3.5). @throws AcmeError */
  async rollOver(signal: AbortSignal): Promise<AcmeSigner> {
    await this.signer(signal);
    return this.#locked(signal, async (stored) => {
      const current = stored ?? fail('there is no account');
      const pending = await this.#finishRollOver(current, signal);
      if (pending !== current) return this.#keep(pending);
      const marked = { ...current, nextKey: generateAccountKey() };
      await this.#save(marked);
      await this.#changeKey(marked, signal);
      return this.#keep({ ...marked, key: marked.nextKey, nextKey: '' });
    });
  }

  /** Gives the account up for good (RFC 8555 §7.3.6) and forgets its key. @throws AcmeError */
  async deactivate(signal: AbortSignal): Promise<void> {
    await this.#locked(signal, async (stored) => {
      this.#signer = null;
      if (stored !== null && stored.url !== '') {
        const signer = signerOf(stored);
        await this.#post({ url: signer.url, payload: { status: 'deactivated' }, signer }, signal);
      }
      const { store, issuerKey, email } = this.#options;
      await store.remove(issuerKey, email);
    });
  }

  async #register(signal: AbortSignal, pem = generateAccountKey()): Promise<AcmeSigner> {
    const key = keyOf(pem);
    const { session, externalAccount } = this.#options;
    const directory = await session.directory(signal);
    if (directory.externalAccountRequired && externalAccount === null) {
      throw new AcmeError(
        `${session.authority} wants an external account: set \`eab\` of the issuer`,
        { advice: 'fix' },
      );
    }
    const contact = this.#contact();
    await this.#save({ key: pem, url: '', nextKey: '', contact });
    const url = directory.newAccount;
    const payload = {
      termsOfServiceAgreed: true,
      ...(contact.length === 0 ? {} : { contact }),
      ...(externalAccount === null
        ? {}
        : { externalAccountBinding: signBinding(key.jwk, externalAccount, url) }),
    };
    const reply = await this.#postNew({ url, payload, signer: { key, url: '' } }, signal);
    return this.#keep({ key: pem, url: this.#location(reply), nextKey: '', contact });
  }

  /** A refusal of a new account is most likely one of what it is bound to. */
  async #postNew(post: AcmePost, signal: AbortSignal): Promise<AcmeReply> {
    try {
      return await this.#post(post, signal);
    } catch (error) {
      const isBound = this.#options.externalAccount !== null;
      if (!isBound || !isRefusal(error)) throw error;
      const said = error.problem?.detail ?? '';
      throw new AcmeError(
        `${this.#options.session.authority} refuses the external account (${said}): correct ` +
          '`eab` of the issuer',
        { advice: 'fix', problem: error.problem, cause: error },
      );
    }
  }

  async #updateContact(stored: StoredAccount, signal: AbortSignal): Promise<AcmeSigner> {
    const contact = this.#contact();
    const signer = signerOf(stored);
    const isSame = contact.join() === stored.contact.join();
    if (isSame || contact.length === 0) return (this.#signer = signer);
    await this.#post({ url: signer.url, payload: { contact }, signer }, signal);
    return this.#keep({ ...stored, contact });
  }

  /** Completes a change of keys that was cut off: one of both is that of the account. */
  async #finishRollOver(stored: StoredAccount, signal: AbortSignal): Promise<StoredAccount> {
    if (stored.nextKey === '') return stored;
    const signer = { key: keyOf(stored.nextKey), url: '' };
    const isChanged = (await this.#lookUp(signer, signal)) !== null;
    if (!isChanged) await this.#changeKey(stored, signal);
    const changed = { ...stored, key: stored.nextKey, nextKey: '' };
    await this.#save(changed);
    return changed;
  }

  async #changeKey(stored: StoredAccount, signal: AbortSignal): Promise<void> {
    const { keyChange: url } = await this.#options.session.directory(signal);
    const signer = signerOf(stored);
    const next = keyOf(stored.nextKey);
    const inner = signJws(
      next,
      { jwk: next.jwk, url },
      { account: stored.url, oldKey: signer.key.jwk },
    );
    await this.#post({ url, payload: JSON.parse(inner) as object, signer }, signal);
  }

  /** URL of the account of a key; null: there is none. */
  async #lookUp(signer: AcmeSigner, signal: AbortSignal): Promise<string | null> {
    const { newAccount: url } = await this.#options.session.directory(signal);
    try {
      const payload = { onlyReturnExisting: true };
      return this.#location(await this.#post({ url, payload, signer }, signal));
    } catch (error) {
      if (isLost(error)) return null;
      throw error;
    }
  }

  #locked<Result>(
    signal: AbortSignal,
    run: (stored: StoredAccount | null) => Promise<Result>,
  ): Promise<Result> {
    const { store, issuerKey, email } = this.#options;
    return store.withLock(issuerKey, email, signal, async () =>
      run(await store.load(issuerKey, email)),
    );
  }

  #post(post: AcmePost, signal: AbortSignal): Promise<AcmeReply> {
    return this.#options.session.post(post, signal);
  }

  async #keep(stored: StoredAccount): Promise<AcmeSigner> {
    await this.#save(stored);
    return (this.#signer = signerOf(stored));
  }

  #save(stored: StoredAccount): Promise<void> {
    const { store, issuerKey, email } = this.#options;
    return store.save(issuerKey, email, stored);
  }

  #contact(): string[] {
    return this.#options.email === '' ? [] : [`mailto:${this.#options.email}`];
  }

  #location(reply: AcmeReply): string {
    const location = reply.headers.get('location') ?? '';
    if (URL.canParse(location)) return location;
    throw new AcmeError(`${this.#options.session.authority} gave the account no URL`, {
      advice: 'retry',
    });
  }
}

function signerOf(stored: StoredAccount): AcmeSigner {
  return { key: keyOf(stored.key), url: stored.url };
}

function keyOf(pem: string): AccountKey {
  const message =
    'the account key cannot be used: it must be a private P-256, P-384 or RSA key in PEM';
  return readAccountKey(pem) ?? fail(message);
}

/** The authority does not know the account. */
export function isLost(error: unknown): boolean {
  return error instanceof AcmeError && error.type === 'accountDoesNotExist';
}

function isRefusal(error: unknown): error is AcmeError {
  return error instanceof AcmeError && ['malformed', 'unauthorized'].includes(error.type);
}

function fail(message: string): never {
  throw new AcmeError(message, { advice: 'fix' });
}
