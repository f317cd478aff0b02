/**
 * The compiled router as plain data. Owned by control/compile (writer) and data/route (reader).
 */

export interface RouterTables {
  readonly routeCount: number;
}
