/**
 * AWS Signature Version 4, as far as Route 53 needs it: everything in headers, one path segment
 * encoding, SHA-256 of the body.
 */

import { createHash, createHmac } from 'node:crypto';

export interface AwsRequest {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Empty: none. */
  readonly sessionToken: string;
  readonly region: string;
  readonly service: string;
}

/** The headers that sign the request: `x-amz-date`, the token, `authorization`. */
export function signAwsRequest(
  request: AwsRequest,
  credentials: AwsCredentials,
): { [name: string]: string } {
  const url = new URL(request.url);
  const time = new Date(request.nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const headers: { [name: string]: string } = { host: url.host, 'x-amz-date': time };
  if (credentials.sessionToken !== '') headers['x-amz-security-token'] = credentials.sessionToken;
  const names = Object.keys(headers).toSorted();
  const canonical = [
    request.method,
    url.pathname,
    canonicalQuery(url),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    sha256(request.body),
  ].join('\n');
  const { region, service } = credentials;
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  let key = hmac(`AWS4${credentials.secretAccessKey}`, day);
  for (const part of [region, service, 'aws4_request']) key = hmac(key, part);
  const signature = hmac(key, toSign).toString('hex');
  const credential = `${credentials.accessKeyId}/${scope}`;
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, ` +
    `Signature=${signature}`;
  return headers;
}

function canonicalQuery(url: URL): string {
  const pairs = [...url.searchParams].map(([key, value]) => `${encode(key)}=${encode(value)}`);
  return pairs.toSorted().join('&');
}

/** As RFC 3986 §2.3 wants it: `encodeURIComponent` leaves a few more characters alone. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
