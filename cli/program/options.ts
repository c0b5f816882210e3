// What the commands share: how they are loaded, how values are read, and the options that several of them take.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Outcome, type Output, perform } from '../output.ts';

type Run = (args: readonly string[], options: never, out: Output) => Promise<Outcome>;

/** An action that loads the command first. */
export const lazily =
  (load: () => Promise<Run>) =>
  async (...given: unknown[]): Promise<void> => {
    // Commander's last argument is the command, whose arguments and options have been checked by it.
    const command = given.at(-1) as Command;
    await perform(command.name(), command.optsWithGlobals(), async out => (await load())(command.args, command.opts() as never, out));
  };

export const examples = (...lines: string[]): string => `Examples:\n${lines.map(line => `  omnix ${line}\n`).join('')}`;

export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('A whole number is expected.');
  return value;
}

export function tolerance(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError('A number of at least 0 is expected.');
  return value;
}

/** Orders of single images, the same for every command that takes them. */
export const withOrders = (command: Command): Command =>
  command
    .option('--input-layout <name=order>', 'the order of an input, nhwc or nchw; repeatable', collect)
    .option('--output-layout <name=order>', 'the order of an output, nhwc or nchw; repeatable', collect);

/** Where an edited model goes, the same for every command that edits one. */
export const withOutput = (command: Command, file = '--output', required = true, format = '--to'): Command =>
  command
    .addOption(new Option(`-o, ${file} <path>`, 'the file to write, or - for standard output').makeOptionMandatory(required))
    .option(`${format} <format>`, 'the format to write, otherwise told from the name')
    .option('--opset <version>', 'the opset to write, otherwise that of the model', wholeNumber)
    .option('--target <runtime>', 'write no newer opset than a runtime reads, such as ort-1.20')
    .option('--external-data', 'keep the weights in a second file')
    .option('--allow-custom', 'keep operators without a conversion as nodes of a domain of their own')
    .option('--overwrite', 'replace an existing file');

// Options of several commands, one by one.
export const backend = (standard: string): Option =>
  new Option('-b, --backend <name>', 'what computes: reference, cpu or webgpu').default(standard);
export const inputShape = (): Option =>
  new Option('--input-shape <name:dims>', 'a shape for an input, such as x:1,3,224,224; repeatable').argParser(collect);
export const inputsOrRandom = (): Option =>
  new Option('--inputs <path>', 'an .npz with an array for each input, otherwise arrays at random with open sizes of 1');
export const threads = (): Option =>
  new Option('--threads <number>', 'the most threads of a run, otherwise one for each processor').argParser(wholeNumber);
export const winograd = (): Option =>
  new Option('--winograd', 'convolutions of 3 x 3 with fewer multiplications, to about 1e-5 of the largest result; backend cpu');
export const warmUp = (): Option => new Option('--warm-up <runs>', 'runs before those that count').argParser(wholeNumber).default(3);
export const rtol = (): Option => new Option('--rtol <number>', 'relative tolerance').argParser(tolerance);
export const atol = (): Option => new Option('--atol <number>', 'absolute tolerance').argParser(tolerance);
