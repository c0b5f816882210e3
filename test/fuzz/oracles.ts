// Ways of saying a model anew that must not change what it computes.
import { namesIn, nodeNamesIn } from '../../src/edit/names.ts';
import type { Backend } from '../../src/exec/backend.ts';
import {
  bytesOfFile,
  inlineFunctions,
  load,
  MemorySource,
  type Model,
  ModelError,
  referenceBackend,
  rename,
  repair,
  Session,
  simplify,
  Tensor,
  write,
} from '../../src/index.ts';
import type { Datum } from '../../src/ir/datum.ts';
import { newestOpset } from '../../src/ops/schema.ts';
import type { Tolerance } from '../../src/validate/compare.ts';
import { compareData } from '../../src/validate/compare-data.ts';
import { joined } from './bytes.ts';
import { pick, type Random } from './random.ts';

/** A model that ran, what it was given and what it made, in the order of its inputs and outputs. */
export interface Ran {
  /** Read anew, as an oracle may change it. */
  readonly read: () => Promise<Model>;
  readonly feeds: readonly Datum[];
  readonly made: readonly Datum[];
  /** Whether nothing is wrong with it: others may be read in more than one way. */
  readonly isValid: boolean;
}

interface Oracle {
  readonly change: (model: Model, random: Random) => Promise<Model> | Model;
  /** Only for models that are valid. */
  readonly valid?: boolean;
  /** Numbers may differ by the order of sums. */
  readonly loose?: boolean;
  /** The change may be refused: not everything can be said. */
  readonly refuses?: boolean;
  readonly optimize?: boolean;
}

const limits = { memory: 2 ** 26, timeout: 1500 };
const exact: Tolerance = { rtol: 0, atol: 0 };
const near: Tolerance = { rtol: 2e-3, atol: 1e-4 };
/** What another way of computing the same may run into. */
const excused: readonly string[] = ['E3007', 'E3010'];
/** Where the file declares the sizes of a result, an optimised plan need not look at what says them again. */
const declared: readonly string[] = ['E1305', 'E3005'];

/** The bytes of a model as one file. */
export async function bytesOf(model: Model, format = 'onnx', opset?: number): Promise<Uint8Array> {
  const { files } = await write(model, { name: 'm', format, externalData: false, opset });
  const parts: Uint8Array[] = [];
  for await (const part of bytesOfFile(files[0]!)) parts.push(part);
  return joined(...parts);
}

const readAgain = (bytes: Uint8Array, format = 'onnx'): Promise<Model> => load(new MemorySource(bytes, `again.${format}`));
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Written and read; the same is written of what was read. */
async function through(model: Model, format: string): Promise<Model> {
  const bytes = await bytesOf(model, format);
  const again = await readAgain(bytes, format);
  if (!isSame(bytes, await bytesOf(again, format))) throw new Error(`a model that is read from ${format} is written otherwise`);
  return again;
}

function renamed(model: Model): Model {
  const anew = (names: Iterable<string>, letter: string): Record<string, string> =>
    Object.assign(Object.create(null), Object.fromEntries([...names].map((name, i) => [name, `${letter}${i}`])));
  // Backwards, so that names that are taken so far go to others.
  return rename(model, { values: anew([...namesIn(model.graph)].reverse(), 'v'), nodes: anew(nodeNamesIn(model.graph), 'n') });
}

async function reversed(model: Model): Promise<Model> {
  model.graph.nodes.reverse();
  return (await repair(model)).model;
}

export const oracles: Readonly<Record<string, Oracle>> = {
  written: { change: model => through(model, 'onnx') },
  text: { refuses: true, change: model => through(model, 'onnxtxt') },
  json: { refuses: true, change: model => through(model, 'onnxjson') },
  textproto: { refuses: true, change: model => through(model, 'textproto') },
  simplified: { valid: true, loose: true, change: model => simplify(model) },
  simplifiedTwice: { valid: true, loose: true, change: async model => simplify(await simplify(model)) },
  renamed: { valid: true, change: renamed },
  reversed: { valid: true, change: reversed },
  inlined: { valid: true, change: inlineFunctions },
  targeted: {
    valid: true,
    loose: true,
    refuses: true,
    change: async (model, random) => readAgain(await bytesOf(model, 'onnx', 7 + random(newestOpset('')! - 6))),
  },
  plain: { loose: true, optimize: false, change: model => model },
};
const names = Object.keys(oracles);

