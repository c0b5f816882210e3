// Imports point one way. Read from the import statements themselves.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What each folder may import besides itself; a folder may import what its imports may. */
const layers: Readonly<Record<string, readonly string[]>> = {
  'src/errors.ts': [],
  'src/codec': ['src/errors.ts'],
  'src/ir': ['src/errors.ts'],
  'src/expr': ['src/ir'],
  'src/kernels': ['src/expr'],
  'src/ops': ['src/kernels'],
  'src/passes': ['src/ops'],
  'src/opset': ['src/passes'],
  'src/edit': ['src/opset'],
  'src/formats': ['src/codec', 'src/opset'],
  'src/train/index.ts': ['src/train/adapt', 'src/train/loop', 'src/train/training-info.ts'],
  'src/train/training-info.ts': ['src/exec'],
  'src/train/adapt': ['src/edit', 'src/train'],
  'src/train/loop': ['src/validate'],
  'src/train': ['src/opset'],
  'src/exec': ['src/formats', 'src/train'],
  'src/validate': ['src/edit', 'src/exec'],
  'src/api.ts': ['src/edit', 'src/validate'],
  'src/swap.ts': ['src/api.ts'],
  'src/dry-run.ts': ['src/api.ts'],
  'src/quantize.ts': ['src/edit', 'src/validate'],
  'src/index.ts': ['src/swap.ts', 'src/dry-run.ts', 'src/quantize.ts'],
  'src/node': ['src/index.ts', 'src/train/index.ts'],
  cli: ['src/node'],
  'test/samples': ['src/api.ts'],
  'test/conformance/known-failures.ts': [],
  scripts: ['cli', 'test/samples', 'test/conformance/known-failures.ts'],
};

const layerOf = (path: string): string => Object.keys(layers).find(layer => path === layer || path.startsWith(`${layer}/`)) ?? '';
function mayImport(from: string, to: string, seen = new Set<string>()): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return (layers[from] ?? []).some(next => mayImport(next, to, seen));
}

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (path.endsWith('.ts')) yield path;
  }
}

const imports = ['src', 'cli', 'scripts'].flatMap(folder =>
  [...sources(join(root, folder))].flatMap(path => {
    const text = readFileSync(path, 'utf8');
    const specifiers = [
      ...text.matchAll(/(?:^|\n)\s*(?:import|export)[^'"\n]*?(?:\{[^}]*\})?[^'"\n]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/g),
    ];
    return specifiers.map(m => ({ file: relative(root, path), specifier: (m[1] ?? m[2])!, isLate: m[2] !== undefined }));
  }),
);

const inner = imports
  .filter(i => i.specifier.startsWith('.'))
  .map(i => ({ ...i, target: relative(root, resolve(join(root, dirname(i.file)), i.specifier)) }));

test('every import points to a lower layer', () => {
  expect(imports.length).toBeGreaterThan(200);
  const wrong = inner.filter(i => !mayImport(layerOf(i.file), layerOf(i.target)));
  expect(wrong.map(i => `${i.file} -> ${i.target}`)).toEqual([]);
});

test('only src/node, the command line and scripts touch Node', () => {
  const wrong = imports.filter(i => i.specifier.startsWith('node:') && i.file.startsWith('src/') && !i.file.startsWith('src/node/'));
  expect(wrong.map(i => `${i.file} -> ${i.specifier}`)).toEqual([]);
});

test('backends hear of no node, operator or model', () => {
  const forbidden = ['src/ops', 'src/passes', 'src/opset', 'src/formats'];
  const backends = ['src/exec/reference.ts', 'src/exec/cpu.ts', 'src/exec/webgpu/', 'src/exec/bind.ts'];
  const wrong = inner
    .filter(i => backends.some(b => i.file.startsWith(b)))
    .filter(i => forbidden.some(f => i.target.startsWith(f)) || i.target === 'src/ir/graph.ts');
  expect(wrong.map(i => `${i.file} -> ${i.target}`)).toEqual([]);
});

test('the format table loads no tables of operators of other frameworks', () => {
  const seen = new Set<string>();
  const load = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const i of inner) if (i.file === file && !i.isLate) load(i.target);
  };
  load('src/index.ts');
  expect(seen).toContain('src/formats/tensorflow/index.ts');
  // A row of the format table tells its files; what reads and writes them comes when it is asked for.
  const late = [
    'torch/aten',
    'torch/schema',
    'torch/write/emit',
    'tensorflow/ops',

    'tflite/ops',
    'keras/layers',
    'keras/ops',
  ];
  expect([...seen].filter(file => late.some(f => file.startsWith(`src/formats/${f}`)))).toEqual([]);
});
