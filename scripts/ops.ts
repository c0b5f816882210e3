// What the operator samples say, on any backend.
//   npm run ops -- test [-b cpu] [-o Op]   every sample against the numbers of ONNX Runtime
//   npm run ops -- grad [-b cpu] [-o Op] [--function] [--open] [--second]   the gradient of every sample against central differences in
//     float64, in operators of the standard alone or with functions, with the first size open, or of the gradient itself
// --third 0|1|2 takes a third of the samples.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { backendNamed } from '../cli/backends.ts';
import { ModelError } from '../src/errors.ts';
import { MemorySource, readArrays, Session } from '../src/index.ts';
import { compareTensors } from '../src/validate/compare.ts';
import { checkGradients, doubleModelOf, firstGradient, gradientSamples } from '../test/samples/gradients.ts';
import { modelOf, type Sample, samples } from '../test/samples/samples.ts';

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

/** What is wrong with a sample; undefined where nothing is. */
type Judge = (sample: Sample) => Promise<string | undefined>;

/** Each loads what it needs, and says which samples it takes. */
const verbs: Readonly<Record<string, () => Promise<{ readonly of: readonly Sample[]; readonly judge: Judge }>>> = {
  test: async () => {
    const path = join(fileURLToPath(new URL('../../', import.meta.url)), 'test/samples/expected.npz');
    const expected = await readArrays(new MemorySource(readFileSync(path), 'expected.npz'));
    return {
      of: samples,
      async judge(sample) {
        const { model, feeds } = modelOf(sample);
        const session = await Session.create(model, { backend });
        const made = await session.run(feeds);
        await session.dispose();
        for (const [name, got] of Object.entries(made)) {
          const want = expected[`${sample.name}/${name}`];
          if (!want) return `no expected numbers for ${name}`;
          const compared = compareTensors(name, got, want, { rtol: sample.tolerance, atol: sample.tolerance });
          if (!compared.ok) return `${name}: ${compared.reason ?? JSON.stringify(compared.worst)}`;
        }
        return undefined;
      },
    };
  },
  grad: async () => ({
    of: gradientSamples,
    async judge(sample) {
      const inline = !values.function;
      const plain = doubleModelOf(sample, { open: values.open });
      const { model, feeds } = values.second ? firstGradient(plain.model, plain.feeds, inline) : plain;
      const { worst, at } = await checkGradients(model, feeds, { backend, inline });
      return worst > 1 ? `${worst.toExponential(1)} times what differences leave: ${at}` : undefined;
    },
  }),
};

const verb = positionals[0] ?? '';
if (!Object.hasOwn(verbs, verb)) {
  console.error('usage: npm run ops -- test|grad [-o Op] [-b backend] [--function] [--open] [--second] [--third 0|1|2|all]');
  process.exit(2);
}

const backend = await backendNamed(values.backend);
const { of, judge } = await verbs[verb]!();
let passed = 0;
let failed = 0;
for (const [i, sample] of of.entries()) {
  if (values.op && sample.op !== values.op) continue;
  if (values.third !== 'all' && i % 3 !== Number(values.third)) continue;
  const wrong = await judge(sample).catch(error =>
    error instanceof ModelError
      ? `${error.code} ${error.message}`
      : String((error as Error).stack)
          .split('\n')
          .slice(0, 4)
          .join(' '),
  );
  if (wrong === undefined) passed++;
  else {
    failed++;
    console.log(`FAIL ${sample.name}: ${wrong}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
