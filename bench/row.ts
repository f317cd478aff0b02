/** One line of the report: what one peer did on one workload. Plain data, as saved in JSON. */

export interface Row {
  readonly workload: string;
  readonly peer: string;
  /** The figure that is compared; NaN when nothing could be measured. */
  readonly figure: number;
  /** Unit of `figure`: microseconds of CPU per request, bytes, … */
  readonly unit: 'us/req' | 'B/conn' | 'MB peak' | 'B/req';
  /** (largest - smallest) / median over the rounds; null when there was only one. */
  readonly spread: number | null;
  readonly requestsPerSecond: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** p99 at half of this peer's own saturation. */
  readonly halfP99Us: number | null;
  /** Resident memory of the process tree after the load, in bytes. */
  readonly residentBytes: number | null;
  /** The same with shared pages divided among the processes that map them. */
  readonly proportionalBytes: number | null;
  /** Failed requests and connections of all rounds; above 0 the row is not valid. */
  readonly errors: number;
  /** Why there is no figure; empty otherwise. */
  readonly note: string;
}

/** A row of the given workload and peer with nothing measured yet but what `known` says. */
export function makeRow(workload: string, peer: string, known: Partial<Row>): Row {
  return {
    workload,
    peer,
    figure: Number.NaN,
    unit: 'us/req',
    spread: null,
    requestsPerSecond: null,
    p50Us: null,
    p99Us: null,
    halfP99Us: null,
    residentBytes: null,
    proportionalBytes: null,
    errors: 0,
    note: '',
    ...known,
  };
}

/** True when the figure may be compared. */
export function isValid(row: Row): boolean {
  return row.errors === 0 && Number.isFinite(row.figure);
}
