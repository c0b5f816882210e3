// The variables in HDF5 files of Keras, `model.weights.h5` and whole models, by their paths in the file; not those of optimizers.
import { isHdf, openHdf } from '../../codec/hdf5.ts';
import { storedOf } from '../keras/weights.ts';
import type { WeightFormat } from './weights.ts';

export const kerasWeights: WeightFormat = {
  name: 'keras-weights',
  title: 'Keras weights in HDF5',
  extensions: ['.weights.h5'],
  detect: head => isHdf(head),
  async read(source) {
    const hdf = await openHdf((await source.read(0, source.size)).slice(), source.name);
    const own = [...hdf.datasets].filter(([name]) => !/^optimizer(_weights)?\//.test(name));
    const tensors = new Map(
      own.map(([name, dataset]) => [name.replace(/^model_weights\//, ''), storedOf(dataset, name, source.name).tensor()]),
    );
    return { tensors, metadata: new Map(), findings: [] };
  },
};