/** One of the oracles on a model. @throws Error where it says that the model computes something else */
export async function judge(ran: Ran, random: Random): Promise<string> {
  const name = pick(random, names)!;
  const { change, valid = false, refuses = false, ...how } = oracles[name]!;
  if (valid && !ran.isValid) return 'none';
  let changed: Model;
  try {
    changed = await change(await ran.read(), random);
  } catch (cause) {
    if (refuses && cause instanceof ModelError && cause.code !== 'E9001') return 'refused';
    throw new Error(`oracle ${name} is refused: ${cause instanceof Error ? cause.stack : cause}`, { cause });
  }
  const difference = await differenceOf(changed, ran, how);
  if (difference !== undefined) throw new Error(`oracle ${name}: ${difference}`);
  return name;
}

/** What the model computes on another backend. @throws Error where that is something else, or refused */
export async function judgeBackend(ran: Ran, backend: Backend): Promise<void> {
  const difference = await differenceOf(await ran.read(), ran, { loose: true, backend });
  if (difference !== undefined) throw new Error(`backend ${backend.name}: ${difference}`);
}

/** A model that the reference refused with an error. @throws Error where another backend runs it */
export async function judgeRefusal(ran: Omit<Ran, 'made'>, backend: Backend, refusal: ModelError): Promise<void> {
  try {
    await evaluated(await ran.read(), ran, { backend });
  } catch (error) {
    if (error instanceof ModelError && error.code !== 'E9001') return;
    throw error;
  }
  if (!excused.includes(refusal.code))
    throw new Error(`backend ${backend.name} runs what the reference refuses: ${refusal.code} ${refusal.message}`);
}

async function evaluated(
  changed: Model,
  { feeds }: Pick<Ran, 'feeds'>,
  { backend = referenceBackend({ memory: limits.memory }), optimize = true }: Pick<Oracle, 'optimize'> & { readonly backend?: Backend },
): Promise<Datum[]> {
  const session = await Session.create(changed, { backend, optimize });
  const named = Object.fromEntries(session.inputs.map(({ name }, i) => [name, feeds[i]!]));
  return Object.values(await session.evaluate(Object.assign(Object.create(null), named), limits));
}

async function differenceOf(
  changed: Model,
  ran: Ran,
  how: Pick<Oracle, 'loose' | 'optimize'> & { readonly backend?: Backend },
): Promise<string | undefined> {
  try {
    const made = await evaluated(changed, ran, how);
    if (made.length !== ran.made.length) return `${made.length} outputs, expected ${ran.made.length}`;
    const compared = ran.made.flatMap((want, i) =>
      bothEmpty(made[i]!, want) ? [] : compareData(String(i), made[i], want, how.loose ? near : exact),
    );
    const wrong = compared.find(c => !c.ok);
    return wrong && `output ${wrong.name} ${wrong.type}[${wrong.dims}]: ${wrong.reason ?? JSON.stringify(wrong.worst)}`;
  } catch (error) {
    if (error instanceof ModelError && (excused.includes(error.code) || (how.optimize === false && declared.includes(error.code))))
      return undefined;
    if (error instanceof ModelError) return `does not run: ${error.code} ${error.message}`;
    throw error;
  }
}

/** A loop of no rounds says of its outputs what is known of their other sizes, which is not the same of every way to say the model. */
const bothEmpty = (a: Datum, b: Datum): boolean =>
  a instanceof Tensor && b instanceof Tensor && a.size === 0 && b.size === 0 && a.type === b.type && a.dims.length === b.dims.length;
