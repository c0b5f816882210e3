// The files of a module in Python.
import type { Model } from '../../../../ir/graph.ts';
import type { Tensor } from '../../../../ir/tensor.ts';
import { collected, type OutputFile, type WriteOptions } from '../../../format.ts';
import { safetensors } from '../../../weights/safetensors.ts';
import { programOf, tellNames } from '../emit.ts';
import { literalsOf } from './literals.ts';
import { moduleSource } from './source.ts';

export async function moduleFiles(model: Model, { name, names, reference }: WriteOptions): Promise<readonly OutputFile[]> {
  const program = programOf(model);
  tellNames(program, names);
  const weights = await tensorsFile('model.safetensors', new Map(literalsOf(program).rest.map(s => [s.name, s.tensor])));
  const numbers = reference && [
    ...numbered('input', Object.values(reference.inputs)),
    ...numbered('output', Object.values(reference.outputs)),
  ];
  const text = new TextEncoder().encode(moduleSource(program, model.graph.name || name));
  return [
    weights,
    ...(numbers ? [await tensorsFile('reference.safetensors', new Map(numbers))] : []),
    { name: 'model.py', length: text.length, chunks: [text] },
  ];
}

const numbered = (what: string, tensors: readonly Tensor[]): (readonly [string, Tensor])[] => tensors.map((t, i) => [`${what}.${i}`, t]);

const tensorsFile = (name: string, tensors: ReadonlyMap<string, Tensor>): Promise<OutputFile> =>
  collected(name, safetensors.write!({ tensors, metadata: new Map() }, name));
