/** Changed files are taken over by themselves, by signal, command and API; bad ones never are. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { freePort } from '../support/free-port.ts';
import { fetchFrom } from '../support/http-origin.ts';
import { ReloadStage } from '../support/reload-stage.ts';
import { delay, until } from '../support/wait.ts';

/** Only what the test asks for reloads. */
const UNWATCHED = { tables: '[reload]\nwatch = false\n' };

/** A mounted version of the configuration. */
function writeVersion(folder: string, name: string, toml: string): void {
  fs.mkdirSync(path.join(folder, name));
  fs.writeFileSync(path.join(folder, name, 'proxy-now.toml'), toml);
}

/** What the proxies of this file have kept on disk. */
function savedTexts(): string {
  const folder = path.join(process.env['XDG_STATE_HOME']!, 'proxy-now');
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => fs.readFileSync(path.join(folder, name), 'utf8'))
    .join('\n');
}

/** Nothing failed, and there was something that could have. */
async function endsWell(stage: ReloadStage): Promise<void> {
  await until(() => stage.answerCount > 20, 'enough answers');
  await stage.stopAsking();
  assert.deepEqual(stage.failures, []);
}

test('reload: a file that is written is taken over', async (t) => {
  const stage = await ReloadStage.open(t);
  stage.ask();
  await stage.servedBy('a');
  stage.write(stage.toml('b'));
  await stage.servedBy('b');
  const output = await stage.says(/configuration applied cause=file generation=2/);
  assert.match(output, /~ service all {2}endpoints: \+http/);
  await endsWell(stage);
});

test('reload: a file that is renamed over the old one is taken over', async (t) => {
  const stage = await ReloadStage.open(t);
  stage.ask();
  for (const origin of ['b', 'a', 'b'] as const) {
    stage.write(stage.toml(origin), `${stage.file}.new`);
    fs.renameSync(`${stage.file}.new`, stage.file);
    await stage.servedBy(origin);
  }
  await endsWell(stage);
});

test('reload: swapped links are followed, as Kubernetes mounts a ConfigMap', async (t) => {
  const stage = await ReloadStage.open(t, {
    place: (folder, toml) => {
      writeVersion(folder, '..v1', toml);
      fs.symlinkSync('..v1', path.join(folder, '..data'));
      const file = path.join(folder, 'proxy-now.toml');
      fs.symlinkSync('..data/proxy-now.toml', file);
      return file;
    },
  });
  stage.ask();
  for (const [index, origin] of (['b', 'a'] as const).entries()) {
    const name = `..v${index + 2}`;
    writeVersion(stage.folder, name, stage.toml(origin));
    fs.symlinkSync(name, path.join(stage.folder, '..new'));
    fs.renameSync(path.join(stage.folder, '..new'), path.join(stage.folder, '..data'));
    fs.rmSync(path.join(stage.folder, `..v${index + 1}`), { recursive: true });
    await stage.servedBy(origin);
  }
  await endsWell(stage);
});

test('reload: files come and go in an included folder', async (t) => {
  const stage = await ReloadStage.open(t);
  stage.ask();
  const part = path.join(stage.folder, 'conf.d/b.toml');
  const toB =
    `[routes.b]\nhost = "b.test"\nservice = "b"\n` +
    `[services.b]\nendpoints = ["http://127.0.0.1:${stage.origins.b}"]\n`;
  const hostB = (): Promise<string> => stage.get({ host: 'b.test' });
  assert.equal(await hostB(), 'a');
  stage.write(toB, part);
  await until(async () => (await hostB()) === 'b', 'the route of the new file');
  stage.write(`${toB}\nbroken`, part);
  await stage.says(/an included file has an error: its last good version is served/);
  assert.equal(await hostB(), 'b');
  // The rest moves on while that file is broken.
  stage.write(stage.toml('b'));
  await stage.servedBy('b');
  assert.equal(await hostB(), 'b');
  const status = await stage.command('status');
  assert.match(status.output, /bad files: .*conf\.d\/b\.toml/);
  stage.write(stage.toml('a'));
  await stage.servedBy('a');
  fs.rmSync(part);
  await until(async () => (await hostB()) === 'a', 'the route to go with its file');
  await endsWell(stage);
});

test('reload: SIGHUP reloads when nobody watches the files', async (t) => {
  const stage = await ReloadStage.open(t, UNWATCHED);
  stage.ask();
  stage.write(stage.toml('b'));
  await delay(300);
  assert.equal(await stage.get(), 'a');
  stage.child.signal('SIGHUP');
  await stage.servedBy('b');
  await stage.says(/configuration applied cause=signal/);
  await endsWell(stage);
});

