// Checkpoints of TensorFlow as a row of the table of weights.
import { isTable } from '../../codec/sstable.ts';
import type { WeightFormat } from '../weights/weights.ts';
import { Bundle } from './bundle.ts';

const suffix = '/.ATTRIBUTES/VARIABLE_VALUE';

/** Checkpoints, by their index. */
export const checkpointIndex: WeightFormat = {
  name: 'tensorflow',
  title: 'TensorFlow checkpoint',
  extensions: ['.index'],
  async detect(_head, source) {
    // A broken index is one by its name: what it lacks is said when it is read.
    return source.name.endsWith('.index') || isTable(source);
  },
  async read(source, { open }) {
    const bundle = await Bundle.open(source, async name => open!(name));
    const tensors = new Map();
    for (const key of bundle.keys) {
      if (key.startsWith('_CHECKPOINTABLE')) continue;
      const short = key.endsWith(suffix) ? key.slice(0, -suffix.length) : key;
      tensors.set(tensors.has(short) ? key : short, await bundle.tensor(key));
    }
    return { tensors, metadata: new Map(), findings: [] };
  },
};
