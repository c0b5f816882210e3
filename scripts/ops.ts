// npm run ops -- grad [-o Op] [-b cpu] [--function] [--open] [--second] [--third 0]: the gradient of every operator sample against central differences in float64, computed
// by the reference backend or another, in operators of the standard alone or with functions, with the first size open, or of the gradient
// itself.
import { parseArgs } from 'node:util';
import { backendNamed } from '../cli/backends.ts';
import { ModelError } from '../src/errors.ts';
import { checkGradients, doubleModelOf, firstGradient, gradientSamples } from '../test/samples/gradients.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    op: { type: 'string', short: 'o' },
    backend: { type: 'string', short: 'b', default: 'reference' },
    function: { type: 'boolean' },
    open: { type: 'boolean' },
    second: { type: 'boolean' },
    third: { type: 'string', default: 'all' },
  },
});
if (positionals[0] !== 'grad') {
  console.error('usage: npm run ops -- grad [-o Op] [-b backend] [--function] [--open] [--second] [--third 0|1|2|all]');
  process.exit(2);
}

const backend = await backendNamed(values.backend);
let passed = 0;
let failed = 0;
for (const [i, sample] of gradientSamples.entries()) {
  if (values.op && sample.op !== values.op) continue;
  if (values.third !== 'all' && i % 3 !== Number(values.third)) continue;
  let wrong: string | undefined;
  try {
    const inline = !values.function;
    const plain = doubleModelOf(sample, { open: values.open });
    const { model, feeds } = values.second ? firstGradient(plain.model, plain.feeds, inline) : plain;
    const { worst, at } = await checkGradients(model, feeds, { backend, inline });
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
