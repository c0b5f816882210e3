// Commands that write a model that is a little different.
import { type Command, Option } from 'commander';
import { bytes, withLimits } from '../limits.ts';
import { collect, examples, lazily, tolerance, wholeNumber, withOrders, withOutput } from './options.ts';

/** rename, extract, set-shape, infer, merge, inline, simplify, layout, quantize. */
export function editCommands(program: Command): void {
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
    .action(lazily(async () => (await import('../commands/rename.ts')).rename));

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
    .action(lazily(async () => (await import('../commands/extract.ts')).extract));

  withOutput(
    program
      .command('set-shape')
      .description('give inputs other shapes, and infer the others again')
      .argument('<model>', 'a model')
      .requiredOption('--shape <name:dims>', 'a shape for an input, such as x:[N,3,224,224] or x:1,3,224,224; repeatable', collect),
  )
    .addHelpText('before', examples('set-shape model.onnx -o fixed.onnx --shape x:[1,3,224,224]'))
    .action(lazily(async () => (await import('../commands/set-shape.ts')).setShape));

  withOutput(
    program
      .command('infer')
      .description('infer the types and shapes of all values, and write them into the model')
      .argument('<model>', 'a model'),
  )
    .addHelpText('before', examples('infer model.onnx -o typed.onnx'))
    .action(lazily(async () => (await import('../commands/infer.ts')).infer));

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
    .action(lazily(async () => (await import('../commands/merge.ts')).merge));

  withOutput(program.command('inline').description('replace calls of model-local functions by their nodes').argument('<model>', 'a model'))
    .addHelpText('before', examples('inline model.onnx -o flat.onnx'))
    .action(lazily(async () => (await import('../commands/inline.ts')).inline));

  withOutput(
    program
      .command('simplify')
      .description('make a model that computes the same with fewer nodes, and check that it does')
      .argument('[model]', 'a model')
      .option('--passes <names>', 'apply these passes only, such as fold,identities', collect)
      .option('--skip <names>', 'leave out passes', collect)
      .option('--list-passes', 'list the passes and what they do')
      .option(
        '--fold-limit <bytes>',
        'the largest constant that folding makes, such as 64k; 16M, or four times its inputs, otherwise',
        bytes,
      )
      .option('--map <path>', 'also write where each node and weight went, for swap-weights')
      .option('--no-check', 'do not run both models to compare their numbers'),
    '--output',
    false,
  )
    .addHelpText('before', examples('simplify model.onnx -o small.onnx', 'simplify model.onnx -o small.onnx --skip layers --fold-limit 1M'))
    .action(lazily(async () => (await import('../commands/simplify.ts')).simplify));

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
    .action(lazily(async () => (await import('../commands/layout.ts')).layout));

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
    .action(lazily(async () => (await import('../commands/quantize.ts')).quantize));
}
