/**
 * A small TypeScript lexer: enough to tell code from strings, comments, templates and regexes.
 *
 * It knows no grammar. Two guesses are made, both settled by the token before: whether `/` starts
 * a regex, and whether `}` returns to a template. Comments are kept as tokens of their own list,
 * so that checks on code never see them.
 */

export type TokenKind = 'word' | 'punct' | 'string' | 'template' | 'regex' | 'number' | 'comment';

export interface Token {
  readonly kind: TokenKind;
  /** Source text; strings without their quotes, comments with their marks. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based line of the last character; differs for comments and templates. */
  readonly lineEnd: number;
}

export interface Lexed {
  readonly code: readonly Token[];
  readonly comments: readonly Token[];
}

/** Words after which an expression starts, so that `/` opens a regex. */
const BEFORE_EXPRESSION = new Set(
  'return typeof case in of delete void throw new else do instanceof await yield extends'.split(
    ' ',
  ),
);

const PAIRS = new Set(['=>', '++', '--', '?.']);

/** Splits `source` into tokens. Never throws: an unterminated token ends with the file. */
export function lex(source: string): Lexed {
  const lexer = new Lexer(source);
  lexer.run();
  return { code: lexer.code, comments: lexer.comments };
}

class Lexer {
  readonly code: Token[] = [];
  readonly comments: Token[] = [];
  readonly source: string;
  /** Open braces inside each unfinished `${`, innermost last. */
  readonly templates: number[] = [];
  at = 0;
  line = 1;

  constructor(source: string) {
    this.source = source;
  }

  run(): void {
    if (this.source.startsWith('#!')) this.at = this.lineEndFrom(0);
    while (this.at < this.source.length) this.step();
  }

  step(): void {
    const char = this.source[this.at]!;
    if (char === '\n') {
      this.line++;
      this.at++;
    } else if (char === ' ' || char === '\t' || char === '\r') this.at++;
    else if (char === '/') this.slash();
    else if (char === '"' || char === "'") this.string(char);
    else if (char === '`') this.template(this.at + 1);
    else if (isWordStart(char)) this.word();
    else if (char >= '0' && char <= '9') this.number();
    else this.punct(char);
  }

  slash(): void {
    const next = this.source[this.at + 1];
    if (next === '/') this.emit('comment', this.lineEndFrom(this.at));
    else if (next === '*') {
      const end = this.source.indexOf('*/', this.at + 2);
      this.emit('comment', end < 0 ? this.source.length : end + 2);
    } else {
      const end = this.expectsExpression() ? this.regexEnd() : -1;
      this.emit(end < 0 ? 'punct' : 'regex', end < 0 ? this.at + 1 : end);
    }
  }

  /** True where a value may start: what follows an operator, an opening bracket or `return`. */
  expectsExpression(): boolean {
    const last = this.code.at(-1);
    if (last === undefined) return true;
    if (last.kind === 'word') return BEFORE_EXPRESSION.has(last.text);
    if (last.kind !== 'punct') return false;
    if (last.text === '!') {
      const before = this.code.at(-2); // `value! / 2`: a postfix mark, so a division.
      const isValue = before !== undefined && (before.kind === 'word' || /[)\]]/.test(before.text));
      return !isValue;
    }
    return !/^(?:\)|\]|\}|\+\+|--)$/.test(last.text);
  }

  /** @returns the offset past the regex and its flags; -1 when this is no regex */
  regexEnd(): number {
    let inClass = false;
    for (let i = this.at + 1; i < this.source.length; i++) {
      const char = this.source[i]!;
      if (char === '\n') return -1;
      if (char === '\\') i++;
      else if (char === '[') inClass = true;
      else if (char === ']') inClass = false;
      else if (char === '/' && !inClass) {
        let end = i + 1;
        while (isWordPart(this.source[end])) end++;
        return end;
      }
    }
    return -1;
  }

  string(quote: string): void {
    let end = this.at + 1;
    while (end < this.source.length && this.source[end] !== quote && this.source[end] !== '\n') {
      end += this.source[end] === '\\' ? 2 : 1;
    }
    const text = this.source.slice(this.at + 1, end);
    this.code.push({ kind: 'string', text, line: this.line, lineEnd: this.line });
    this.at = end + 1;
  }

  /** Reads template text from `from` up to the closing backtick or the next `${`. */
  template(from: number): void {
    let end = from;
    while (end < this.source.length && this.source[end] !== '`') {
      if (this.source[end] === '$' && this.source[end + 1] === '{') {
        this.emit('template', end + 2);
        this.templates.push(0);
        return;
      }
      end += this.source[end] === '\\' ? 2 : 1;
    }
    this.emit('template', end + 1);
  }

  word(): void {
    let end = this.at + 1;
    while (isWordPart(this.source[end])) end++;
    this.emit('word', end);
  }

  number(): void {
    let end = this.at + 1;
    while (isWordPart(this.source[end]) || this.source[end] === '.') end++;
    this.emit('number', end);
  }

  punct(char: string): void {
    const depth = this.templates.length - 1;
    if (depth >= 0 && char === '{') this.templates[depth]!++;
    if (depth >= 0 && char === '}') {
      if (this.templates[depth] === 0) {
        this.templates.pop();
        this.template(this.at + 1);
        return;
      }
      this.templates[depth]!--;
    }
    const isEllipsis = this.source.startsWith('...', this.at);
    const isPair = PAIRS.has(this.source.slice(this.at, this.at + 2));
    this.emit('punct', this.at + (isEllipsis ? 3 : isPair ? 2 : 1));
  }

  emit(kind: TokenKind, end: number): void {
    const text = this.source.slice(this.at, end);
    const line = this.line;
    if (kind === 'comment' || kind === 'template') {
      for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) this.line++;
    }
    const token = { kind, text, line, lineEnd: this.line };
    (kind === 'comment' ? this.comments : this.code).push(token);
    this.at = end;
  }

  lineEndFrom(offset: number): number {
    const end = this.source.indexOf('\n', offset);
    return end < 0 ? this.source.length : end;
  }
}

function isWordStart(char: string): boolean {
  return char === '#' || char === '@' || isWordPart(char);
}

function isWordPart(char: string | undefined): boolean {
  if (char === undefined) return false;
  const code = char.charCodeAt(0);
  if (code < 128) {
    const isDigit = code >= 48 && code <= 57;
    const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
    return isDigit || isLetter || char === '_' || char === '$';
  }
  return /\p{L}/u.test(char);
}
