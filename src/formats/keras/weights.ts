// The variables of a model as its files hold them: by paths of attributes and counted, or by names. One object's are asked for by
// what both dialects need.
import type { HdfDataset } from '../../codec/hdf5.ts';
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { type DataType, isDataType } from '../../ir/types.ts';

/** A variable that a file holds, read when it is asked for. */
export interface Stored {
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

/** A dataset as a tensor. Keras writes bfloat16 and float8 as float32 with their name beside them. */
export function storedOf(dataset: HdfDataset, name: string, file: string): Stored {
  return {
    dims: dataset.dims,
    tensor() {
      const type = dataset.type;
      if (!isDataType(type)) throw fail('E1201', `${name} has elements of ${type}, which is not read`, { file, tensor: name });
      return new Tensor(type satisfies DataType, dataset.bytes(), dataset.dims);
    },
  };
}
