#!/usr/bin/env node
// The command line: assembles the commands. What a command does is loaded when it is run.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { fail } from '../src/errors.ts';
import { bytes, withLimits, withReadLimits } from './limits.ts';
import { type GlobalOptions, type Outcome, type Output, perform, version } from './output.ts';

type Run = (args: readonly string[], options: never, out: Output) => Promise<Outcome>;

/** An action that loads the command first. */
const lazily =
  (load: () => Promise<Run>) =>
  async (...given: unknown[]): Promise<void> => {
    // Commander's last argument is the command, whose arguments and options have been checked by it.
    const command = given.at(-1) as Command;
    await perform(command.name(), command.optsWithGlobals(), async out => (await load())(command.args, command.opts() as never, out));
  };

const examples = (...lines: string[]): string => `Examples:\n${lines.map(line => `  omnix ${line}\n`).join('')}`;

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('A whole number is expected.');
  return value;
}

function tolerance(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError('A number of at least 0 is expected.');
  return value;
}

const program = new Command('omnix')
  .description('Convert models between frameworks, run them and check their numbers.')
  .version(version, '-V, --version', 'print the version')
  .option('--json', 'print one JSON object on standard output')
  .option('-q, --quiet', 'say nothing but errors')
  .option('-v, --verbose', 'say more')
  .option('--debug', 'print stack traces of errors')
  .option('--no-color', 'do not colour')
  .addHelpText('before', examples('info model.onnx', 'convert model.pt2 -o model.onnx --verify', 'check model.onnx'))
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()
  // Usage errors are printed with all others, in one form.
  .configureOutput({ outputError: () => {} });

/** Orders of single images, the same for every command that takes them. */
const withOrders = (command: Command): Command =>
  command
    .option('--input-layout <name=order>', 'the order of an input, nhwc or nchw; repeatable', collect)
    .option('--output-layout <name=order>', 'the order of an output, nhwc or nchw; repeatable', collect);

withReadLimits(
  withOrders(
    program
      .command('convert')
      .description('read a model of one format and write it in another')
      .argument('[input]', 'a model, or - for standard input')
      .option('-o, --output <path>', 'the file to write, the folder for torch-module, or - for standard output')
      .option('--to <format>', 'the format to write, otherwise told from the name; with --dry-run several, such as onnx,pt2')
      .option('--opset <version>', 'the opset to write, otherwise the lowest that says the model exactly', wholeNumber)
      .option('--target <runtime>', 'write no newer opset than a runtime reads, such as ort-1.20')
      .option('--external-data', 'keep the weights in a second file')
      .option('--dtype <type>', 'the float type of weights and arithmetic in the place of float32: fp16 or bf16')
      .option('--keep-io-types', 'with --dtype: leave inputs and outputs float32')
      .option('--no-fuse', 'keep layers as they are, such as batch normalisation after a convolution')
      .option('--allow-custom', 'keep operators without a conversion as nodes of a domain of their own')
      .option('--quantized-io', 'leave inputs and outputs of a quantised model the integers that it stores')
      .option(
        '--input-shape <name:dims>',
        'a shape for an input, such as x:1,3,224,224 or x:batch,3, or its type, such as x:int64[batch,8]; repeatable',
        collect,
      )
      .option(
        '--input-value <name=value>',
        'a number, true, false, None or a text in the place of an input of TorchScript; repeatable',
        collect,
      )
      .option('--inputs <names>', 'tensors that become inputs, for graphs that do not say them, such as x,y:0; repeatable', collect)
      .option('--outputs <names>', 'tensors that become outputs; repeatable', collect)
      .option('--weights <path>', 'a checkpoint or model whose tensors replace the weights, by name')
      .option('--rename <old=new>', 'with --weights: other names for its tensors, such as module.*=*; repeatable', collect)
      .option('--map <path>', 'also write where each node and weight went, for swap-weights')
      .option('--dry-run', 'write nothing: list what stands in the way of each format of --to, of all without it')
      .option('--verify [arrays...]', 'run what was written and compare: [IN.npz [OUT.npz]]')
      .option('--overwrite', 'replace an existing file'),
  ),
)
  .addHelpText(
    'before',
    examples(
      'convert model.pt2 -o model.onnx',
      'convert model.pt2 -o model.onnx --verify inputs.npz outputs.npz',
      'convert saved_model/ -o model.onnx --signature serving_default',
      'convert frozen.pb -o model.onnx --inputs x --outputs logits',
      'convert model.onnx -o small.onnx --opset 21 --input-shape x:1,3,224,224',
      'convert model.onnx -o half.onnx --dtype fp16 --keep-io-types',
      'convert model.onnx --to onnx,pt2 --opset 13 --dry-run',
      'convert model.onnx -o net --to torch-module',
      "convert model.pt2 -o tuned.onnx --weights tuned.safetensors --rename 'module.*=*'",
    ),
  )
  .action(lazily(async () => (await import('./commands/convert.ts')).convert));

