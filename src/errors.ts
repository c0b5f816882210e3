// Every error code of the project in one table, and the error class that carries file, place, expected and found.
// The lowest layer: imports nothing.

/** Process exit codes of the command line. */
export const exitCodes = {
  ok: 0,
  no: 1,
  usage: 2,
  input: 3,
  unsupported: 4,
  io: 5,
  device: 6,
  limit: 7,
  internal: 70,
  interrupted: 130,
} as const;

export type ExitKind = keyof typeof exitCodes;

interface CodeRow {
  readonly name: string;
  readonly exit: ExitKind;
  readonly cause: string;
  readonly repair: string;
}
const row = (name: string, exit: ExitKind, cause: string, repair: string): CodeRow => ({ name, exit, cause, repair });

/** Stable codes: E10xx container, E11xx graph, E12xx tensor, E13xx operator, E14xx external data, E20xx conversion, E30xx run, E40xx usage, E50xx I/O, E60xx training. */
export const codes = {
  E1001: row('empty-file', 'input', 'The file has no bytes.', 'Fetch or export the file again.'),
  E1002: row(
    'unknown-format',
    'input',
    'The bytes are not those of a model format that is read here.',
    'Check that the path names the model itself.',
  ),
  E1003: row(
    'git-lfs-pointer',
    'input',
    'The file is a Git LFS pointer, not the file it stands for.',
    'Run `git lfs pull` in the repository.',
  ),
  E1004: row(
    'web-page',
    'input',
    'The file is an HTML or JSON page, probably an error page saved under a model name.',
    'Download the model again.',
  ),
  E1005: row('truncated', 'input', 'The file ends inside a field.', 'Fetch the whole file.'),
  E1006: row(
    'malformed',
    'input',
    'The bytes break the rules of their container.',
    'Export the model again; report it to the tool that wrote it.',
  ),
  E1007: row('trailing-bytes', 'input', 'Bytes follow the end of the message.', 'Remove them, or export the model again.'),
  E1008: row(
    'nesting',
    'limit',
    'Messages or graphs are nested deeper than the limit.',
    'Raise it with --limit if the file can be trusted.',
  ),
  E1009: row('limit', 'limit', 'A size in the file exceeds a limit.', 'Raise the limit that the message names if the file can be trusted.'),
  E1010: row(
    'duplicate-entry',
    'input',
    'An archive or object names the same entry twice.',
    'Write the file again with one entry of the name.',
  ),
  E1011: row('unsafe-entry', 'input', 'An archive entry has a path that leaves the archive.', 'Do not use the file.'),
  E1012: row('checksum', 'input', 'The stored checksum does not match the bytes.', 'Fetch the file again.'),
  E1013: row('missing-entry', 'input', 'A part of the archive that the format requires is absent.', 'Export the model again.'),
  E1014: row('extension', 'input', 'The content is of another format than the name says.', 'Rename the file; reading goes by content.'),
  E1015: row(
    'unsafe-pickle',
    'input',
    'A pickle calls something that is not a way to make tensors and containers. Nothing was executed.',
    'Do not load the file with other tools; save the weights as a plain state dict or as safetensors.',
  ),
  E1101: row('missing-field', 'input', 'A required field is absent.', 'Export the model again.'),
  E1102: row('duplicate-name', 'input', 'Two things in one scope have the same name.', 'Rename one of them.'),
  E1103: row('order', 'input', 'A node reads a value before the node that makes it.', 'Sort the nodes.'),
  E1104: row('undefined-name', 'input', 'A name is read that nothing produces.', 'Correct the name.'),
  E1105: row('cycle', 'input', 'Nodes depend on each other in a circle.', 'Break the circle.'),
  E1106: row(
    'opset',
    'input',
    'An opset import is missing, repeated or out of range.',
    'Import each domain once with a version that exists.',
  ),
  E1107: row('ir-version', 'input', 'The IR version does not exist.', 'Use a released IR version.'),
  E1108: row('recursion', 'input', 'A model-local function calls itself.', 'Remove the recursion.'),
  E1109: row('metadata', 'input', 'A metadata key occurs twice.', 'Keep one entry for each key.'),
  E1110: row('encoding', 'input', 'A name is not valid UTF-8.', 'Write the name as UTF-8.'),
  E1111: row('shadowed-name', 'input', 'A graph inside a node defines a name that a graph around it has already.', 'Rename one of them.'),
  E1201: row('tensor-type', 'input', 'A tensor has an element type that does not exist.', 'Export the model again.'),
  E1202: row(
    'tensor-shape',
    'input',
    'A tensor has a negative dimension, too many dimensions, or a size that overflows.',
    'Export the model again.',
  ),
  E1203: row(
    'tensor-size',
    'input',
    'The stored data of a tensor is shorter or longer than its type and shape say.',
    'Export the model again.',
  ),
  E1204: row('tensor-field', 'input', 'A tensor stores its data in the wrong field, or in two.', 'Export the model again.'),
  E1205: row(
    'tensor-values',
    'input',
    'A tensor holds values that tools read differently: NaN, infinities, booleans beyond 0 and 1, set padding bits.',
    'Check how the values were made.',
  ),
  E1301: row(
    'unknown-operator',
    'input',
    'The operator is not in the standard at the imported opset.',
    'Correct the name or import the domain that has it.',
  ),
  E1302: row('arity', 'input', 'A node has too few or too many inputs or outputs.', 'Compare with the operator page.'),
  E1303: row('attribute', 'input', 'An attribute is missing, unknown, repeated, or of the wrong type.', 'Compare with the operator page.'),
  E1304: row('type', 'input', 'An input has an element type that the operator does not take.', 'Insert a Cast.'),
  E1305: row('shape', 'input', 'Shapes contradict each other.', 'Correct the shapes.'),
  E1306: row('declared-type', 'input', 'The declared type of a value contradicts the computed one.', 'Correct or remove the declaration.'),
  E1307: row('no-type', 'input', 'A graph input or output has no type.', 'Declare its type.'),
  E1308: row('deprecated-operator', 'input', 'The operator is deprecated at the imported opset.', 'Use its replacement.'),
  E1401: row('external-path', 'input', 'An external data path leaves the folder of the model.', 'Move the data beside the model.'),
  E1402: row('external-missing', 'io', 'An external data file is absent or is not a regular file.', 'Put the data file beside the model.'),
  E1403: row('external-range', 'input', 'An external data range is not a number or lies outside the file.', 'Fetch the data file again.'),
  E2001: row(
    'unsupported-operator',
    'unsupported',
    'Operators of the source have no conversion.',
    'See the coverage page for what is supported.',
  ),
  E2002: row('unsupported-feature', 'unsupported', 'The model uses something that has no conversion.', 'See the message.'),
  E2003: row('unsupported-target', 'unsupported', 'The target format cannot be written.', 'Choose one of the listed formats.'),
  E2004: row('opset-target', 'unsupported', 'The model cannot be said in the requested opset.', 'Ask for a newer opset.'),
  E2005: row('protobuf-2gb', 'unsupported', 'A protobuf file cannot exceed 2 GiB.', 'Write with --external-data.'),
  E2006: row(
    'dropped-effect',
    'unsupported',
    'A side effect of the source program is left out.',
    'Return the changed tensor from the program.',
  ),
  E2007: row(
    'runtime-support',
    'unsupported',
    'The runtime that was asked about cannot run a part of the model.',
    'Write the model with --target, or use a newer runtime.',
  ),
  E2008: row(
    'fixed-weight',
    'unsupported',
    'The form of a converted model was decided by what is in a weight, and the new one holds something else.',
    'Convert the source again with the new weights.',
  ),
  E2009: row(
    'no-reference',
    'unsupported',
    'Nothing could be computed that a written model can be compared with.',
    'Give sizes of the inputs with --input-shape.',
  ),
  E2010: row(
    'first-call',
    'unsupported',
    'What a program keeps from call to call is of another form before its first call; the model is the program of all other calls.',
    'Begin with values that stand for what the program begins with, which is zeros as a rule.',
  ),
  E2011: row(
    'already-quantized',
    'unsupported',
    'The model computes with integers of few bits already.',
    'Quantise the float model that it was made of.',
  ),
  E2012: row(
    'nothing-to-quantize',
    'unsupported',
    'No layer of the model has a weight that can be quantised.',
    'Fold what computes weights with `omnix simplify` first, or choose another scheme.',
  ),
  E3001: row(
    'input-name',
    'usage',
    'A name was given that the model does not have, or an input is missing.',
    'Use the names that `omnix info` prints.',
  ),
  E3002: row('input-type', 'usage', 'An input has another element type than the model declares.', 'Convert the array.'),
  E3003: row('input-shape', 'usage', 'An input has another shape than the model declares.', 'Reshape the array.'),
  E3004: row('no-meaning', 'unsupported', 'No meaning is defined for an operator.', 'See the coverage page.'),
  E3005: row('run-shape', 'input', 'Sizes that only the run knows contradict each other.', 'Check the input sizes.'),
  E3006: row('index-range', 'input', 'An index lies outside its axis.', 'Check the input values.'),
  E3007: row('memory-limit', 'limit', 'A computed tensor would exceed the memory limit.', 'Raise the limit or use smaller inputs.'),
  E3008: row(
    'backend',
    'device',
    'The backend is not available here or lacks a kernel.',
    'Choose another backend; `omnix doctor` lists them.',
  ),
  E3009: row('missing-type', 'input', 'The type or rank of a value cannot be derived.', 'Give input shapes with --input-shape.'),
  E3010: row('timeout', 'limit', 'The run took longer than it may.', 'Give it more time, or smaller inputs.'),
  E3011: row('cancelled', 'limit', 'The run was cancelled by its caller.', 'Start it again.'),
  E3012: row('element', 'input', 'An element is none that the operator takes.', 'Check the input values.'),
  E3013: row(
    'not-finite',
    'input',
    'A value became NaN or infinite where its range was measured.',
    'Check the arrays, or leave out the layer that overflows.',
  ),
  E4001: row('usage', 'usage', 'The command line or call is wrong.', 'See --help.'),
  E4002: row('exists', 'usage', 'The output file exists.', 'Pass --overwrite.'),
  E4003: row('other-map', 'usage', 'The map was written with another file.', 'Use the map that was written with this one.'),
  E4004: row('no-calibration', 'usage', 'The ranges of activations are measured on data, and there is none.', 'Give --calibrate DATA.'),
  E5001: row('not-found', 'io', 'The file does not exist.', 'Check the path.'),
  E5002: row('permission', 'io', 'The file may not be read or written.', 'Check its permissions.'),
  E5003: row('disk-full', 'io', 'The disk is full or the file size limit is reached.', 'Free some space.'),
  E5004: row('io', 'io', 'The operating system reported an error.', 'See the message.'),
  E5005: row('changed', 'io', 'The file changed while it was read.', 'Try again when nothing writes to it.'),
  E6001: row(
    'no-dependence',
    'usage',
    'What is to be differentiated depends on none of the values it is to be differentiated by.',
    'Check the names: of the loss, and of the weights that are trained.',
  ),
  E6002: row(
    'cut-path',
    'unsupported',
    'Every path from a value to what is differentiated goes through an operator that is no function of real numbers.',
    'Take the value out of those that are trained, or compute the loss without the operator that the message names.',
  ),
  E6003: row(
    'no-gradient',
    'unsupported',
    'The gradient of an operator, or of this form of it, is not said here.',
    'See docs/gradients.md; freeze what lies before the operator, or say it by others.',
  ),
  E6004: row('no-float', 'usage', 'Only floats have gradients.', 'Ask for gradients of floats by floats.'),
  E6011: row(
    'not-trained',
    'unsupported',
    'A part of the model stays as it is in training.',
    'Name the weight to train it, or give the model in its training form.',
  ),
  E6012: row('label', 'input', 'A label is none of the classes that the model has.', 'Correct the labels, or pass ignore_index.'),
  E6013: row(
    'not-finite',
    'no',
    'The loss is no finite number any more. The last checkpoint before it is kept.',
    'Lower the learning rate, clip gradients, and look at the data that the message names.',
  ),
  E6014: row(
    'other-checkpoint',
    'usage',
    'A checkpoint is of another model or another training.',
    'Resume with the model and the optimizer that wrote it.',
  ),
  E6015: row('data', 'input', 'Data to train on is missing, ragged or of another form.', 'Correct the rows that the message names.'),
  E6016: row('no-scalar', 'usage', 'What is to be made small is not one number.', 'Use a loss that is reduced to its mean or sum.'),
  E9001: row('internal', 'internal', 'A defect of omnix.', 'Report it with the output of `omnix doctor`.'),
} as const satisfies Record<string, CodeRow>;

