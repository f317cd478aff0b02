/**
 * Host map: values by host name, exact or by wildcard, found in at most two lookups.
 *
 * H1  an exact name goes before a wildcard, and a wildcard stands for exactly one label
 *     (RFC 9525 §6.3): `*.a.test` is for `x.a.test`, neither for `a.test` nor for `y.x.a.test`.
 * H2  names are in lower case and A-labels on both sides; nothing here folds or decodes.
 */

export class HostMap<Value> {
  readonly #values = new Map<string, Value>();

  get size(): number {
    return this.#values.size;
  }

  /** @param pattern a name, or `*.` and a name; the value of an earlier one is replaced */
  set(pattern: string, value: Value): void {
    this.#values.set(pattern, value);
  }

  delete(pattern: string): void {
    this.#values.delete(pattern);
  }

  /** What is there under exactly this name or this `*.` pattern. */
  at(pattern: string): Value | null {
    return this.#values.get(pattern) ?? null;
  }

  /** What is there for the wildcard that `host` falls under. */
  wildcardOf(host: string): Value | null {
    const dot = host.indexOf('.');
    if (dot <= 0) return null;
    return this.#values.get(`*${host.slice(dot)}`) ?? null;
  }

  /** @returns null when neither `host` nor its wildcard is there */
  find(host: string): Value | null {
    return this.#values.get(host) ?? this.wildcardOf(host);
  }
}
