/**
 * Provider `exec`: a program of your own that changes DNS.
 *
 * Run without a shell: `program add|remove NAME ZONE VALUE TTL`, the same in the environment as
 * `DNS_ACTION`, `DNS_NAME`, `DNS_ZONE`, `DNS_VALUE`, `DNS_TTL`. Exit code 0 is a yes, 75
 * (EX_TEMPFAIL) a no that may become a yes. It has a minute; the last line it writes to standard
 * error goes into the message.
 */

import { execFile } from 'node:child_process';
import { DnsProviderError } from '../dns-provider.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { brokenOff } from '../dns-tools.ts';
import { apiClient, setting } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

const RUN_TIMEOUT_MS = 60_000;
const OUTPUT_SIZE_MAX = 65_536;
const TEMPORARY_EXIT_CODE = 75;

export function execProvider(input: ProviderInput): DnsProvider {
  return {
    add: (record, signal) => run(input, 'add', record, signal),
    remove: (record, signal) => run(input, 'remove', record, signal),
  };
}

function run(
  input: ProviderInput,
  action: string,
  record: TxtRecord,
  signal: AbortSignal,
): Promise<void> {
  const program = setting(input, 'program');
  const ttl = String(record.ttlSeconds);
  const values = [action, record.name, record.zone, record.value, ttl];
  const names = ['DNS_ACTION', 'DNS_NAME', 'DNS_ZONE', 'DNS_VALUE', 'DNS_TTL'];
  const env: Record<string, string | undefined> = { ...input.tools.environment };
  names.forEach((name, index) => (env[name] = values[index]));
  const options = {
    env,
    signal,
    timeout: RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL' as const,
    maxBuffer: OUTPUT_SIZE_MAX,
  };
  return new Promise((resolve, reject) => {
    execFile(program, values, options, (error, _stdout, stderr) => {
      if (error === null) return resolve();
      if (signal.aborted) return reject(brokenOff());
      const { code } = error;
      const why =
        error.killed === true
          ? 'did not end within a minute'
          : typeof code === 'number'
            ? `ended with ${code}`
            : `could not be run (${code ?? 'error'})`;
      const last = stderr.trimEnd().split('\n').at(-1) ?? '';
      const said = apiClient(input, program).redact(last);
      const message = `${program} ${action} ${why}${said === '' ? '' : `: ${said}`}`;
      const isTemporary = error.killed === true || code === TEMPORARY_EXIT_CODE;
      reject(new DnsProviderError(message, isTemporary));
    });
  });
}
