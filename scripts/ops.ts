// npm run ops -- grad [-o Op] [-b cpu] [--function]: the gradient of every operator sample against central differences in float64, computed
// by the reference backend or another, in operators of the standard alone or with functions.
import { parseArgs } from 'node:util';
import { backendNamed } from '../cli/backends.ts';
import { ModelError } from '../src/errors.ts';
import { checkGradients, doubleModelOf, gradientSamples } from '../test/samples/gradients.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    op: { type: 'string', short: 'o' },
    backend: { type: 'string', short: 'b', default: 'reference' },
    function: { type: 'boolean' },
  },
});
if (positionals[0] !== 'grad') {
  console.error('usage: npm run ops -- grad [-o Op] [-b backend] [--function]');
  process.exit(2);
}

const backend = await backendNamed(values.backend);
let passed = 0;
let failed = 0;
for (const sample of gradientSamples) {
  if (values.op && sample.op !== values.op) continue;
  let wrong: string | undefined;
  try {
    const { model, feeds } = doubleModelOf(sample);
    const { worst, at } = await checkGradients(model, feeds, { backend, inline: !values.function });
    if (worst > 1) wrong = `${worst.toExponential(1)} times what differences leave: ${at}`;
  } catch (error) {
    wrong =
      error instanceof ModelError
        ? `${error.code} ${error.message}`
        : ((error as Error).stack ?? String(error)).split('\n').slice(0, 4).join(' ');
  }
  if (wrong === undefined) passed++;
  else {
    failed++;
    console.log(`FAIL ${sample.name}: ${wrong}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
