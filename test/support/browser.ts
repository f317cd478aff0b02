/** Chromium for tests, through playwright-core; the caller skips where it is not installed. */

import fs from 'node:fs';
import type { Browser, Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** Options of a test that needs the browser: skipped, saying so, where it is missing. */
export const BROWSER_TEST = {
  skip: fs.existsSync(CHROMIUM) ? false : 'Chromium is not installed',
  timeout: 90_000,
};

/** A browser that asks nobody but the page it is given. @param env changes of the environment */
export async function openBrowser(env: Record<string, string> = {}): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: CHROMIUM,
    env: { ...process.env, ...env } as Record<string, string>,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Collects script errors, failed requests and error statuses of a page. */
export function watchProblems(page: Page): string[] {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('requestfailed', (request) => {
    problems.push(`${request.url()} ${request.failure()?.errorText ?? 'failed'}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.url()} ${response.status()}`);
  });
  return problems;
}
