// Commands that read models and weights, and write them in other formats.
import { type Command, Option } from 'commander';
import { withReadLimits } from '../limits.ts';
import { collect, examples, lazily, wholeNumber, withOrders } from './options.ts';

/** convert, info, check, diff, weights, swap-weights. */
export function convertCommands(program: Command): void {
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
    .action(lazily(async () => (await import('../commands/convert.ts')).convert));

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
    .action(lazily(async () => (await import('../commands/info.ts')).info));

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
    .action(lazily(async () => (await import('../commands/check.ts')).check));

  program
    .command('diff')
    .description('what is different between two models of any format: nodes, signature, versions, weights')
    .argument('<first>', 'a model')
    .argument('<second>', 'another')
    .option('--names', 'list what is the same under other names')
    .addHelpText('before', examples('diff before.onnx after.onnx', 'diff model.pt2 model.onnx --json'))
    .action(lazily(async () => (await import('../commands/diff.ts')).diff));

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
    .action(lazily(async () => (await import('../commands/weights.ts')).weights));

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
    .action(lazily(async () => (await import('../commands/swap-weights.ts')).swapWeights));
}
