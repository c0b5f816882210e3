// Keras's formats as rows of the format table. What reads them is loaded when it is asked for.
import { isHdf } from '../../codec/hdf5.ts';
import type { Source } from '../../codec/source.ts';
import { openZip } from '../../codec/zip.ts';
import { ModelError } from '../../errors.ts';
import type { Format } from '../format.ts';
import { isKerasArchive } from './archive.ts';

/** Archives of Keras 3: configuration and variables. */
export const keras: Format = {
  name: 'keras',
  title: 'Keras model',
  extensions: ['.keras'],
  async detect(head, source) {
    const isZip = head[0] === 0x50 && head[1] === 0x4b;
    const isNamed = source.name.toLowerCase().endsWith('.keras');
    if (isZip === isNamed) return isZip;
    // Something may stand before an archive.
    return openZip(source).then(isKerasArchive, unreadable);
  },
  async read(source, { inputShapes = {} }) {
    const { openArchive, translate } = await import('./read.ts');
    return translate(await openArchive(source), { file: source.name, inputShapes });
  },
};

/** Whole models in one HDF5 file. */
export const kerasHdf5: Format = {
  name: 'keras-h5',
  title: 'Keras HDF5 model',
  extensions: ['.h5', '.hdf5'],
  detect: (head: Uint8Array, _source: Source) => isHdf(head),
  async read(source, { inputShapes = {} }) {
    const { openWhole, translate } = await import('./read.ts');
    return translate(await openWhole(source), { file: source.name, inputShapes });
  },
};

/** An archive that cannot be opened is none of Keras's; whoever reads it says why. */
function unreadable(error: unknown): false {
  if (error instanceof ModelError) return false;
  throw error;
}
