// Writes the block loops of the scalar language for TypeScript and C++; with --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderC, renderTypeScript } from '../src/expr/render.ts';

const root = new URL('../../', import.meta.url);
const files: readonly (readonly [string, string])[] = [
  ['src/expr/loops.gen.ts', renderTypeScript()],
  ['native/cpu/isa/loops.gen.cpp', renderC()],
];
for (const [name, text] of files) {
  const path = fileURLToPath(new URL(name, root));
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`${name} is out of date: run npm run gen`);
    process.exitCode = 1;
  }
}