export type Code = keyof typeof codes;

/** Where a finding lies; every field is optional because not every border knows all of them. */
export interface Place {
  readonly file?: string | undefined;
  /** Byte offset in `file`. */
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
  /** Field path such as `graph.node[3].attribute[0]`. */
  readonly path?: string | undefined;
  readonly node?: { readonly index?: number; readonly op: string; readonly name?: string; readonly domain?: string } | undefined;
  /** The attribute or the input of the node, by its name in the standard. */
  readonly argument?: string | undefined;
  readonly tensor?: string | undefined;
  readonly limit?: { readonly name: string; readonly value: number } | undefined;
  readonly hint?: string | undefined;
}

export interface Finding extends Place {
  readonly code: Code;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** Where else the same is, by names, the first one included; of findings about several places. */
  readonly places?: readonly string[] | undefined;
}

/** The one error class. `findings` holds every problem found; `message` prints the first and the count. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly findings: readonly Finding[];
  constructor(findings: Finding | readonly Finding[], options?: { cause?: unknown }) {
    const list = 'code' in findings ? [findings] : findings;
    const first = list[0];
    super(first ? first.message + (list.length > 1 ? ` (and ${list.length - 1} more)` : '') : 'no findings', options);
    this.findings = list;
  }
  get code(): Code {
    return this.findings[0]?.code ?? 'E9001';
  }
  /** The same error with the facts of `place` added to every finding that lacks them. */
  within(place: Place): ModelError {
    return new ModelError(
      this.findings.map(f => ({ ...place, ...Object.fromEntries(Object.entries(f).filter(([, v]) => v !== undefined)) }) as Finding),
      { cause: this.cause },
    );
  }
}

/** Make a `ModelError` with one finding. */
export const fail = (code: Code, message: string, place: Place = {}, options?: { cause?: unknown }): ModelError =>
  new ModelError({ code, severity: 'error', message, ...place }, options);

export const warning = (code: Code, message: string, place: Place = {}): Finding => ({ code, severity: 'warning', message, ...place });