test('reload: the commands say what would change, change it, and why not', async (t) => {
  const stage = await ReloadStage.open(t, UNWATCHED);
  stage.ask();
  const same = await stage.command('diff');
  assert.deepEqual([same.code, /would change nothing/.test(same.output)], [0, true]);
  stage.write(stage.toml('b'));
  const diff = await stage.command('diff');
  assert.equal(diff.code, 4, diff.output);
  assert.match(diff.output, /~ service all {2}endpoints: \+http:\/\/127/);
  assert.equal(await stage.get(), 'a');
  const applied = await stage.command('reload');
  assert.equal(applied.code, 0, applied.output);
  assert.match(applied.output, /generation 2, applied: 1 changed, in \d+ ms/);
  assert.equal(await stage.get(), 'b');
  const again = await stage.command('reload', '--json');
  assert.equal((JSON.parse(again.output) as { status: string }).status, 'unchanged');
  stage.write(stage.toml('b', '[routes.x]\nservice = "al"\n'));
  for (const name of ['diff', 'reload']) {
    const rejected = await stage.command(name);
    assert.equal(rejected.code, 1, name);
    assert.match(rejected.output, /proxy-now\.toml:\d+:\d+ \(routes\.x\.service\)/);
    assert.match(rejected.output, /did you mean `all`\?/);
  }
  const usage = await stage.command('relaod');
  assert.equal(usage.code, 2);
  assert.match(usage.output, /did you mean reload\?/);
  await endsWell(stage);
  await stage.child.stop();
  const gone = await stage.command('reload');
  assert.equal(gone.code, 3);
  assert.match(gone.output, /no running proxy found/);
});

test('reload: the API over TCP takes changes with the token alone', async (t) => {
  const adminPort = await freePort();
  const stage = await ReloadStage.open(t, {
    admin: `127.0.0.1:${adminPort}`,
    ...UNWATCHED,
  });
  const reload = (token: string) =>
    fetchFrom(adminPort, '/reload', {
      method: 'POST',
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    });
  const refused = await reload('');
  assert.equal(refused.status, 403);
  assert.match(refused.body.toString(), /use the unix socket \/.*\.sock/);
  const secret = path.join(stage.folder, 'token');
  fs.writeFileSync(secret, 'hunter2\n');
  const withToken = (origin: 'a' | 'b'): string =>
    stage.toml(origin).replace('[admin]\n', '[admin]\ntoken = "${file:token}"\n');
  stage.write(withToken('b'));
  assert.equal((await stage.command('reload')).code, 0);
  assert.equal((await reload('')).status, 401);
  assert.equal((await reload('hunter3')).status, 401);
  stage.write(withToken('a'));
  const applied = await reload('hunter2');
  assert.equal(applied.status, 200);
  assert.equal((JSON.parse(applied.body.toString()) as { status: string }).status, 'applied');
  assert.equal(await stage.get(), 'a');
  // The value of a file is an input of the configuration too.
  fs.writeFileSync(secret, 'hunter3\n');
  assert.equal((await stage.command('reload')).code, 0);
  assert.equal((await reload('hunter2')).status, 401);
  stage.write('broken');
  const bad = await reload('hunter3');
  assert.equal(bad.status, 422);
  const { issues } = JSON.parse(bad.body.toString()) as { issues: Record<string, unknown>[] };
  const [issue] = issues;
  assert.deepEqual([issue?.['file'], issue?.['line'], issue?.['code']], [stage.file, 1, 'PN1002']);
  const config = await fetchFrom(adminPort, '/config', {});
  assert.doesNotMatch(config.body.toString(), /hunter/);
  assert.doesNotMatch(stage.child.output, /hunter/);
});

test('reload: bad files under traffic change nothing, until they are good', async (t) => {
  const stage = await ReloadStage.open(t);
  stage.ask();
  const good = stage.toml('a');
  const bad: readonly (readonly [what: string, make: () => void, says: RegExp])[] = [
    ['invalid', () => stage.write(`${good}\n[routes.x]\nservce = 1\n`), /unknown key `servce`/],
    ['half-written', () => stage.write(good.slice(0, good.length - 40)), /reload rejected/],
    ['empty', () => stage.write(''), /reload rejected.*no listener/],
    ['deleted', () => fs.rmSync(stage.file), /there is no such file/],
    [
      'unreadable',
      () => {
        fs.rmSync(stage.file);
        fs.mkdirSync(stage.file);
      },
      /it is a directory/,
    ],
  ];
  for (const [what, make, says] of bad) {
    const before = stage.child.output.length;
    make();
    await until(() => says.test(stage.child.output.slice(before)), `${what}: ${says}`, 8_000);
    assert.equal(await stage.get(), 'a', what);
    assert.match((await stage.command('status')).output, /NOT what is served/, what);
    fs.rmSync(stage.file, { recursive: true, force: true });
    stage.write(good);
    await until(
      () => /files are good again/.test(stage.child.output.slice(before)),
      `${what}: the good file`,
      8_000,
    );
  }
  await endsWell(stage);
});