withReadLimits(
  program
    .command('info')
    .description('what a model is: format, opset, inputs, outputs, sizes, operators')
    .argument('<models...>', 'models, shown side by side')
    .option('--inputs <names>', 'tensors that become inputs, for graphs that do not say them; repeatable', collect)
    .option('--outputs <names>', 'tensors that become outputs; repeatable', collect)
    .option('--ops', 'list every operator'),
)
  .addHelpText('before', examples('info model.onnx', 'info before.onnx after.onnx --ops'))
  .action(lazily(async () => (await import('./commands/info.ts')).info));

withReadLimits(
  program
    .command('check')
    .description('whether models are valid, and everything that is wrong with them')
    .argument('<models...>', 'models, each judged by itself')
    .option('--strict', 'warnings count as errors')
    .option('--target <runtime>', 'a runtime that has to be able to run the models, such as ort-1.20')
    .option('--fix', 'repair what can be repaired without changing what the model computes, and judge the result')
    .option('-o, --output <path>', 'the repaired file')
    .option('--overwrite', 'replace an existing file')
    .addOption(new Option('--format <form>', 'how findings are printed').choices(['text', 'sarif']).default('text')),
)
  .addHelpText(
    'before',
    examples(
      'check model.onnx',
      'check model.onnx --strict --json',
      'check model.onnx --target ort-1.20',
      'check model.onnx --fix -o repaired.onnx',
      'check *.onnx --format sarif > findings.sarif',
    ),
  )
  .action(lazily(async () => (await import('./commands/check.ts')).check));

program
  .command('diff')
  .description('what is different between two models of any format: nodes, signature, versions, weights')
  .argument('<first>', 'a model')
  .argument('<second>', 'another')
  .option('--names', 'list what is the same under other names')
  .addHelpText('before', examples('diff before.onnx after.onnx', 'diff model.pt2 model.onnx --json'))
  .action(lazily(async () => (await import('./commands/diff.ts')).diff));

/** Where an edited model goes, the same for every command that edits one. */
const withOutput = (command: Command, file = '--output', required = true, format = '--to'): Command =>
  command
    .addOption(new Option(`-o, ${file} <path>`, 'the file to write, or - for standard output').makeOptionMandatory(required))
    .option(`${format} <format>`, 'the format to write, otherwise told from the name')
    .option('--opset <version>', 'the opset to write, otherwise that of the model', wholeNumber)
    .option('--target <runtime>', 'write no newer opset than a runtime reads, such as ort-1.20')
    .option('--external-data', 'keep the weights in a second file')
    .option('--allow-custom', 'keep operators without a conversion as nodes of a domain of their own')
    .option('--overwrite', 'replace an existing file');

withOutput(
  program
    .command('rename')
    .description('give inputs, outputs, values, nodes and open sizes other names')
    .argument('<model>', 'a model')
    .option('--input <old=new>', 'another name for an input; repeatable', collect)
    .option('--output <old=new>', 'another name for an output; repeatable', collect)
    .option('--value <old=new>', 'another name for any tensor; repeatable', collect)
    .option('--node <old=new>', 'another name for a node; repeatable', collect)
    .option('--dim <old=new>', 'another name for an open size; repeatable', collect),
  '--out',
)
  .addHelpText('before', examples('rename model.onnx -o named.onnx --input x=image --output 495=logits --dim s0=batch'))
  .action(lazily(async () => (await import('./commands/rename.ts')).rename));

