import assert from 'node:assert/strict';
import test from 'node:test';
import { listFunctions } from './tidy/functions.ts';
import { listImports } from './tidy/imports.ts';
import { findRoom } from './tidy/layers.ts';
import type { Layers } from './tidy/layers.ts';
import { lex } from './tidy/lexer.ts';
import { readSource } from './tidy/source-file.ts';
import { tidy } from './tidy.ts';

const LAYERS: Layers = {
  rooms: {
    'src/base': { imports: [] },
    'src/data': { imports: ['src/base'], npm: ['re2js'] },
    'src/data/io': { imports: ['src/base'], node: ['net'] },
    'src/middleware/*': { imports: ['src/base'] },
    'src/middleware/*/config.ts': { imports: ['src/base', 'src/control'] },
    'src/control': { imports: ['src/base'] },
    'src/app': { imports: ['*'], node: ['*'], words: ['console .'] },
    test: { imports: ['*'], node: ['*'] },
  },
  tests: { imports: ['src/data/io'], node: ['test'], npm: ['fast-check'] },
  entries: ['src/app/main.ts'],
  longFiles: {},
  longFunctions: {},
};

const HEADER = '/** A file. */\n';

/** Problems of a tree in which an entry reaches every file given. */
function problemsOf(files: Record<string, string>, layers = LAYERS): string[] {
  const paths = Object.keys(files).filter((path) => path.startsWith('src/'));
  const reachAll = paths.map((path) => `import '${path.replace('src/', '../')}';`).join('\n');
  const sources = Object.entries({ 'src/app/main.ts': HEADER + reachAll, ...files });
  const found = tidy(
    layers,
    sources.map(([path, text]) => readSource(path, text)),
  );
  return found.map((problem) => `${problem.path}:${problem.line}: ${problem.message}`);
}

test('tidy: finds nothing in a clean tree', () => {
  const files = {
    'src/base/a.ts': `${HEADER}export const a = 1;\n`,
    'src/data/b.ts': `${HEADER}import { a } from '../base/a.ts';\nexport const b = a;\n`,
    'src/data/b.test.ts': "import test from 'node:test';\nimport fc from 'fast-check';\n",
  };
  assert.deepEqual(problemsOf(files), []);
});

const CASES: readonly [name: string, path: string, text: string, problem: string][] = [
  [
    'an import across planes',
    'src/data/x.ts',
    "import '../control/y.ts';",
    'may not import src/co',
  ],
  ['a type across planes', 'src/data/x.ts', "import type { T } from '../control/y.ts';", 'may not'],
  ['a re-export across planes', 'src/data/x.ts', "export { y } from '../control/y.ts';", 'may not'],
  ['import() across planes', 'src/data/x.ts', "void import('../control/y.ts');", 'may not import'],
  [
    'an import of a parent room',
    'src/data/io/x.ts',
    "import '../y.ts';",
    'may not import src/data',
  ],
  ['a Node built-in', 'src/base/x.ts', "import 'node:fs';", 'src/base may not import node:fs'],
  ['an unlisted built-in', 'src/data/io/x.ts', "import 'node:fs';", 'may not import node:fs'],
  ['a bare built-in', 'src/data/io/x.ts', "import 'net';", 'write node:net'],
  ['an unlisted package', 'src/data/x.ts', "import '@a/b/c';", 'the package @a/b'],
  ['a test package in a source', 'src/data/x.ts', "import 'fast-check';", 'the package fast-check'],
  ['an import of no room', 'src/data/x.ts', "import '../extra/y.ts';", 'lies in no room'],
  ['two middlewares', 'src/middleware/a/x.ts', "import '../b/y.ts';", 'may not import src/middle'],
  ['Date.now', 'src/base/x.ts', 'const t = Date\n.now();', '`Date . now (` is banned'],
  ['Math.random', 'src/base/x.ts', 'const t = Math.random();', '`Math . random (` is banned'],
  ['console', 'src/data/x.ts', 'console.log(1);', '`console .` is banned'],
  ['process.env', 'src/app/x.ts', 'const e = process.env;', '`process . env` is banned'],
  ['code from text', 'test/x.ts', "new Function('a');", '`new Function` is banned'],
  ['eval', 'test/x.ts', "eval('a');", '`eval (` is banned'],
  ['an enum', 'test/x.ts', 'const enum A {}', '`enum` is banned'],
  ['a default export', 'test/x.ts', 'export default 1;', '`export default` is banned'],
  ['a star export', 'test/x.ts', "export * from './y.ts';", '`export *` is banned'],
  ['a word inside a template', 'src/data/x.ts', 'f(`${console.log(`}`)}`);', 'is banned'],
  ['a wide line', 'test/x.ts', `// ${'é'.repeat(98)}`, 'test/x.ts:1: over 100 columns'],
  ['a note without a number', 'test/x.ts', 'f();\n/*\n * TODO later */', 'x.ts:3: TODO without'],
  ['a fixme', 'test/x.ts', '// FIXME: this', 'FIXME without an issue number'],
];

