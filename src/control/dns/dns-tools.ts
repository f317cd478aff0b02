/**
 * DNS tools: what the DNS room needs of the world besides the network.
 */

import { DnsProviderError } from './dns-provider.ts';

export interface DnsTools {
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  /** Resolves after `ms`; rejects with a DnsProviderError when `signal` is aborted. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Environment that programs of the provider `exec` are given. */
  readonly environment: { readonly [name: string]: string | undefined };
}

/** The tools of a running process. */
export function dnsTools(nowMs: () => number, environment: DnsTools['environment'] = {}): DnsTools {
  return { nowMs, delay, environment };
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(brokenOff());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** The error of work that was broken off by its signal. */
export function brokenOff(): DnsProviderError {
  return new DnsProviderError('broken off', true);
}

/** @throws DnsProviderError */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw brokenOff();
}
