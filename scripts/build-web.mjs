// npm run build:web: the library as module scripts for pages without a bundler, into dist/browser, and the page of examples/web, into build/web.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const common = { bundle: true, format: 'esm', splitting: true, platform: 'browser', target: 'es2022', minify: true, logLevel: 'warning' };
const source = { 'omnix/browser': join(root, 'src/index.ts') };

rmSync(join(root, 'dist/browser'), { recursive: true, force: true });
await build({ ...common, entryPoints: { omnix: source['omnix/browser'] }, outdir: join(root, 'dist/browser') });

const page = join(root, 'build/web');
rmSync(page, { recursive: true, force: true });
mkdirSync(page, { recursive: true });
const example = join(root, 'examples/web');
await build({
  ...common,
  alias: source,
  entryPoints: { page: join(example, 'page.ts'), worker: join(example, 'worker.ts') },
  outdir: page,
});
for (const name of ['index.html', 'style.css']) copyFileSync(join(example, name), join(page, name));