for (const [name, path, text, problem] of CASES) {
  test(`tidy: reports ${name}`, () => {
    const found = problemsOf({ [path]: path.startsWith('src/') ? HEADER + text : text });
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0]!, new RegExp(problem.replace(/[()*.$^]/g, '\\$&')));
  });
}

test('tidy: reports a folder without a room', () => {
  const found = problemsOf({ 'tools/x.ts': 'f();' });
  assert.deepEqual(found, ['tools/x.ts:1: no room of layers.json covers this folder']);
});

test('tidy: leaves words in comments, strings, regexes and property names alone', () => {
  const text = `${HEADER}// console.log Date.now() export default enum
const a = 'console.log(1)';
const b = /console.log(1)\\/[/"]/.test(a) ? "eval('x')" : \`enum A { \${a} export * \`;
const c = { enum: 1 };
const d = c.enum;
export { b, d }; // TODO(#12): numbered.
`;
  assert.deepEqual(problemsOf({ 'src/data/x.ts': text }), []);
});

test('tidy: reports a document that a comment names and nobody wrote', () => {
  const text = `${HEADER}/*\n * Why: docs/there.md and docs/a/missing.md.\n */`;
  const files = [readSource('src/app/main.ts', text)];
  const problems = tidy(LAYERS, files, (path) => path === 'docs/there.md');
  assert.deepEqual(problems, [
    { path: 'src/app/main.ts', line: 3, message: 'names docs/a/missing.md, which is not there' },
  ]);
});

test('tidy: lets a room use a word it lists', () => {
  assert.deepEqual(problemsOf({ 'src/app/log.ts': `${HEADER}console.log(1);` }), []);
});

test('tidy: reports a source without a header, but not a test', () => {
  const files = { 'src/base/a.ts': 'export {};\n/** Late. */', 'src/base/a.test.ts': 'f();' };
  assert.deepEqual(problemsOf(files), ['src/base/a.ts:1: no header comment']);
});

test('tidy: reports a cycle of values and not one of types', () => {
  const cycle = {
    'src/base/a.ts': `${HEADER}import { b } from './b.ts';\nexport const a = b;`,
    'src/base/b.ts': `${HEADER}import { a } from './a.ts';\nexport const b = a;`,
  };
  const [found, ...rest] = problemsOf(cycle);
  assert.match(found!, /import cycle: src\/base\/a.ts -> src\/base\/b.ts -> src\/base\/a.ts/);
  assert.deepEqual(rest, []);
  const types = cycle['src/base/b.ts'].replace('import {', 'import type {');
  assert.deepEqual(problemsOf({ ...cycle, 'src/base/b.ts': types }), []);
});

test('tidy: reports a file that only its own test imports', () => {
  const sources = [
    readSource('src/app/main.ts', `${HEADER}new Worker(new URL('./worker.ts', base));`),
    readSource('src/app/worker.ts', HEADER),
    readSource('src/base/dead.ts', HEADER),
    readSource('src/base/dead.test.ts', "import './dead.ts';"),
  ];
  const problems = tidy(LAYERS, sources);
  assert.deepEqual(
    problems.map((problem) => `${problem.path}: ${problem.message}`),
    ['src/base/dead.ts: dead file: no entry imports it'],
  );
});

test('tidy: holds files to their limit, and a listed reason to its need', () => {
  const long = HEADER + 'f();\n'.repeat(450);
  assert.match(problemsOf({ 'src/base/a.ts': long })[0]!, /451 lines, over 450/);
  assert.deepEqual(problemsOf({ 'src/base/a.ts': HEADER + 'f();\n'.repeat(449) }), []);
  const layers = { ...LAYERS, longFiles: { 'src/base/a.ts': 'One table.' } };
  assert.deepEqual(problemsOf({ 'src/base/a.ts': long }, layers), []);
  assert.match(problemsOf({ 'src/base/a.ts': HEADER }, layers)[0]!, /lists it without need/);
  assert.match(problemsOf({}, layers)[0]!, /lists src\/base\/a.ts, which is gone/);
});

function functionOf(lines: number): string {
  return `${HEADER}export function f(): void {\n${'g();\n'.repeat(lines - 2)}}\n`;
}

