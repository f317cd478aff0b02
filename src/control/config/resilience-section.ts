/**
 * Schemas of what a service does when an endpoint fails: health checks, outlier detection,
 * retries, circuit breaker, concurrency limits.
 */

import type { StatusRange } from '../../contract/resilience.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';
import type { Schema } from './schema.ts';
import { boolean, choice, duration, integer, optional, size, string, text } from './schema.ts';
import { list, object, record } from './schema-compound.ts';
import { parseFieldName, parseMethod } from './tokens.ts';

const percent = (doc: string, byDefault: number): Schema<number> =>
  integer({ doc, default: byDefault, min: 0, max: 100 });

/** Reads `503` or `500-599`. */
export function parseStatusRange(text: string): Parsed<StatusRange> {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (match !== null && from <= to) return good({ from, to });
  return bad('PN1316', 'not a status or range of statuses', {
    expected: 'such as `"503"` or `"500-599"`',
  });
}

function statuses(doc: string, byDefault: readonly string[]): Schema<readonly StatusRange[]> {
  const item = text<StatusRange>({
    doc: 'A status or range.',
    typeText: 'status range',
    fallback: { from: 200, to: 200 },
    parse: parseStatusRange,
  });
  return withDefault(list(item, { doc }), byDefault, (word) => {
    const [from, to = from] = word.split('-').map(Number);
    return { from: from!, to: to! };
  });
}

/** A list that has items when the key is absent. */
function withDefault<T>(
  schema: Schema<readonly T[]>,
  words: readonly string[],
  read: (word: string) => T,
): Schema<readonly T[]> {
  const defaultText = `[${words.map((word) => JSON.stringify(word)).join(', ')}]`;
  return { ...schema, defaultText, fallback: words.map(read) };
}

export const healthCheckSchema = object('Asks endpoints regularly whether they are well.', {
  kind: choice(['http', 'tcp'], {
    doc: '`http`: a request; `tcp`: whether the connection is accepted.',
    default: 'http',
  }),
  path: text({
    doc: 'Path and query of the request.',
    typeText: 'path',
    fallback: '/',
    default: '/',
    parse: (value) =>
      /^\/[\x21-\x7e]*$/.test(value)
        ? good(value)
        : bad('PN1317', 'not a request path', { expected: 'such as `/healthz`' }),
  }),
  method: choice(['GET', 'HEAD', 'OPTIONS'], { doc: 'Method of the request.', default: 'GET' }),
  host: optional(string({ doc: "Host field of the request; the endpoint's own when absent." })),
  port: optional(integer({ doc: 'Another port to ask.', min: 1, max: 65_535 })),
  headers: record(
    'field',
    text({
      doc: 'Value of the field.',
      typeText: 'string',
      fallback: '',
      parse: (value) =>
        /^[\x20-\x7e\t]*$/.test(value)
          ? good(value)
          : bad('PN1311', 'not a field value', { expected: 'printable ASCII' }),
    }),
    {
      doc: 'Further fields of the request.',
      decodeKey: (key, value, report) => {
        const parsed = parseFieldName(key);
        if (parsed.ok) return parsed.value;
        report({ severity: 'error', ...parsed.problem, spot: value.spot, part: 'key' });
        return key;
      },
    },
  ),
  statuses: statuses('Statuses of a well endpoint.', ['200-399']),
  body: optional(string({ doc: 'Text the response must contain, in its first 64 KiB.' })),
  intervalMs: duration({
    doc: 'Time between two checks of an endpoint, spread by a tenth; 1s at most after a bad one.',
    default: '5s',
    min: '50ms',
    max: '1h',
  }),
  timeoutMs: duration({ doc: 'Longest check.', default: '2s', min: '10ms', max: '5m' }),
  upCount: integer({
    key: 'up',
    doc: 'Good checks in a row after which a bad endpoint is good again.',
    default: 2,
    min: 1,
    max: 100,
  }),
  downCount: integer({
    key: 'down',
    doc: 'Bad checks in a row after which a good endpoint is bad.',
    default: 2,
    min: 1,
    max: 100,
  }),
  initial: choice(['up', 'down'], {
    doc: 'Before its first check an endpoint gets traffic (`up`) or waits for it (`down`).',
    default: 'up',
  }),
});

export const outlierSchema = object('How workers notice from their traffic that one fails.', {
  consecutiveFaultsMax: integer({
    key: 'consecutive-faults',
    doc: 'Faults in a row that eject an endpoint; 0: never.',
    default: 5,
    min: 0,
    max: 10_000,
  }),
  faultPercentMax: integer({
    key: 'fault-percent',
    doc: 'Share of faults in a window that ejects an endpoint; 0: never.',
    default: 50,
    min: 0,
    max: 100,
  }),
  attemptsMin: integer({
    key: 'attempts',
    doc: 'Attempts a window must have for shares and latencies to count.',
    default: 20,
    min: 1,
    max: 1_000_000,
  }),
  latencyFactorMax: integer({
    key: 'latency-factor',
    doc:
      "Mean time to answer, as a multiple of the other endpoints', that ejects one if it is also " +
      '10 ms slower; 0: never.',
    default: 0,
    min: 0,
    max: 1_000,
  }),
  windowMs: duration({ doc: 'Length of a window.', default: '10s', min: '100ms', max: '1h' }),
  statuses: statuses('Statuses that count as faults.', ['502-504']),
  ejectionMs: duration({
    doc:
      'How long an endpoint is ejected; the n-th time in a row n times as long, and in any case ' +
      'until it accepts connections.',
    default: '3s',
    min: '10ms',
    max: '1h',
    key: 'ejection',
  }),
  ejectionMaxMs: duration({
    doc: 'Longest ejection.',
    default: '5m',
    min: '10ms',
    max: '1d',
    key: 'ejection-max',
  }),
  ejectedPercentMax: integer({
    key: 'ejected-percent',
    doc: 'Share of the endpoints that may be ejected at a time; of two or more, always one.',
    default: 50,
    min: 0,
    max: 100,
  }),
});

