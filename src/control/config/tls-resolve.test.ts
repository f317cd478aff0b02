import test from 'node:test';
import assert from 'node:assert/strict';
import { loadConfig } from './load-config.ts';
import { LoadMemory } from './load-memory.ts';
import { memorySource } from './memory-source.ts';

const PLAIN = '[services.s]\nendpoints = ["http://a"]\n[listeners.web]\naddress = ":80"\n';
const SECURE = 'listeners.secure = { address = ":8443", tls = "default" }\n';
const LE = 'issuers.letsencrypt = {}\n';

async function plainHttp(text: string, memory = new LoadMemory()) {
  const source = memorySource({ 'm.toml': text + PLAIN });
  const { config, issues } = await loadConfig('m.toml', source, { memory });
  assert.ok(config !== null, JSON.stringify(issues));
  return config.routes;
}

async function outcome(text: string): Promise<string> {
  const routes = await plainHttp(text);
  return routes.map((route) => `${route.plainHttp} ${route.httpsPort}`).join(', ');
}

const route = (rest: string): string => `routes.r = { service = "s", ${rest} }\n`;

test('plain http: auto redirects when HTTPS would work for every host of the route', async () => {
  const cases: readonly (readonly [what: string, text: string, outcome: string])[] = [
    ['no listener with TLS', route('host = "a.internal"'), 'serve 443'],
    ['an internal name', SECURE + route('host = "a.internal"'), 'redirect 8443'],
    ['a public name', SECURE + LE + route('host = "a.com"'), 'redirect 8443'],
    ['a name without issuer', SECURE + route('host = "a.com"'), 'serve 443'],
    ['one of two', SECURE + route('host = ["a.com", "a.internal"]'), 'serve 443'],
    ['any host', SECURE + LE + route('path = "/"'), 'serve 443'],
    ['any host by `*`', SECURE + LE + route('host = "*"'), 'serve 443'],
    ['a regular expression', SECURE + LE + route('rule = "HostRegexp(`.`)"'), 'serve 443'],
    [
      'a way without host',
      SECURE + LE + route('rule = "Host(`a.com`) || Path(`/a`)"'),
      'serve 443',
    ],
    ['elsewhere only', SECURE + LE + route('host = "a.com", listeners = ["web"]'), 'serve 443'],
    [
      'port 443 if there is one',
      SECURE +
        'listeners.main = { address = ":443", tls = "default" }\n' +
        route('host = "a.internal"'),
      'redirect 443',
    ],
    [
      'the port that clients know',
      SECURE.replace(' }', ', public-port = 443 }') + route('host = "a.internal"'),
      'redirect 443',
    ],
    ['told to serve', SECURE + route('host = "a.internal", plain-http = "serve"'), 'serve 443'],
    ['told to redirect', SECURE + route('path = "/", plain-http = "redirect"'), 'redirect 8443'],
    ['told to refuse', route('path = "/", plain-http = "refuse"'), 'refuse 443'],
    [
      'a wildcard on demand',
      `${SECURE}issuers.a.on-demand.names = ["*.a.com"]\n${route('host = "*.a.com"')}`,
      'redirect 8443',
    ],
    ['a wildcard that nobody issues', SECURE + LE + route('host = "*.a.com"'), 'serve 443'],
  ];
  for (const [what, text, expected] of cases) assert.equal(await outcome(text), expected, what);
});

test('plain http: what did not change is the same object at the next load', async () => {
  const memory = new LoadMemory();
  const secure = '[listeners.secure]\naddress = ":8443"\ntls = "default"\n';
  const text =
    `${secure}[routes.r]\nservice = "s"\nhost = "a.internal"\n` +
    '[routes.q]\nservice = "s"\npath = "/q"\n';
  const [first, second] = await plainHttp(text, memory);
  const [same, other] = await plainHttp(text.replace('"/q"', '"/z"'), memory);
  assert.equal(first, same);
  assert.notEqual(second, other);
  const [now] = await plainHttp(text.replace(secure, ''), memory);
  assert.equal(now?.plainHttp, 'serve');
});

async function hsts(value: string): Promise<string> {
  return (await plainHttp(route(`path = "/", hsts = ${value}`)))[0]!.hsts;
}

test('hsts: is a year, or what is said', async () => {
  assert.equal(await hsts('true'), 'max-age=31536000');
  assert.equal(await hsts('false'), '');
  assert.equal(await hsts('{ max-age = "1d" }'), 'max-age=86400');
  assert.equal(
    await hsts('{ include-sub-domains = true, preload = true }'),
    'max-age=31536000; includeSubDomains; preload',
  );
});
