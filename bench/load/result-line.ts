/** The line by which a client of the harness tells its sums: `RESULT ` and an object in JSON. */

/** The last such line of `output`, parsed. null when there is none yet. */
export function parseResult<T>(output: string): T | null {
  const line = output.split('\n').findLast((text) => text.startsWith('RESULT {'));
  return line === undefined || !line.endsWith('}') ? null : (JSON.parse(line.slice(7)) as T);
}
