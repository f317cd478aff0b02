/**
 * Metric definitions: one table, the only source of the Prometheus output, of
 * docs/reference/metrics.md and of the test that compares them.
 *
 * D1  names start with `proxy_now_`; counters end in `_total` after their unit.
 * D2  a name is never reused with another meaning, and labels are never user input beyond the
 *     names in the configuration: cardinality is bounded by the configuration.
 */

import { FAULTS, FAULT_INDEX_MAX } from './fault.ts';
import type { Fault } from './fault.ts';
import { ControlCell, EndpointCell, ListenerCell } from './metric-layout.ts';
import { RouteCell, ServiceCell, WorkerCell } from './metric-layout.ts';

export type MetricType = 'counter' | 'gauge' | 'histogram';
export type MetricUnit = 'seconds' | 'bytes' | '';
/** Whose block the cell is in; `control` and `certificate` figures are not cells of workers. */
export type MetricFamily =
  | 'worker'
  | 'listener'
  | 'route'
  | 'service'
  | 'endpoint'
  | 'control'
  | 'certificate';
/** How workers' values become series: added, the largest, or one series per worker. */
export type MetricMerge = 'sum' | 'max' | 'each';

export interface MetricDefinition {
  readonly name: string;
  readonly type: MetricType;
  readonly unit: MetricUnit;
  readonly family: MetricFamily;
  /** Label names in order of output. */
  readonly labels: readonly string[];
  readonly merge: MetricMerge;
  /** Cell, or offset in the family's block, of the first value. */
  readonly cell: number;
  /**
   * Values of the last label, one per consecutive cell; empty string: that cell is not exported.
   * Null when the metric is one cell (or one histogram).
   */
  readonly values: readonly string[] | null;
  /** Factor from the cell's unit to the exported one. */
  readonly scale: number;
  /** Histograms only: the exported edges, as powers of two of the cell's unit. */
  readonly powers: readonly number[];
  /** One or two sentences for HELP and the reference page. */
  readonly doc: string;
}

/** Edges of µs histograms: 256 µs to 33.6 s. */
const POWERS_US = [8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 25];
/** Edges of ns histograms: 64 ns to 65.5 µs. */
const POWERS_NS = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'];
const RELOAD_RESULTS = ['applied', 'unchanged', 'rejected'];
const HANDSHAKE_RESULTS = ['full', 'resumed', 'failed'];
const ACQUIRE_RESULTS = ['reused', 'connected', 'queued', 'refused'];

type Rest = Partial<MetricDefinition>;

function define(family: MetricFamily, type: MetricType, cell: number, rest: Rest) {
  return (name: string, doc: string): MetricDefinition => ({
    name: `proxy_now_${name}`,
    type,
    unit: /_seconds(_total)?$/.test(name)
      ? 'seconds'
      : /_bytes(_total)?$/.test(name)
        ? 'bytes'
        : '',
    family,
    labels: FAMILY_LABELS[family],
    merge: 'sum',
    cell,
    values: null,
    scale: 1,
    powers: [],
    doc,
    ...rest,
  });
}

const FAMILY_LABELS: { readonly [F in MetricFamily]: readonly string[] } = {
  worker: [],
  listener: ['listener'],
  route: ['route'],
  service: ['service'],
  endpoint: ['service', 'endpoint'],
  control: [],
  certificate: ['name', 'issuer'],
};

const counter = (family: MetricFamily, cell: number, rest: Rest = {}) =>
  define(family, 'counter', cell, rest);
const gauge = (family: MetricFamily, cell: number, rest: Rest = {}) =>
  define(family, 'gauge', cell, rest);
const histogram = (family: MetricFamily, cell: number, rest: Rest) =>
  define(family, 'histogram', cell, rest);

const PER_WORKER: Rest = { merge: 'each', labels: ['worker'] };
const MICROS: Rest = { scale: 1e-6, powers: POWERS_US };

function faultLabels(): string[] {
  const labels: string[] = [];
  for (let fault = 0; fault < FAULT_INDEX_MAX; fault++) {
    const known = fault === 0 ? undefined : FAULTS[fault as Fault];
    labels.push(known === undefined ? '' : known.label);
  }
  return labels;
}