withOutput(
  program
    .command('extract')
    .description('take a part of a model out as a model of its own')
    .argument('<model>', 'a model')
    .option('--inputs <names>', 'tensors that become its inputs, such as a,b or a:float32[1,3]; repeatable', collect)
    .option('--outputs <names>', 'tensors that become its outputs; repeatable', collect),
)
  .addHelpText(
    'before',
    examples('extract model.onnx -o head.onnx --inputs features --outputs logits', 'extract model.onnx -o half.onnx --outputs relu_8'),
  )
  .action(lazily(async () => (await import('./commands/extract.ts')).extract));

withOutput(
  program
    .command('set-shape')
    .description('give inputs other shapes, and infer the others again')
    .argument('<model>', 'a model')
    .requiredOption('--shape <name:dims>', 'a shape for an input, such as x:[N,3,224,224] or x:1,3,224,224; repeatable', collect),
)
  .addHelpText('before', examples('set-shape model.onnx -o fixed.onnx --shape x:[1,3,224,224]'))
  .action(lazily(async () => (await import('./commands/set-shape.ts')).setShape));

withOutput(
  program
    .command('infer')
    .description('infer the types and shapes of all values, and write them into the model')
    .argument('<model>', 'a model'),
)
  .addHelpText('before', examples('infer model.onnx -o typed.onnx'))
  .action(lazily(async () => (await import('./commands/infer.ts')).infer));

withOutput(
  program
    .command('merge')
    .description('make one model of two, outputs of the first connected to inputs of the second')
    .argument('<first>', 'a model')
    .argument('<second>', 'the model that runs after it')
    .option('--connect <output=input>', 'an output of the first and the input of the second that it becomes; repeatable', collect)
    .option('--prefix-a <text>', 'put before every name of the first')
    .option('--prefix-b <text>', 'put before every name of the second'),
)
  .addHelpText('before', examples('merge encoder.onnx head.onnx -o all.onnx --connect features=x --prefix-b head/'))
  .action(lazily(async () => (await import('./commands/merge.ts')).merge));

withOutput(program.command('inline').description('replace calls of model-local functions by their nodes').argument('<model>', 'a model'))
  .addHelpText('before', examples('inline model.onnx -o flat.onnx'))
  .action(lazily(async () => (await import('./commands/inline.ts')).inline));

withOutput(
  program
    .command('simplify')
    .description('make a model that computes the same with fewer nodes, and check that it does')
    .argument('[model]', 'a model')
    .option('--passes <names>', 'apply these passes only, such as fold,identities', collect)
    .option('--skip <names>', 'leave out passes', collect)
    .option('--list-passes', 'list the passes and what they do')
    .option('--fold-limit <bytes>', 'the largest constant that folding makes, such as 64k; 16M, or four times its inputs, otherwise', bytes)
    .option('--map <path>', 'also write where each node and weight went, for swap-weights')
    .option('--no-check', 'do not run both models to compare their numbers'),
  '--output',
  false,
)
  .addHelpText('before', examples('simplify model.onnx -o small.onnx', 'simplify model.onnx -o small.onnx --skip layers --fold-limit 1M'))
  .action(lazily(async () => (await import('./commands/simplify.ts')).simplify));

withOutput(
  withOrders(
    program
      .command('layout')
      .description('put transposes where they move the fewest elements, and images in the order asked for')
      .argument('<model>', 'a model')
      .addOption(new Option('--to <order>', 'the order of all inputs and outputs that are images').choices(['nhwc', 'nchw'])),
  ),
  '--output',
  true,
  '--format',
)
  .addHelpText(
    'before',
    examples(
      'layout model.onnx -o model.onnx --overwrite',
      'layout model.onnx -o channels-last.onnx --to nhwc',
      'layout model.onnx -o mixed.onnx --input-layout image=nhwc',
    ),
  )
  .action(lazily(async () => (await import('./commands/layout.ts')).layout));

