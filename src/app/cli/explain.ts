/**
 * `explain`: which route a request would take, and why each better-ranked one is passed over.
 */

import { compile } from '../../control/compile/compile.ts';
import { explain, explanationText } from '../../control/compile/explain.ts';
import { MetricIndexes } from '../../control/compile/metric-indexes.ts';
import { formatIssues } from '../../control/config/render-issue.ts';
import { readConfig, sourceText } from '../config-file.ts';
import type { Command, OptionValues } from './command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION } from './command.ts';

export const explainCommand: Command = {
  name: 'explain',
  operands: ['URL'],
  summary: 'Say which route wins for a request and why the others do not.',
  options: [
    CONFIG_OPTION,
    { name: 'method', short: 'X', value: 'METHOD', doc: 'Request method. Default: GET.' },
    {
      name: 'header',
      short: 'H',
      value: 'FIELD',
      isRepeatable: true,
      doc: 'A header field, as in -H "x-beta: 1". May be repeated.',
    },
    { name: 'client', value: 'ADDRESS', doc: 'Client address. Default: 127.0.0.1.' },
    {
      name: 'listener',
      value: 'NAME',
      doc: "Listener. Default: the one on the URL's port, else the first.",
    },
    JSON_OPTION,
  ],
  async run([url = ''], values) {
    const headers = headersOf(values);
    const bad = headers.find(([name]) => name === '');
    if (bad !== undefined) {
      process.stderr.write('proxy-now: explain: a field looks like -H "name: value"\n');
      return 2;
    }
    const { config, issues } = await readConfig(configPath(values));
    if (config === null) {
      process.stderr.write(formatIssues(issues, sourceText));
      return 1;
    }
    const snapshot = compile(config, 1, new MetricIndexes());
    const explanation = explain(snapshot, config, {
      url,
      method: text(values.method, 'GET'),
      headers,
      clientAddress: text(values.client, '127.0.0.1'),
      listener: typeof values.listener === 'string' ? values.listener : null,
    });
    const output =
      values.json === true
        ? JSON.stringify(explanation, null, 2)
        : explanationText(explanation).trimEnd();
    process.stdout.write(`${output}\n`);
    return explanation.winner === null && explanation.passthrough === null ? 1 : 0;
  },
};

function text(value: OptionValues[string], fallback: string): string {
  return typeof value === 'string' ? value : fallback;
}

function headersOf(values: OptionValues): (readonly [string, string])[] {
  const lines = Array.isArray(values.header) ? values.header : [];
  return lines.map((line) => {
    const colon = String(line).indexOf(':');
    if (colon < 1) return ['', ''] as const;
    return [
      String(line).slice(0, colon).trim(),
      String(line)
        .slice(colon + 1)
        .trim(),
    ] as const;
  });
}
