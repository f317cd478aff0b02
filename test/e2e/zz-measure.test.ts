import test from 'node:test';
import { startInFrontOf } from '/work/main/test/support/behind.ts';
import { fetchFrom, startOrigin } from '/work/main/test/support/http-origin.ts';
import { until, within } from '/work/main/test/support/wait.ts';
test('measure', async (t) => {
  const totals: Record<string, number> = {};
  for (let round = 0; round < 25; round++) {
    const origin = await startOrigin((_q, r) => void r.end('fast'));
    const proxy = await startInFrontOf(t, origin.port, { drainTimeout: '5s' });
    const outcomes: string[] = [];
    const load = async (): Promise<void> => {
      for (let i = 0; i < 800; i++) {
        try { outcomes.push(String((await fetchFrom(proxy.port, '/x')).status)); }
        catch (error) { const { code = 'unknown', message, syscall } = error as any; outcomes.push(code + ' ' + (syscall ?? message)); if (code === 'ECONNREFUSED') return; }
      }
    };
    const running = Promise.all([load(), load(), load(), load(), load(), load()]);
    await until(() => outcomes.length > 60, 'some traffic');
    proxy.subject.child.signal('SIGTERM');
    await running;
    await within(proxy.subject.child.exited, 'the exit', 8_000);
    for (const o of outcomes) totals[o] = (totals[o] ?? 0) + 1;
    await origin.close();
  }
  console.log(totals);
});