withLimits(
  withOutput(
    program
      .command('quantize')
      .description('integers of few bits in the place of floats, and what each layer loses by it')
      .argument('<model>', 'a model')
      .addOption(
        new Option('--scheme <name>', 'what becomes integers: layers as they run, all between layers, or only weights')
          .choices(['dynamic', 'static', 'int8', 'int4'])
          .makeOptionMandatory(),
      )
      .option(
        '--calibrate <data>',
        'an .npz, a folder of them, or of test_data_set_*: static measures ranges on it, all schemes their loss',
      )
      .option('--calibration-method <name>', 'with static: minmax, entropy or percentile, otherwise minmax')
      .option('--percentile <number>', 'with percentile: how many percent of the numbers lie in the range, otherwise 99.99', tolerance)
      .option('--ops <names>', 'quantise these operators only, such as Conv,MatMul', collect)
      .option('--exclude <names>', 'nodes that stay as they are, such as head/*; repeatable', collect)
      .option('--per-tensor', 'one scale for a whole weight, not for each channel')
      .option('--block <number>', 'with int4: how many weights share a scale, otherwise 32', wholeNumber)
      .option('--symmetric', 'no zero points: static for activations too')
      .option('--asymmetric', 'with int8 and int4: weights have zero points')
      .option('--activation-type <type>', 'with static: uint8 or int8, otherwise uint8')
      .option('--reduce-range', 'weights of 7 bits, for processors whose sums of two products saturate')
      .option('--backend <name>', 'what computes: reference or cpu', 'reference')
      .option('--no-check', 'do not run both models to measure the loss'),
  ),
)
  .addHelpText(
    'before',
    examples(
      'quantize model.onnx -o small.onnx --scheme dynamic',
      'quantize model.onnx -o small.onnx --scheme static --calibrate images.npz --calibration-method entropy',
      'quantize model.onnx -o small.onnx --scheme int4 --block 64 --opset 21',
    ),
  )
  .action(lazily(async () => (await import('./commands/quantize.ts')).quantize));

withReadLimits(
  program
    .command('plan')
    .description('the kernels that a model becomes, in order, and the memory between them')
    .argument('<model>', 'a model')
    .option('--inputs <path>', 'an .npz with an array for each input, otherwise arrays at random')
    .option('--input-shape <name:dims>', 'a shape for an input, such as x:1,3,224,224; repeatable', collect)
    .option('-b, --backend <name>', 'what is to compute: reference, cpu or webgpu', 'reference')
    .option('--no-optimize', 'join and simplify nothing'),
)
  .addHelpText('before', examples('plan model.onnx', 'plan model.onnx --input-shape x:8,3,224,224 --backend cpu'))
  .action(lazily(async () => (await import('./commands/plan.ts')).plan));

withLimits(
  program
    .command('bench')
    .description('how long a model takes: percentiles over its runs, loading, the first run, memory')
    .argument('<model>', 'a model')
    .option('--inputs <path>', 'an .npz with an array for each input, otherwise arrays at random with open sizes of 1')
    .option('--input-shape <name:dims>', 'a shape for an input, such as x:1,3,224,224; repeatable', collect)
    .option('-b, --backend <name>', 'what computes: reference, cpu or webgpu', 'cpu')
    .option('--threads <number>', 'the most threads of a run, otherwise one for each processor', wholeNumber)
    .option('--warm-up <runs>', 'runs before those that count', wholeNumber, 3)
    .option('--seconds <number>', 'how long to go on', wholeNumber, 5)
    .addOption(new Option('--vs <engine>', 'measure beside it, run by run; needs onnxruntime-node').choices(['ort'])),
)
  .addHelpText(
    'before',
    examples('bench model.onnx', 'bench model.onnx --vs ort --threads 1', 'bench model.pt2 --input-shape x:8,3,224,224'),
  )
  .action(lazily(async () => (await import('./commands/bench.ts')).bench));

