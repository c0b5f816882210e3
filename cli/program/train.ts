// Commands that train.
import { type Command, Option } from 'commander';
import { withReadLimits } from '../limits.ts';
import { collect, examples, lazily, tolerance, wholeNumber } from './options.ts';

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

/** grad, train. */
export function trainCommands(program: Command): void {
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
    .action(lazily(async () => (await import('../commands/grad.ts')).grad));

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
    .action(lazily(async () => (await import('../commands/train.ts')).train));
}
