// The variables of a model as its files hold them: by paths of attributes and counted, or by names. One object's are asked for by
// what both dialects need.
import type { HdfDataset } from '../../codec/hdf5.ts';
import { fail } from '../../errors.ts';
import { type Stored as StoredContent, Tensor } from '../../ir/tensor.ts';
import { byteLength, isDataType } from '../../ir/types.ts';

/** A variable that a file holds, read when it is asked for. */
export interface Stored {
  /** As NumPy names it. */
  readonly type: string;
  readonly dims: readonly number[];
  tensor(): Tensor;
}

/** Where the variables of a layer or of a part of it are. */
export interface Place {
  /** A part: by the attribute that holds it, and by its own name, which may be empty where there is only one. */
  part(attribute: string, name: string): Place;
  /** The variable of a name, which is the `index`-th of the object; undefined where the file has none. */
  variable(name: string, index: number): Stored | undefined;
  /** A file beside the weights, such as a vocabulary. */
  asset(name: string): Uint8Array | undefined;
}

/** Paths in files of Keras 3: `layers/dense_1/vars/0`, the names being those of classes, counted. */
export function treeOf(weights: ReadonlyMap<string, Stored>, assets: (path: string) => Uint8Array | undefined, path = ''): Place {
  const join = (name: string): string => (path === '' ? name : `${path}/${name}`);
  return {
    part: attribute => treeOf(weights, assets, join(attribute)),
    variable: (_, index) => weights.get(join(`vars/${index}`)),
    asset: name => assets(join(name)),
  };
}

/** The names of files before that: `lstm/lstm_cell/kernel:0`, in the group of the layer or not. */
export function namesOf(weights: ReadonlyMap<string, Stored>): Place {
  const entries = [...weights].map(([name, stored]) => ({ steps: name.replace(/:\d+$/, '').split('/'), stored }));
  return named(entries.map(entry => ({ ...entry, at: 0 })));
}

interface Entry {
  readonly steps: readonly string[];
  /** How many steps are spoken for. */
  readonly at: number;
  readonly stored: Stored;
}

function named(entries: readonly Entry[]): Place {
  return {
    part: (_, name) => (name === '' ? named(entries) : named(within(entries, name))),
    variable(name) {
      const found = entries.filter(({ steps }) => steps.at(-1) === name);
      return found.sort((a, b) => a.steps.length - b.steps.length)[0]?.stored;
    },
    asset: () => undefined,
  };
}

/** Entries below a name; names that files leave out, as those of models in models, leave all. */
function within(entries: readonly Entry[], name: string): readonly Entry[] {
  const below = entries.flatMap(entry => {
    const found = entry.steps.indexOf(name, entry.at);
    return found < 0 || found === entry.steps.length - 1 ? [] : [{ ...entry, at: found + 1, found: found - entry.at }];
  });
  const first = Math.min(...below.map(e => e.found));
  return below.length === 0 ? entries : below.filter(e => e.found === first);
}

/** Tensors of up to so many bytes are read with the file, larger ones when they are needed. */
const residentUpTo = 65536;

/** A dataset as a variable. Keras writes bfloat16 and float8 as float32. */
export async function storedOf(dataset: HdfDataset, name: string, file: string): Promise<Stored> {
  const { type, dims } = dataset;
  if (!isDataType(type))
    return {
      type,
      dims,
      tensor() {
        throw fail('E1201', `${name} has elements of ${type}, which is not read`, { file, tensor: name });
      },
    };
  const count = dims.reduce((n, d) => n * d, 1);
  const content =
    byteLength(type, count) <= residentUpTo ? await dataset.bytes() : (dataset.range ?? later(dataset, byteLength(type, count)));
  return { type, dims, tensor: () => new Tensor(type, content, dims) };
}

/** What must be put together before a part of it can be read. */
function later(dataset: HdfDataset, length: number): StoredContent {
  let whole: Promise<Uint8Array> | undefined;
  return {
    length,
    async read(offset = 0, count = length - offset) {
      whole ??= dataset.bytes();
      return (await whole).subarray(offset, offset + count);
    },
  };
}