withLimits(
  program
    .command('profile')
    .description('where the time of a run goes, step by step, beside what this machine reaches at best')
    .argument('<model>', 'a model')
    .option('--inputs <path>', 'an .npz with an array for each input, otherwise arrays at random with open sizes of 1')
    .option('--input-shape <name:dims>', 'a shape for an input, such as x:1,3,224,224; repeatable', collect)
    .option('-b, --backend <name>', 'what computes: reference, cpu or webgpu', 'cpu')
    .option('--threads <number>', 'the most threads of a run, otherwise one for each processor', wholeNumber)
    .option('--warm-up <runs>', 'runs before those that count', wholeNumber, 3)
    .option('--runs <number>', 'runs that count; each step has the median of its times', wholeNumber, 10)
    .option('--top <number>', 'so many rows', wholeNumber, 20)
    .option('--trace <path>', 'also write the last run for chrome://tracing or Perfetto')
    .option('--overwrite', 'replace the file of --trace'),
)
  .addHelpText('before', examples('profile model.onnx', 'profile model.onnx --threads 1 --top 50', 'profile model.onnx --trace run.json'))
  .action(lazily(async () => (await import('./commands/profile.ts')).profile));

withLimits(
  program
    .command('run')
    .description('run a model on arrays')
    .argument('<model>', 'a model')
    .requiredOption('--inputs <path>', 'an .npz with an array for each input, or an .npy for the only one')
    .option('-o, --output <path>', 'the .npz or .npy to write, or - for standard output')
    .option('-b, --backend <name>', 'what computes: reference, cpu or webgpu', 'reference')
    .option('--quantized-io', 'give and get the integers that a quantised model stores')
    .option('--overwrite', 'replace an existing file'),
)
  .addHelpText('before', examples('run model.onnx --inputs inputs.npz -o outputs.npz', 'run model.pt2 --inputs x.npy --backend cpu'))
  .action(lazily(async () => (await import('./commands/run.ts')).run));

withLimits(
  program
    .command('compare')
    .description('run a model and compare its outputs with references')
    .argument('<model>', 'a model')
    .requiredOption('--inputs <path>', 'an .npz with an array for each input')
    .requiredOption('--expect <path>', 'an .npz with an array for each output')
    .option('--rtol <number>', 'relative tolerance', tolerance)
    .option('--atol <number>', 'absolute tolerance', tolerance)
    .option('-b, --backend <name>', 'what computes: reference, cpu or webgpu', 'reference'),
)
  .addHelpText('before', examples('compare model.onnx --inputs inputs.npz --expect outputs.npz --atol 1e-5'))
  .action(lazily(async () => (await import('./commands/compare.ts')).compare));

withLimits(
  program
    .command('check-data')
    .description("run a model on the data sets beside it, as the standard's backend tests have them")
    .argument('<folder>', 'a folder with model.onnx and test_data_set_*/input_0.pb, output_0.pb')
    .option('--rtol <number>', 'relative tolerance', tolerance)
    .option('--atol <number>', 'absolute tolerance', tolerance)
    .option('-b, --backend <name>', 'what computes: reference, cpu or webgpu', 'reference'),
)
  .addHelpText('before', examples('check-data models/resnet50 --atol 1e-5'))
  .action(lazily(async () => (await import('./commands/check-data.ts')).checkData));

/** How a model is trained, the same for the graph of a step and for training itself. */
const withTraining = (command: Command): Command =>
  command
    .option(
      '--loss <loss>',
      'what is made small, such as mse, bce_with_logits or cross_entropy:label_smoothing=0.1; output: the model says it',
    )
    .option('--optimizer <optimizer>', 'such as adamw:weight_decay=0.01; sgd otherwise')
    .option('--lr <rate>', 'the learning rate, otherwise that of the optimizer', tolerance)
    .option('--clip-norm <length>', 'the largest length of all gradients together', tolerance)
    .option('--clip-value <size>', 'the largest size of an element of a gradient', tolerance)
    .option('--trainable <names>', 'weights that are trained, such as *.weight; all otherwise; repeatable', collect)
    .option('--freeze <names>', 'weights that stay as they are; repeatable', collect)
    .addOption(new Option('--batch-norm <form>', 'batch normalisation in training, or as it is').choices(['batch', 'frozen']))
    .option('--no-dropout', 'drop nothing')
    .option('--teacher <path>', 'a model whose first output the loss distillation reads');

