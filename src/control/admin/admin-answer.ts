/**
 * Answers of the admin API.
 */

export interface AdminAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** Value of Allow, for 405. */
  readonly allow?: string;
  /** Value of WWW-Authenticate, for 401. */
  readonly challenge?: string;
}

export const TEXT_TYPE = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

/** A value as JSON, for people and programs. */
export function jsonAnswer(status: number, value: unknown): AdminAnswer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value, null, 2)}\n` };
}

/** A JSON answer that names what is wrong. */
export function errorAnswer(status: number, error: string, more: object = {}): AdminAnswer {
  return jsonAnswer(status, { error, ...more });
}
