// The variables in HDF5 files of Keras, `model.weights.h5` and whole models, by their paths in the file; not those of optimizers.
import { isHdf, openHdf } from '../../codec/hdf5.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { storedOf } from '../keras/weights.ts';
import type { WeightFormat } from './weights.ts';

export const kerasWeights: WeightFormat = {
  name: 'keras-weights',
  title: 'Keras weights in HDF5',
  extensions: ['.weights.h5'],
  detect: head => isHdf(head),
  async read(source) {
    const hdf = await openHdf(source);
    const tensors = new Map<string, Tensor>();
    for (const [name, dataset] of hdf.datasets)
      if (!/^optimizer(_weights)?\//.test(name))
        tensors.set(name.replace(/^model_weights\//, ''), (await storedOf(dataset, name, source.name)).tensor());
    return { tensors, metadata: new Map(), findings: [] };
  },
};