withReadLimits(
  withTraining(
    program
      .command('grad')
      .description('the graph of one step of training: weights, state and a batch to the loss, new weights and new state')
      .argument('<model>', 'a model')
      .requiredOption('-o, --output <path>', 'the file to write')
      .addOption(
        new Option('--form <form>', 'one graph; forward, backward, gradients and update apart; or training info in the model')
          .choices(['step', 'parts', 'training-info'])
          .default('step'),
      )
      .option('--inline', 'operators of the standard only, in place of functions of our own domain')
      .option('--predictions', 'give the outputs of the model too')
      .option('--no-initial', 'leave out what weights and state hold at first')
      .option('--opset <version>', 'the opset to write; 21 otherwise', wholeNumber)
      .option('--overwrite', 'replace an existing file'),
  ),
)
  .addHelpText(
    'before',
    examples(
      'grad model.onnx --loss cross_entropy --optimizer adam -o step.onnx',
      'grad model.onnx --loss mse --optimizer sgd:momentum=0.9 --inline -o step.onnx',
      'grad model.pt2 --loss mse --form parts -o model.onnx',
    ),
  )
  .action(lazily(async () => (await import('./commands/grad.ts')).grad));

withTraining(
  program
    .command('train')
    .description('train a model on data, and write it with its new weights')
    .argument('[model]', 'a model')
    .option('--config <path>', 'a file of JSON with these settings, in camelCase; options go before it')
    .option('--data <path>', 'an .npz, a .csv, or a folder with a folder of images for each class')
    .option('--validation <path|share>', 'data to judge by, or the share of the data that is kept for it, such as 0.2')
    .option('-o, --output <path>', 'the trained model, or a checkpoint such as .safetensors')
    .option('--to <format>', 'the format to write, otherwise told from the name')
    .option('--opset <version>', 'the opset to write, otherwise that of the model', wholeNumber)
    .option('--schedule <schedule>', 'how the learning rate changes, such as step:30,0.1 or cosine:T_max=100,every=step')
    .option('--epochs <number>', 'how often the data is gone through; 1 otherwise', wholeNumber)
    .option('--steps <number>', 'steps after which it ends in any case', wholeNumber)
    .option('--batch <number>', 'examples in a batch; 32 otherwise', wholeNumber)
    .option('--accumulate <number>', 'batches whose gradients make one step', wholeNumber)
    .option('--no-shuffle', 'leave examples in their order')
    .option('--drop-last', 'leave out a last batch with fewer examples')
    .option('--batched', 'arrays have batches along their first axis')
    .option('--order <array>', 'with --batched: the array with the numbers of batches in the order of training')
    .option('--inputs <input=array>', 'the array of the data for an input, where the names differ; repeatable', collect)
    .option('--target <columns>', 'columns of a table that are predicted; the last otherwise', collect)
    .option('--features <columns>', 'columns of a table that are read; all others otherwise', collect)
    .option('--normalize', 'bring each channel of the first array to mean 0 and deviation 1')
    .option('--mean <numbers>', 'what is taken from each channel', collect)
    .option('--std <numbers>', 'what each channel is divided by', collect)
    .option('--image-size <height,width>', 'the size of images, otherwise that of the input', collect)
    .option('--metrics <metric>', 'what to judge by beside the loss, such as accuracy, top_k:k=5, f1; repeatable', collect)
    .option('--monitor <metric>', 'what decides which model is best: loss, or a metric')
    .option('--patience <epochs>', 'epochs without a better model after which it ends', wholeNumber)
    .option('--checkpoint <folder>', 'where checkpoints are kept: the newest and the best')
    .option('--checkpoint-every <steps>', 'steps between checkpoints, beside one after each epoch', wholeNumber)
    .option('--resume', 'go on from the newest checkpoint')
    .option('--best', 'write the best model, not the last')
    .option('--weights <path>', 'a checkpoint with the weights to begin with')
    .option('--replace-head <classes>', 'a new last layer with so many outputs', wholeNumber)
    .option('--lora <options>', 'train adapters beside the weights, such as rank=8,alpha=16,targets=[*.q.weight]')
    .option('--log <path>', 'a file for steps and epochs, one JSON object a line')
    .option('--seed <number>', 'decides orders, splits and what is dropped', wholeNumber)
    .option('--backend <name>', 'what computes: cpu or reference; otherwise cpu where its addon is, else reference')
    .option('--threads <number>', 'the most threads of a run', wholeNumber)
    .option('--overwrite', 'replace an existing file'),
)
  .addHelpText(
    'before',
    examples(
      'train model.onnx --data data.npz --loss cross_entropy --optimizer adam --epochs 10 -o trained.onnx',
      'train model.onnx --data table.csv --loss mse --validation 0.2 --checkpoint run --metrics r2 -o trained.onnx',
      'train resnet.onnx --data images/ --replace-head 3 --freeze layer* --loss cross_entropy -o mine.onnx',
      'train --config run.json',
    ),
  )
  .action(lazily(async () => (await import('./commands/train.ts')).train));

