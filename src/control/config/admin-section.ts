/**
 * Schema of TLS on the TCP address of the admin API.
 *
 * S1  what is here can be used: one pair of files, and authorities that can be read, or there is
 *     an error. An address that was to ask for certificates never asks for none.
 */

import type { AdminTlsConfig, Config } from './config.ts';
import type { Report, Spot } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import { nameField } from './node-fields.ts';
import type { Graph } from './reference-lint.ts';
import { lintReference } from './reference-lint.ts';
import { string } from './schema.ts';
import type { Infer } from './schema.ts';
import { object, oneOrMore } from './schema-compound.ts';
import { pemTexts } from './tls-section.ts';
import type { NodeTools } from './tls-section.ts';

export const adminTlsSchema = object('HTTPS on the TCP address, and nothing but HTTPS.', {
  certificate: { ...nameField, doc: 'Certificate from files: one pair.', isRequired: true },
  clientCa: oneOrMore(string({ doc: 'A PEM file, or the PEM text itself.' }), {
    doc:
      'Authorities of clients: without a certificate of one of them nobody reads or changes ' +
      'anything. Whoever shows one may change things without a token, unless `token` is set: ' +
      'then a change takes both.',
  }),
});

/**
 * Reads the files that the section names.
 * @param fields  the section `tls` as decoded
 * @param section the table `tls` itself
 */
export function adminTlsOf(
  fields: Infer<typeof adminTlsSchema>,
  section: LocatedTable,
  tools: NodeTools,
  report: Report,
): AdminTlsConfig {
  const { certificate } = fields;
  return { certificate, clientCas: pemTexts(section, 'client-ca', tools, report) };
}

/** Reports what is wrong with the certificate that the section names. */
export function lintAdminTls(
  config: Config,
  graph: Graph,
  section: LocatedTable,
  report: Report,
): void {
  const value: Located | undefined = section.entries.get('certificate');
  if (value === undefined) return; // Reported already.
  lintReference(graph, value, 'certificates', report);
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
