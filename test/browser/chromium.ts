// A headless Chromium with WebGPU on its software adapter, and pages for it that this machine serves.
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
export const installed = existsSync(executablePath);
if (!installed) console.log(`tests in a browser are skipped: there is no ${executablePath}; CHROMIUM_PATH names another`);

const flags = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

/** A file that a page may ask for. */
export interface Served {
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** Pages may fetch from their own server and run its scripts, and nothing else: no `eval`, no text as script. */
export const ownOnly = "default-src 'none'; script-src 'self'; connect-src 'self'";

export interface Opened {
  readonly page: Page;
  readonly address: string;
  /** What the page said on its console, and what it threw. */
  readonly problems: readonly string[];
  /** Addresses that were asked for. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** A page at `/` of a server with these files. */
export async function openPage(files: Readonly<Record<string, Served>>, policy = ownOnly): Promise<Opened> {
  const server: Server = createServer((request, response) => {
    const file = files[new URL(request.url ?? '/', 'http://x').pathname];
    response.writeHead(file ? 200 : 404, { 'Content-Security-Policy': policy, 'Content-Type': file?.type ?? 'text/plain' });
    response.end(file?.body ?? 'no such file');
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const browser: Browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [...flags, ...quiet],
    ignoreDefaultArgs: ['--disable-gpu'],
  });
  const page = await browser.newPage();
  const problems: string[] = [];
  const requests: string[] = [];
  page.on('console', m => problems.push(m.text()));
  page.on('pageerror', e => problems.push(String(e)));
  page.on('request', r => requests.push(r.url()));
  await page.goto(address);
  return {
    page,
    address,
    problems,
    requests,
    async close() {
      await browser.close();
      server.close();
    },
  };
}
