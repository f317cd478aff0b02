/**
 * Asks an OCSP responder over HTTP (RFC 6960 appendix A). Responders are plain HTTP on purpose: the
 * answer is signed.
 */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

const TIMEOUT_MS = 10_000;
const ANSWER_SIZE_MAX = 65_536;

/**
 * Posts a question. Redirects are not followed.
 * @returns the body of a 200
 * @throws Error with a few words that say what went wrong
 */
export function fetchOcsp(
  url: string,
  question: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const target = URL.parse(url);
    if (target === null || !/^https?:$/.test(target.protocol)) {
      reject(new Error('its responder has no URL that can be asked'));
      return;
    }
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = {
      'content-type': 'application/ocsp-request',
      'content-length': question.length,
      accept: 'application/ocsp-response',
    };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const options = { method: 'POST', headers, agent: false, signal: limit };
    const request = send(target, options, (response) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      response.on('data', (chunk: Uint8Array) => {
        size += chunk.length;
        if (size > ANSWER_SIZE_MAX) request.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        const { statusCode } = response;
        if (statusCode === 200) resolve(Uint8Array.from(Buffer.concat(chunks)));
        else reject(new Error(`the responder answered with status ${statusCode}`));
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(question);
  });
}
