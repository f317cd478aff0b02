/**
 * Schema of TLS on the TCP address of the admin API.
 *
 * S1  what is here can be used: one pair of files, and authorities that can be read, or there is
 *     an error. An address that was to ask for certificates never asks for none.
 */

import type { AdminTlsConfig } from './config.ts';
import type { Report } from './issue.ts';
import type { LocatedTable } from './located.ts';
import { nameField } from './node-fields.ts';
import { string } from './schema.ts';
import type { Infer } from './schema.ts';
import { object, oneOrMore } from './schema-compound.ts';
import { pemTexts } from './tls-section.ts';
import type { NodeTools } from './tls-section.ts';

export const adminTlsSchema = object('HTTPS on the TCP address, and nothing but HTTPS.', {
  certificate: { ...nameField, doc: 'Certificate with `cert` and `key`.' },
  clientCa: oneOrMore(string({ doc: 'A PEM file, or the PEM text itself.' }), {
    doc:
      'Authorities of clients: without a certificate of one of them nobody reads or changes ' +
      'anything. Whoever shows one may change things without a token, unless `token` is set: ' +
      'then a change takes both.',
  }),
});

export type AdminTlsFields = Infer<typeof adminTlsSchema>;

/**
 * Reads the files that the section names.
 * @param fields  the section `tls` as decoded
 * @param section the table `tls` itself
 */
export function adminTlsOf(
  fields: AdminTlsFields,
  section: LocatedTable,
  tools: NodeTools,
  report: Report,
): AdminTlsConfig {
  return {
    certificate: fields.certificate,
    clientCa: pemTexts(section, 'client-ca', tools, report),
  };
}
