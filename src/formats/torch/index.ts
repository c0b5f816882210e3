// PyTorch's formats as rows of the format table. What translates is loaded when it is asked for.
import type { Source } from '../../codec/source.ts';
import { openZip } from '../../codec/zip.ts';
import { writeZip, type ZipInput, zipLength } from '../../codec/zip-write.ts';
import { ModelError } from '../../errors.ts';
import type { Format, OutputFile } from '../format.ts';
import { isArchive, isPt2, scriptRoot } from './marks.ts';
import { patchRecords } from './write/patch.ts';

/** Programs of `torch.export.save`. */
export const pt2: Format = {
  name: 'pt2',
  title: 'PyTorch exported program',
  extensions: ['.pt2'],
  detect: (head: Uint8Array, source: Source): Promise<boolean> => isArchive(head, source, pt2.extensions, isPt2),
  async read(source, { allowCustom = false }) {
    const [{ openArchive }, { translate }] = await Promise.all([import('./pt2.ts'), import('./translate.ts')]);
    const archive = await openArchive(source);
    const errors = archive.findings.filter(f => f.severity === 'error');
    if (errors.length > 0) throw new ModelError(errors);
    const { model, findings } = translate(archive, stemOf(source), { allowCustom });
    return { model, findings: [...archive.findings, ...findings] };
  },
  async write(model, { name, names }) {
    const { programEntries, programOf, tellNames } = await import('./write/index.ts');
    const program = programOf(model);
    tellNames(program, names);
    return [archive(name, programEntries(program, rootOf(name)))];
  },
  async patch(source, tensors) {
    const { recordNames } = await import('./pt2.ts');
    return patchRecords(source, await recordNames(await openZip(source)), tensors);
  },
};

/** Programs of `torch.jit.save`, traced, scripted or frozen. */
export const torchscript: Format = {
  name: 'torchscript',
  title: 'TorchScript program',
  extensions: ['.pt', '.jit', '.torchscript', '.ptl'],
  takesValues: true,
  detect: (head, source) => isArchive(head, source, torchscript.extensions, zip => scriptRoot(zip) !== undefined),
  async read(source, { allowCustom = false, inputShapes = {}, inputTypes = {}, inputValues = {}, limits }) {
    const [{ openScript }, { translateScript }] = await Promise.all([import('./script/archive.ts'), import('./script/translate.ts')]);
    const archive = await openScript(source);
    const given = { inputShapes, inputTypes, inputValues };
    const { model, findings } = translateScript(archive, stemOf(source), { allowCustom, ...given, steps: limits?.steps });
    return { model, findings: [...archive.findings, ...findings] };
  },
  async write(model, { name, names }) {
    const { programOf, scriptEntries, scriptNames, tellNames } = await import('./write/index.ts');
    const program = programOf(model);
    tellNames(program, names, scriptNames(program));
    return [archive(name, scriptEntries(program, rootOf(name)))];
  },
  async patch(source, tensors) {
    const { scriptRecords } = await import('./script/archive.ts');
    return patchRecords(source, await scriptRecords(source), tensors);
  },
};

/** Folders that people read and train on: the module as Python, its weights, and inputs with the outputs that are expected for them. */
export const torchModule: Format = {
  name: 'torch-module',
  title: 'PyTorch module in Python',
  extensions: [],
  isFolder: true,
  hasReference: true,
  detect: () => false,
  write: async (model, options) => (await import('./write/index.ts')).moduleFiles(model, options),
};

/** An archive whose entries are written when it is. */
const archive = (name: string, entries: readonly ZipInput[]): OutputFile => ({
  name,
  length: zipLength(entries),
  chunks: { [Symbol.asyncIterator]: () => writeZip(entries) },
});

/** The folder in an archive, as PyTorch calls it after the file. */
const rootOf = (name: string): string => name.replace(/\.[^.]*$/, '').replace(/[^\w.-]/g, '_') || 'archive';

/** The name of a file without folders and extension. */
const stemOf = (source: Source): string =>
  source.name
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.[^.]*$/, '');