test('tidy: lets a listed function shrink and never grow', () => {
  const key = 'src/base/a.ts#f';
  const layers = { ...LAYERS, longFunctions: { [key]: { lines: 80, reason: 'A table.' } } };
  const at = (lines: number, table = layers): string[] =>
    problemsOf({ 'src/base/a.ts': functionOf(lines) }, table);
  assert.deepEqual(at(70, LAYERS as typeof layers), []);
  assert.match(at(71, LAYERS as typeof layers)[0]!, /f has 71 lines, over 70/);
  assert.deepEqual(at(80), []);
  assert.match(at(81)[0]!, /f has 81 lines, over 80/);
  assert.match(at(79)[0]!, /lower it to 79/);
  assert.match(at(60)[0]!, /remove it/);
});

test('tidy: reports rooms that import each other, and unknown rooms', () => {
  const rooms = {
    a: { imports: ['b'] },
    b: { imports: ['a', 'c'] },
    'src/app': { imports: ['*'] },
  };
  const problems = problemsOf({}, { ...LAYERS, rooms });
  assert.ok(
    problems.some((text) => text.includes('circle: a -> b -> a')),
    problems.join('\n'),
  );
  assert.ok(problems.some((text) => text.includes('b lists the unknown room c')));
});

function roomOf(path: string): string | undefined {
  return findRoom(LAYERS, path)?.name;
}

test('findRoom: prefers the longest key, and keeps folders under a star apart', () => {
  assert.equal(roomOf('src/data/a.ts'), 'src/data');
  assert.equal(roomOf('src/data/io/a.ts'), 'src/data/io');
  assert.equal(roomOf('src/data/iota/a.ts'), 'src/data');
  assert.equal(roomOf('src/middleware/gzip/a.ts'), 'src/middleware/gzip');
  assert.equal(roomOf('src/middleware/gzip/config.ts'), 'src/middleware/gzip/config.ts');
  assert.equal(roomOf('src/middleware/a.ts'), undefined);
  assert.equal(roomOf('src/a.ts'), undefined);
});

test('listImports: reads every form and nothing else', () => {
  const source = `
import a from 'a1';
import type { B } from 'b1';
import { type C, d } from "c1"; import * as e from 'd1';
import 'e1';
import f, { g } from 'f1';
export { h } from 'g1';
export type { I } from 'h1';
export * as j from 'i1';
const k = await import('j1');
const l = import.meta.url; const m = x.import('no'); type N = import('k1').N;
export const from = 'no'; export { l }; export type O = { from: 'no' };
// import 'no'
const t = \`import 'no' \${(() => { return import('l1') })()} import 'no'\`;
const r = /import 'no'/; const w = new URL('./w.ts', l); const v = 'x.ts';
`;
  const imports = listImports(lex(source).code);
  assert.deepEqual(
    imports.map((item) => `${item.specifier} ${item.kind}`),
    [
      'a1 value',
      'b1 type',
      'c1 value',
      'd1 value',
      'e1 value',
      'f1 value',
      'g1 value',
      'h1 type',
      'i1 value',
      'j1 lazy',
      'k1 lazy',
      'l1 lazy',
      './w.ts path',
    ],
  );
  assert.equal(imports[3]?.line, 4);
});

function regexes(source: string): string[] {
  const found = lex(source).code.filter((token) => token.kind === 'regex');
  return found.map((token) => token.text);
}

test('lex: tells division from a regex', () => {
  assert.deepEqual(regexes("a = b / c; d = (e) / f / g; h[0] / 'i'; j! / k / l; m++ / n / o"), []);
  assert.deepEqual(regexes('return /a/g; f(/[/]"/, !/b\\//u); x = /c/'), [
    '/a/g',
    '/[/]"/',
    '/b\\//u',
    '/c/',
  ]);
});

test('lex: survives what never ends', () => {
  for (const source of ["'", '"a\\', '`a ${', '`a ${ `', '/*', '/a', '}', 'a}`', '`${{}}`}']) {
    assert.doesNotThrow(() => lex(source), source);
  }
});

test('listFunctions: finds every kind of function with its lines', () => {
  const source = `function one<T extends { a: 1 }>(a: T): Map<string, { b: 2 }> {
  return b;
}
class Two {
  three(a: () => void): { c: 3 } {
    if (a) { b(); }
    for (const x of y()) { c(); }
  }
  get four(): string { return ''; }
}
const five = (
  a: number,
) => {
  b();
};
type Six = (a: number) => { b: 1 }[];
const seven = cond ? f(a) : b, eight = { nine() { return 1; } };
switch (a) { case f(x): { b(); } case g(y): if (z) { c(); } }
test('ten', () => {
  a();
});
async function* eleven(a: string): asserts a is B | C {
}`;
  const spans = listFunctions(lex(source).code);
  assert.deepEqual(
    spans.map((span) => `${span.name} ${span.line} ${span.lineCount}`),
    [
      'one 1 3',
      'three 5 4',
      'four 9 1',
      'five 11 5',
      'Six 16 1',
      'nine 17 1',
      '=> 19 3',
      'eleven 22 2',
    ],
  );
});
