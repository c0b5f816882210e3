#!/usr/bin/env node
// The command line: assembles the commands. What a command does is loaded when it is run.
import { Command, CommanderError } from 'commander';
import { fail } from '../src/errors.ts';
import { type GlobalOptions, perform, version } from './output.ts';
import { convertCommands } from './program/convert.ts';
import { editCommands } from './program/edit.ts';
import { examples, lazily } from './program/options.ts';
import { runCommands } from './program/run.ts';
import { trainCommands } from './program/train.ts';

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

for (const add of [convertCommands, editCommands, runCommands, trainCommands]) add(program);

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