test('reload: an address that cannot be had rejects the whole', async (t) => {
  const stage = await ReloadStage.open(t, UNWATCHED);
  stage.ask();
  const [port] = stage.sparePorts as [number];
  const blocker = net.createServer();
  await new Promise<void>((resolve) => blocker.listen(port, '127.0.0.1', resolve));
  t.after(() => void blocker.close());
  const more = `[listeners.more]\naddress = "127.0.0.1:${port}"\n`;
  stage.write(stage.toml('b', more));
  const rejected = await stage.command('reload');
  assert.equal(rejected.code, 1, rejected.output);
  assert.match(rejected.output, new RegExp(`${port}`));
  assert.equal(await stage.get(), 'a');
  await new Promise((resolve) => blocker.close(resolve));
  const applied = await stage.command('reload'); // The same files: the address is free now.
  assert.equal(applied.code, 0, applied.output);
  assert.equal((await fetchFrom(port, '/')).body.toString(), 'b');
  await endsWell(stage);
});

test('reload: what fails much more than before is taken back by itself', async (t) => {
  const stage = await ReloadStage.open(t, {
    tables: '[reload]\nrollback-window = "5s"\nrollback-fault-percent = 40\n',
  });
  await stage.servedBy('a');
  stage.ask();
  const [closed] = stage.sparePorts as [number];
  stage.write(stage.toml('a').replace(String(stage.origins.a), String(closed)));
  await stage.says(/rolled back/);
  await stage.servedBy('a');
  const status = await stage.command('status');
  assert.match(status.output, /NOT what is served: taken back/);
  const again = await stage.command('reload');
  assert.equal(again.code, 1);
  assert.match(again.output, /until they change/);
  stage.write(stage.toml('b'));
  await stage.servedBy('b');
});

test('run: starts from the last good files when told to and those on disk are bad', async (t) => {
  const stage = await ReloadStage.open(t);
  await stage.servedBy('a');
  stage.write(stage.toml('b'));
  await stage.servedBy('b');
  await until(() => savedTexts().includes(`:${stage.origins.b}`), 'the copy on disk');
  await stage.child.stop();
  stage.write(`${stage.toml('a')}\nbroken`);
  const refused = await stage.command('run');
  assert.equal(refused.code, 1);
  assert.match(refused.output, /run --last-good starts from what was served/);
  await stage.start(['--last-good']);
  assert.match(stage.child.output, /illegal character|broken/);
  assert.match(stage.child.output, /starting from their last good version, saved \d{4}-/);
  assert.equal(await stage.get(), 'b');
  assert.match((await stage.command('status')).output, /NOT what is served/);
  stage.write(stage.toml('a'));
  await stage.servedBy('a');
});

test('drain: an endpoint leaves traffic and comes back, without a file', async (t) => {
  const stage = await ReloadStage.open(t);
  const { a, b } = stage.origins;
  stage.write(
    stage
      .toml('a')
      .replace(`"http://127.0.0.1:${a}"`, `"http://127.0.0.1:${a}", "http://127.0.0.1:${b}"`),
  );
  await stage.servedBy('b');
  stage.ask();
  const url = `http://127.0.0.1:${a}`;
  const drained = await stage.command('drain', 'endpoint', url);
  assert.equal(drained.code, 0, drained.output);
  assert.match(drained.output, new RegExp(`all {2}${url} {2}draining`));
  for (let i = 0; i < 10; i++) assert.equal(await stage.get(), 'b');
  // A reload that leaves the endpoint as it is does not bring it back.
  stage.write(`drain-delay = "1ms"\n${fs.readFileSync(stage.file, 'utf8')}`);
  await stage.says(/configuration applied cause=file generation=3/);
  assert.match((await stage.command('status')).output, new RegExp(`draining {2}${url}`));
  const undrained = await stage.command('undrain', url, '--service', 'all');
  assert.equal(undrained.code, 0, undrained.output);
  await stage.servedBy('a');
  const unknown = await stage.command('drain', `${url}1`);
  assert.equal(unknown.code, 1);
  assert.match(unknown.output, /Not an endpoint|no endpoint/);
  const wrong = await stage.command('drain', 'listener', url);
  assert.equal(wrong.code, 2);
  await endsWell(stage);
});