/** Every metric, in order of output. */
export const METRICS: readonly MetricDefinition[] = [
  counter('route', RouteCell.requests, { labels: ['route', 'code'], values: STATUS_CLASSES })(
    'requests_total',
    'Requests by route and class of the status sent; code="none": closed without an answer, ' +
      'route="(none)": no route matched or the request was malformed.',
  ),
  histogram(
    'route',
    RouteCell.durationUs,
    MICROS,
  )(
    'request_duration_seconds',
    'Time from the first byte of a request to the last byte of its response.',
  ),
  counter('route', RouteCell.receivedBytes)(
    'request_bytes_total',
    'Bytes of requests received from clients, heads included.',
  ),
  counter('route', RouteCell.sentBytes)(
    'response_bytes_total',
    'Bytes of responses sent to clients, heads included.',
  ),
  counter('worker', WorkerCell.faults, { labels: ['fault'], values: faultLabels() })(
    'faults_total',
    'Failed exchanges and connections by reason; see the fault reference.',
  ),
  gauge('worker', WorkerCell.exchangesInProgress)(
    'exchanges_in_progress',
    'Requests being served now.',
  ),
  gauge('worker', WorkerCell.tunnels)('tunnels', 'Upgraded connections (WebSocket) open now.'),
  gauge('listener', ListenerCell.open)('connections', 'Client connections open now.'),
  counter('listener', ListenerCell.accepted)(
    'connections_accepted_total',
    'Client connections accepted.',
  ),
  counter('listener', ListenerCell.refused)(
    'connections_refused_total',
    'Client connections closed at once because a connection limit was reached.',
  ),
  counter('listener', ListenerCell.handshakesFull, {
    labels: ['listener', 'result'],
    values: HANDSHAKE_RESULTS,
  })('tls_handshakes_total', 'TLS handshakes with clients by result: full, resumed, or failed.'),
  counter('listener', ListenerCell.receivedBytes)(
    'received_bytes_total',
    'Bytes received on client connections.',
  ),
  counter('listener', ListenerCell.sentBytes)(
    'sent_bytes_total',
    'Bytes sent on client connections.',
  ),
  gauge('service', ServiceCell.exchangesInProgress)(
    'service_exchanges_in_progress',
    'Requests of the service being served now, waiting ones included.',
  ),
  counter('service', ServiceCell.unavailable)(
    'service_unavailable_total',
    'Requests that got no endpoint, no place in the queue or no connection in time.',
  ),
  gauge('service', ServiceCell.endpointsAvailable, { merge: 'max' })(
    'service_endpoints_available',
    'Endpoints of the service that may be chosen now.',
  ),
  gauge('service', ServiceCell.queued)(
    'service_queue_length',
    'Requests waiting for a place at the service now.',
  ),
  gauge('service', ServiceCell.circuitOpen, { merge: 'max' })(
    'service_circuit_open',
    '1 while the circuit of the service is open in a worker, 0.5 while it tries.',
  ),
  gauge('service', ServiceCell.concurrencyLimit)(
    'service_concurrency_limit',
    'Requests of the service that may be in progress; 0 for no limit.',
  ),
  gauge('service', ServiceCell.panic, { merge: 'max' })(
    'service_panic',
    '1 while health is ignored because too few endpoints of the service are up.',
  ),
  gauge('endpoint', EndpointCell.isUp, { merge: 'max' })(
    'upstream_up',
    '1 while the endpoint gets traffic; 0 while it is down, ejected or draining.',
  ),
  counter('endpoint', EndpointCell.attempts)(
    'upstream_attempts_total',
    'Attempts to serve a request on the endpoint, the first one included.',
  ),
  counter('endpoint', EndpointCell.retries)(
    'upstream_retries_total',
    'Attempts on the endpoint that were not the first of their request.',
  ),
  counter('endpoint', EndpointCell.faults)(
    'upstream_faults_total',
    'Attempts on the endpoint that failed by its doing.',
  ),
  gauge('endpoint', EndpointCell.connections)(
    'upstream_connections',
    'Connections to the endpoint open now, idle ones included.',
  ),
  gauge('endpoint', EndpointCell.idleConnections)(
    'upstream_idle_connections',
    'Connections to the endpoint that wait for reuse now.',
  ),
  counter('endpoint', EndpointCell.connectionsOpened)(
    'upstream_connections_opened_total',
    'Connections to the endpoint established.',
  ),
  gauge('endpoint', EndpointCell.queued)(
    'upstream_queue_length',
    'Requests waiting for a connection to the endpoint now.',
  ),
  histogram(
    'endpoint',
    EndpointCell.connectUs,
    MICROS,
  )('upstream_connect_seconds', 'Time to establish a connection to the endpoint.'),
  counter('worker', WorkerCell.acquireReused, { labels: ['result'], values: ACQUIRE_RESULTS })(
    'pool_acquires_total',
    'How attempts got a connection: reused, connected, queued first, or refused.',
  ),
  histogram(
    'worker',
    WorkerCell.handshakeUs,
    MICROS,
  )(
    'tls_handshake_duration_seconds',
    'Time of a TLS handshake with a client, from the first byte to its end.',
  ),
  gauge('worker', WorkerCell.handshakesInProgress)(
    'tls_handshakes_in_progress',
    'TLS handshakes with clients that have not ended.',
  ),
  gauge('worker', WorkerCell.certificates, { merge: 'max' })(
    'tls_certificates',
    'Certificates that can be served.',
  ),
  gauge('worker', WorkerCell.tlsContexts)(
    'tls_contexts',
    'TLS contexts kept: one per certificate and policy in use, and worker.',
  ),
  counter('worker', WorkerCell.tlsContextsBuilt)(
    'tls_contexts_built_total',
    'TLS contexts built. Growing with the handshakes: more certificates are in use than are kept.',
  ),
  histogram('worker', WorkerCell.routeLookupNs, { scale: 1e-9, powers: POWERS_NS })(
    'route_lookup_seconds',
    'Time of one route lookup, of a sample of requests.',
  ),
  gauge('worker', WorkerCell.rules, { merge: 'max' })(
    'rules',
    'Matchers in the rules of all routes.',
  ),
  gauge('worker', WorkerCell.routes, { merge: 'max' })('routes', 'Routes in the configuration.'),
  gauge(
    'worker',
    WorkerCell.generation,
    PER_WORKER,
  )('snapshot_generation', 'Generation of the configuration that the worker serves.'),
  counter(
    'worker',
    WorkerCell.heapAllocatedBytes,
    PER_WORKER,
  )(
    'worker_heap_allocated_bytes_total',
    'Bytes the worker has ever allocated on its JavaScript heap.',
  ),
  gauge(
    'worker',
    WorkerCell.heapUsedBytes,
    PER_WORKER,
  )('worker_heap_used_bytes', 'Bytes in use on the JavaScript heap of the worker.'),
  gauge('worker', WorkerCell.eventLoopLagMs, { ...PER_WORKER, scale: 1e-3 })(
    'worker_event_loop_lag_seconds',
    'Longest delay of the event loop of the worker in the last sample interval.',
  ),
  gauge(
    'worker',
    WorkerCell.chunkBytes,
    PER_WORKER,
  )('worker_chunk_bytes', 'Buffer memory in use by the worker for bytes on their way.'),
  gauge('worker', WorkerCell.timers, PER_WORKER)('worker_timers', 'Timers armed in the worker.'),
  gauge('worker', WorkerCell.linkUs, { ...PER_WORKER, scale: 1e-6 })(
    'worker_snapshot_link_seconds',
    'Time the worker took to link the configuration it serves.',
  ),
  gauge(
    'worker',
    WorkerCell.connections,
    PER_WORKER,
  )(
    'worker_connections',
    'Client connections of the worker: how evenly the kernel deals them out.',
  ),
  counter('worker', WorkerCell.cpuUs, { ...PER_WORKER, scale: 1e-6 })(
    'worker_cpu_seconds_total',
    'CPU time of the thread of the worker.',
  ),
  gauge(
    'worker',
    WorkerCell.overloadLevel,
    PER_WORKER,
  )(
    'worker_overload_level',
    '0: calm; 1: connections are closed after their answer; 2: new requests are refused.',
  ),
  counter('worker', WorkerCell.shed)(
    'requests_shed_total',
    'Requests refused because a worker was overloaded.',
  ),
  counter('worker', WorkerCell.retriesDenied)(
    'retries_denied_total',
    'Retries that the budget of their service did not allow.',
  ),
  counter('worker', WorkerCell.hedges)(
    'hedges_total',
    'Second attempts started because the first was slow.',
  ),
  counter('worker', WorkerCell.streamsClosed)(
    'streams_closed_total',
    'Streams and tunnels ended because a reload changed their route.',
  ),
  counter('worker', WorkerCell.acceptPauses)(
    'accept_pauses_total',
    'Times accepting was paused because no file descriptor was left.',
  ),
  counter('worker', WorkerCell.internalErrors)(
    'internal_errors_total',
    'Exceptions caught in workers. Each is a bug of the proxy; please report it.',
  ),
  counter('worker', WorkerCell.accessLogRecords)(
    'access_log_records_total',
    'Access log records encoded.',
  ),
  counter('worker', WorkerCell.accessLogBytes)(
    'access_log_bytes_total',
    'Bytes of access log records encoded.',
  ),
  counter('worker', WorkerCell.accessLogDropped)(
    'access_log_dropped_total',
    'Access log records dropped because the buffers of the worker were full.',
  ),
  counter('control', ControlCell.accessLogWriteDropped)(
    'access_log_write_dropped_total',
    'Access log records dropped because the file could not be written or not fast enough.',
  ),
  gauge('control', ControlCell.workers)('workers', 'Workers that serve now.'),
  counter('control', ControlCell.workerRestarts)(
    'worker_restarts_total',
    'Workers replaced after a failure.',
  ),
  counter('control', ControlCell.processRestarts)(
    'process_restarts_total',
    'Starts of the proxy process after one that died.',
  ),
  gauge('control', ControlCell.generation)(
    'config_generation',
    'Generation of the configuration that was published last.',
  ),
  counter('control', ControlCell.reloadsApplied, { labels: ['result'], values: RELOAD_RESULTS })(
    'reloads_total',
    'Reloads by how they ended: applied, unchanged, or rejected.',
  ),
  gauge('control', ControlCell.lastReloadMs, { scale: 1e-3 })(
    'last_reload_duration_seconds',
    'Time of the last applied reload, from its cause to the last acknowledgement of a worker.',
  ),
  gauge('control', ControlCell.lastReloadAtMs, { scale: 1e-3 })(
    'last_reload_timestamp_seconds',
    'When the last reload was applied, in seconds since 1970; 0 before the first.',
  ),
  gauge('control', ControlCell.isConfigGood)(
    'config_good',
    '1 while the files on disk are what is served, 0 while they have an error.',
  ),
  counter('control', ControlCell.rollbacks)(
    'rollbacks_total',
    'Reloads taken back because too many requests failed after them.',
  ),
  counter('control', ControlCell.autosaveFailures)(
    'autosave_failures_total',
    'Failed attempts to keep the last good configuration on disk.',
  ),
  counter('control', ControlCell.ejections)(
    'upstream_ejections_total',
    'Endpoints ejected for a while because of how they answered.',
  ),
  counter('control', ControlCell.healthChecks)('health_checks_total', 'Health checks made.'),
  counter('control', ControlCell.healthChecksFailed)(
    'health_checks_failed_total',
    'Health checks that failed.',
  ),
  counter('control', ControlCell.upgrades)(
    'upgrades_total',
    'Processes that took over from one that was running.',
  ),
  gauge('control', ControlCell.eventLoopLagMs, { scale: 1e-3 })(
    'control_event_loop_lag_seconds',
    'Longest delay of the event loop of the control thread since the last scrape.',
  ),
  gauge('control', ControlCell.isReady)('ready', '1 while the proxy takes traffic, else 0.'),
  gauge('control', ControlCell.startTimeMs, { scale: 1e-3 })(
    'process_start_time_seconds',
    'Start of the process, in seconds since 1970.',
  ),
  counter('control', ControlCell.cpuUs, { scale: 1e-6 })(
    'process_cpu_seconds_total',
    'User and system CPU time of the process.',
  ),
  gauge('control', ControlCell.residentBytes)(
    'process_resident_memory_bytes',
    'Resident memory of the process.',
  ),
  gauge('control', ControlCell.openFiles)('process_open_files', 'Open file descriptors.'),
  gauge('certificate', 0, { labels: ['state'] })(
    'certificates',
    'Certificates that are served or wanted, by state.',
  ),
  gauge('certificate', 0)(
    'certificate_not_after_seconds',
    'End of the certificate, in seconds since 1970. Of the 1,000 certificates that end first.',
  ),
  gauge('certificate', 0)(
    'certificate_next_attempt_seconds',
    'When it is renewed or tried again, in seconds since 1970. Of the same certificates.',
  ),
  gauge('certificate', 0)(
    'certificate_failures',
    'Failed attempts since the last success. Of the same certificates, where there are any.',
  ),
  counter('certificate', 0, { labels: ['issuer', 'operation', 'result'] })(
    'certificate_attempts_total',
    'Attempts to obtain or renew a certificate by result: success, or the type of the problem.',
  ),
];
