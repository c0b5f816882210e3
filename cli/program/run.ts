// Commands that run models.
import { type Command, Option } from 'commander';
import { withLimits, withReadLimits } from '../limits.ts';
import { atol, backend, examples, inputShape, inputsOrRandom, lazily, rtol, threads, warmUp, wholeNumber, winograd } from './options.ts';

/** plan, bench, profile, run, compare, check-data. */
export function runCommands(program: Command): void {
  withReadLimits(
    program
      .command('plan')
      .description('the kernels that a model becomes, in order, and the memory between them')
      .argument('<model>', 'a model')
      .option('--inputs <path>', 'an .npz with an array for each input, otherwise arrays at random')
      .addOption(inputShape())
      .addOption(backend('reference'))
      .addOption(winograd())
      .option('--no-optimize', 'join and simplify nothing'),
  )
    .addHelpText('before', examples('plan model.onnx', 'plan model.onnx --input-shape x:8,3,224,224 --backend cpu'))
    .action(lazily(async () => (await import('../commands/plan.ts')).plan));

  withLimits(
    program
      .command('bench')
      .description('how long a model takes: percentiles over its runs, loading, the first run, memory')
      .argument('<model>', 'a model')
      .addOption(inputsOrRandom())
      .addOption(inputShape())
      .addOption(backend('cpu'))
      .addOption(threads())
      .addOption(winograd())
      .addOption(warmUp())
      .option('--seconds <number>', 'how long to go on', wholeNumber, 5)
      .addOption(new Option('--vs <engine>', 'measure beside it, run by run; needs onnxruntime-node').choices(['ort'])),
  )
    .addHelpText(
      'before',
      examples('bench model.onnx', 'bench model.onnx --vs ort --threads 1', 'bench model.pt2 --input-shape x:8,3,224,224'),
    )
    .action(lazily(async () => (await import('../commands/bench.ts')).bench));

  withLimits(
    program
      .command('profile')
      .description('where the time of a run goes, step by step, beside what this machine reaches at best')
      .argument('<model>', 'a model')
      .addOption(inputsOrRandom())
      .addOption(inputShape())
      .addOption(backend('cpu'))
      .addOption(threads())
      .addOption(winograd())
      .addOption(warmUp())
      .option('--runs <number>', 'runs that count; each step has the median of its times', wholeNumber, 10)
      .option('--top <number>', 'so many rows', wholeNumber, 20)
      .option('--trace <path>', 'also write the last run for chrome://tracing or Perfetto')
      .option('--overwrite', 'replace the file of --trace'),
  )
    .addHelpText('before', examples('profile model.onnx', 'profile model.onnx --threads 1 --top 50', 'profile model.onnx --trace run.json'))
    .action(lazily(async () => (await import('../commands/profile.ts')).profile));

  withLimits(
    program
      .command('run')
      .description('run a model on arrays')
      .argument('<model>', 'a model')
      .requiredOption('--inputs <path>', 'an .npz with an array for each input, or an .npy for the only one')
      .option('-o, --output <path>', 'the .npz or .npy to write, or - for standard output')
      .addOption(backend('reference'))
      .addOption(winograd())
      .option('--quantized-io', 'give and get the integers that a quantised model stores')
      .option('--overwrite', 'replace an existing file'),
  )
    .addHelpText('before', examples('run model.onnx --inputs inputs.npz -o outputs.npz', 'run model.pt2 --inputs x.npy --backend cpu'))
    .action(lazily(async () => (await import('../commands/run.ts')).run));

  withLimits(
    program
      .command('compare')
      .description('run a model and compare its outputs with references')
      .argument('<model>', 'a model')
      .requiredOption('--inputs <path>', 'an .npz with an array for each input')
      .requiredOption('--expect <path>', 'an .npz with an array for each output')
      .addOption(rtol())
      .addOption(atol())
      .addOption(backend('reference')),
  )
    .addHelpText('before', examples('compare model.onnx --inputs inputs.npz --expect outputs.npz --atol 1e-5'))
    .action(lazily(async () => (await import('../commands/compare.ts')).compare));

  withLimits(
    program
      .command('check-data')
      .description("run a model on the data sets beside it, as the standard's backend tests have them")
      .argument('<folder>', 'a folder with model.onnx and test_data_set_*/input_0.pb, output_0.pb')
      .addOption(rtol())
      .addOption(atol())
      .addOption(backend('reference')),
  )
    .addHelpText('before', examples('check-data models/resnet50 --atol 1e-5'))
    .action(lazily(async () => (await import('../commands/check-data.ts')).checkData));
}
