/**
 * The access log's vocabulary: field names, line templates, and the sink of encoded lines.
 *
 * Configuration checks templates with `parseLogTemplate`; the encoder compiles the same parts, so
 * a template that was accepted cannot fail in a worker.
 */

/** Fields of a template, in braces; `bytes` is the response body. Units in the docs below. */
export const LOG_FIELDS = {
  time: 'Time the record was made, RFC 3339 in UTC with milliseconds.',
  client: 'Client address, after trusted proxies.',
  method: 'Method as sent.',
  host: 'Canonical host: lower case, no port.',
  path: 'Canonical path, as matched and forwarded.',
  query: 'Query without the question mark.',
  protocol: 'Protocol version of the client, as HTTP/1.1; TLS for a passthrough.',
  status: 'Status sent; 0 when the connection was closed without an answer, or passed through.',
  bytes: 'Bytes of the response body sent.',
  received: 'Bytes of the request body received.',
  duration: 'Milliseconds from the first byte of the request to the end of the response.',
  listener: 'Listener name.',
  route: 'Route name.',
  service: 'Service name.',
  endpoint: 'Endpoint of the last attempt.',
  attempts: 'Attempts made; 0 when no endpoint was tried.',
  fault: 'Fault label; see the fault reference.',
  generation: 'Generation of the configuration that routed the request.',
  'request-id': 'Request id.',
  'user-agent': 'User-Agent field of the request.',
  referer: 'Referer field of the request.',
  'tls-version': 'TLS version of the client connection, as TLSv1.3; empty without TLS.',
  'tls-cipher': 'Cipher suite of the client connection, by its OpenSSL name.',
  'server-name': 'Name the client asked for in its TLS handshake (SNI).',
  fingerprint: 'JA4 fingerprint of the TLS client. A label, and no proof of anything.',
} as const;

export type LogField = keyof typeof LOG_FIELDS;

/** Literal text, or a field. */
export type LogTemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly field: LogField };

/** Why a template is not valid, with the offset and size of the faulty text in it. */
export interface LogTemplateIssue {
  readonly message: string;
  readonly offset: number;
  readonly size: number;
}

export interface LogTemplate {
  readonly parts: readonly LogTemplatePart[];
  /** Empty when the template is valid. */
  readonly issues: readonly LogTemplateIssue[];
}

/** Longest template, in UTF-16 units. */
export const LOG_TEMPLATE_SIZE_MAX = 4_096;

/**
 * Splits a template such as `{client} "{method} {path}" {status}` into parts. `{{` and `}}` stand
 * for single braces. A line break is an issue: one record is one line.
 */
export function parseLogTemplate(template: string): LogTemplate {
  const parts: LogTemplatePart[] = [];
  const issues: LogTemplateIssue[] = [];
  if (template.length > LOG_TEMPLATE_SIZE_MAX) {
    const message = `The template is longer than ${LOG_TEMPLATE_SIZE_MAX} characters.`;
    return { parts, issues: [{ message, offset: LOG_TEMPLATE_SIZE_MAX, size: 1 }] };
  }
  let text = '';
  for (let i = 0; i < template.length; i++) {
    const char = template[i]!;
    if ((char === '{' || char === '}') && template[i + 1] === char) {
      text += char;
      i++;
    } else if (char === '{') {
      const end = template.indexOf('}', i);
      const name = end === -1 ? template.slice(i + 1) : template.slice(i + 1, end);
      if (end === -1) {
        issues.push({ message: 'The brace is not closed.', offset: i, size: name.length + 1 });
      } else if (!isLogField(name)) {
        issues.push({ message: `Unknown field {${name}}.`, offset: i, size: name.length + 2 });
      } else {
        if (text !== '') parts.push({ kind: 'text', text });
        text = '';
        parts.push({ kind: 'field', field: name });
      }
      i = end === -1 ? template.length : end;
    } else if (char === '}') {
      issues.push({ message: 'A single } must be written as }}.', offset: i, size: 1 });
    } else if (char < ' ' && char !== '\t') {
      issues.push({ message: 'Control characters are not allowed.', offset: i, size: 1 });
    } else {
      text += char;
    }
  }
  if (text !== '') parts.push({ kind: 'text', text });
  return { parts, issues };
}

/** True for a name that may stand in braces. */
export function isLogField(name: string): name is LogField {
  return Object.hasOwn(LOG_FIELDS, name);
}

/** Where encoded lines go. Injected into the encoder; written by the control plane. */
export interface LogSink {
  /**
   * Takes whole lines, in order. Never blocks and never throws.
   * @param bytes borrowed until `done`; must not change before
   * @param done called exactly once, now or later, when `bytes` may be reused; also when the sink
   *             had to drop the lines (it counts them)
   */
  write(bytes: Uint8Array, done: () => void): void;
}