program
  .command('weights')
  .description('list the tensors of a checkpoint or a model, or write them in another format')
  .argument('<file>', 'a checkpoint (safetensors and its index, PyTorch, .npz) or a model')
  .option('-o, --output <path>', 'the checkpoint to write: .safetensors, .pth or .npz; - for standard output')
  .option('--to <format>', 'the format to write, otherwise told from the name: safetensors, torch or npz')
  .option('--stats', 'minimum, maximum and mean of each tensor')
  .option('--overwrite', 'replace an existing file')
  .addHelpText(
    'before',
    examples('weights model.safetensors', 'weights checkpoint.pth -o weights.safetensors', 'weights model.onnx --stats'),
  )
  .action(lazily(async () => (await import('./commands/weights.ts')).weights));

program
  .command('swap-weights')
  .description('put other weights into a converted model, by the map of the conversion')
  .argument('<model>', 'a model that convert or simplify wrote with --map')
  .requiredOption('--map <path>', 'the map that was written with it')
  .requiredOption('--weights <path>', 'a checkpoint or model with the weights of the source, by the names they have there')
  .requiredOption('-o, --output <path>', 'the file to write, in the format of the model')
  .option('--rename <old=new>', 'other names for the tensors of --weights, such as module.*=*; repeatable', collect)
  .option('--overwrite', 'replace an existing file')
  .addHelpText('before', examples('swap-weights model.onnx --map model.map.json --weights tuned.safetensors -o tuned.onnx'))
  .action(lazily(async () => (await import('./commands/swap-weights.ts')).swapWeights));

program
  .command('doctor')
  .description('what this machine offers: versions, processor, memory, backends')
  .addHelpText('before', examples('doctor', 'doctor --json'))
  .action(lazily(async () => (await import('./commands/doctor.ts')).doctor));

// A reader that has enough closes the pipe; that is no error.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });

await main();

async function main(): Promise<void> {
  try {
    if (process.argv.length === 2) program.help({ error: true });
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    await perform(commandGiven(), optionsGiven(), async () => {
      throw error instanceof CommanderError ? usageError(error) : error;
    });
  }
}

function usageError({ message }: CommanderError): Error {
  const text = message === '(outputHelp)' ? 'no command is given' : message;
  return fail('E4001', text.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '));
}

/** The command and the options of a line that could not be parsed. */
function commandGiven(): string {
  const names = new Set(program.commands.map(c => c.name()));
  return process.argv.slice(2).find(word => names.has(word)) ?? '';
}
function optionsGiven(): GlobalOptions {
  const words = new Set(process.argv.slice(2));
  return { json: words.has('--json'), debug: words.has('--debug'), color: !words.has('--no-color') };
}