export const retrySchema = object('When a failed attempt is followed by another.', {
  attemptsMax: integer({
    key: 'attempts',
    doc: 'Attempts of one request, the first included.',
    default: 3,
    min: 1,
    max: 10,
  }),
  on: withDefault(
    list(choice(['connect', 'closed', 'timeout'], { doc: 'What the attempt met.' }), {
      doc:
        'What may be repeated: `connect`: nothing was sent; `closed`: the endpoint closed before ' +
        'it answered; `timeout`: no answer in time.',
    }),
    ['connect', 'closed', 'timeout'],
    (word) => word as 'connect' | 'closed' | 'timeout',
  ),
  statuses: statuses('Response statuses that are repeated too.', []),
  methods: withDefault(
    list(
      text({
        doc: 'A method.',
        typeText: 'method',
        fallback: 'GET',
        parse: parseRepeatableMethod,
      }),
      {
        doc:
          'Methods that may be sent again after bytes of the request were sent: of GET, HEAD, ' +
          'OPTIONS, PUT and DELETE. What was never sent may always go elsewhere.',
      },
    ),
    ['GET', 'HEAD', 'OPTIONS'],
    (word) => word,
  ),
  bodySizeMax: size({
    key: 'body-size',
    doc: 'Request bodies up to this size are kept so that they can be sent again.',
    default: '0',
    min: '1B',
    max: '1MiB',
    zero: 'none is kept',
  }),
  budgetPercent: percent('Retries allowed, as a share of recent requests.', 20),
  budgetPerSecond: integer({
    doc: 'Retries per second allowed on top of the share.',
    default: 10,
    min: 0,
    max: 1_000_000,
  }),
  tryTimeoutMs: duration({
    doc: 'Longest attempt up to its response head.',
    default: '0',
    min: '1ms',
    max: '1d',
    zero: 'only the limits of the transport',
  }),
  hedgeDelayMs: duration({
    doc: 'A second attempt starts elsewhere when the first has no answer after this long.',
    default: '0',
    min: '1ms',
    max: '1h',
    zero: 'never',
  }),
});

/** RFC 9110 §9.2.2, of the methods that pass; what is not idempotent is never sent twice. */
function parseRepeatableMethod(word: string): Parsed<string> {
  const parsed = parseMethod(word);
  if (!parsed.ok) return parsed;
  if (['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(parsed.value)) return parsed;
  return bad('PN1318', `${parsed.value} may have an effect each time it is sent`, {
    expected: 'GET, HEAD, OPTIONS, PUT or DELETE',
  });
}

export const breakerSchema = object('Fails fast for a while when too much of a service fails.', {
  faultPercentMax: integer({
    key: 'fault-percent',
    doc: 'Share of failed requests in a window that opens the circuit.',
    default: 50,
    min: 1,
    max: 100,
  }),
  attemptsMin: integer({
    key: 'attempts',
    doc: 'Requests a window must have for its share to count.',
    default: 20,
    min: 1,
    max: 1_000_000,
  }),
  windowMs: duration({ doc: 'Length of a window.', default: '10s', min: '100ms', max: '1h' }),
  openMs: duration({
    key: 'open',
    doc: 'How long requests are refused before some are let through to try.',
    default: '5s',
    min: '10ms',
    max: '1h',
  }),
});

export const concurrencySchema = object('Requests in progress at a time.', {
  exchangesMax: integer({
    key: 'requests',
    doc: 'Of the service; 0 for no limit.',
    default: 0,
    min: 0,
    max: 10_000_000,
  }),
  exchangesPerEndpointMax: integer({
    key: 'requests-per-endpoint',
    doc: 'Of one endpoint; 0 for no limit.',
    default: 0,
    min: 0,
    max: 10_000_000,
  }),
  queueMax: integer({
    key: 'queue',
    doc: 'Requests that wait for a place. Past it: status 503.',
    default: 1_024,
    min: 0,
    max: 1_000_000,
  }),
  queueTimeoutMs: duration({
    doc: 'Longest wait for a place. Past it: status 503.',
    default: '5s',
    min: '1ms',
    max: '5m',
  }),
  isAdaptive: boolean({
    key: 'adaptive',
    doc: 'The limit follows what the endpoints can bear, judged by how fast they answer.',
    default: false,
  }),
});
