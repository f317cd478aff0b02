/**
 * Nonces that the authority gave with its responses (RFC 8555 §6.5), so that a request needs no
 * round trip for one.
 *
 * N1  a nonce is taken once.
 * N2  the newest goes first: an authority forgets the old ones.
 */

const NONCES_MAX = 32;
const NONCE_LENGTH_MAX = 512;

export class NoncePool {
  readonly #nonces: string[] = [];

  /** Keeps a nonce; one that is not base64url is ignored (RFC 8555 §6.5.1). */
  add(nonce: string): void {
    if (nonce.length > NONCE_LENGTH_MAX || !/^[A-Za-z0-9_-]+$/.test(nonce)) return;
    this.#nonces.push(nonce);
    if (this.#nonces.length > NONCES_MAX) this.#nonces.shift();
  }

  /** Null: there is none. */
  take(): string | null {
    return this.#nonces.pop() ?? null;
  }

  /** After one was refused: those that are older are not better. */
  clear(): void {
    this.#nonces.length = 0;
  }
}
