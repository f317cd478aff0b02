/**
 * Checks about TLS on the admin API that look at more than its section: whether the certificate
 * that it names is there, and can be used.
 */

import type { Config } from './config.ts';
import type { Report, Spot } from './issue.ts';
import type { LocatedTable } from './located.ts';

/** Reports what is wrong with the certificate that the section names. */
export function lintAdminTls(config: Config, section: LocatedTable, report: Report): void {
  const value = section.entries.get('certificate');
  if (value === undefined) return; // Reported already.
  const node = config.certificates.find(({ name }) => name === config.admin.tls?.certificate);
  const doesNotFit = (message: string, spot: Spot, hint: string): void => {
    report({ severity: 'error', code: 'PN1208', message, spot, part: 'value', hint });
  };
  if (node !== undefined && node.names.length > 0) {
    const hint = 'this address needs one with `cert` and `key`';
    doesNotFit(`the certificate \`${node.name}\` is not from files`, value.spot, hint);
  } else if (node !== undefined && node.pairs.length > 1) {
    const hint = 'name one with `cert` and `key`';
    doesNotFit(`\`${node.name}\` has ${node.pairs.length} certificates`, value.spot, hint);
  }
  if (config.admin.address === null) {
    doesNotFit('there is no TCP address to speak TLS on', section.spot, 'set admin.address');
  }
}
