// PyTorch's formats as rows of the format table.
import type { Source } from '../../codec/source.ts';
import { ModelError } from '../../errors.ts';
import type { Format } from '../format.ts';
import { isPt2, openArchive } from './pt2.ts';
import { isArchive } from './saved.ts';
import { openScript, scriptRoot } from './script/archive.ts';
import { translateScript } from './script/translate.ts';
import { translate } from './translate.ts';
import { programOf } from './write/emit.ts';
import { writeProgram } from './write/pt2.ts';

/** Programs of `torch.export.save`. */
export const pt2: Format = {
  name: 'pt2',
  title: 'PyTorch exported program',
  extensions: ['.pt2'],
  detect: (head: Uint8Array, source: Source): Promise<boolean> => isArchive(head, source, pt2.extensions, isPt2),
  async read(source, { allowCustom = false }) {
    const archive = await openArchive(source);
    const errors = archive.findings.filter(f => f.severity === 'error');
    if (errors.length > 0) throw new ModelError(errors);
    const { model, findings } = translate(archive, stemOf(source), { allowCustom });
    return { model, findings: [...archive.findings, ...findings] };
  },
  async write(model, { name }) {
    const program = programOf(model);
    const root = name.replace(/\.[^.]*$/, '').replace(/[^\w.-]/g, '_') || 'archive';
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeProgram(program, root)) chunks.push(chunk);
    return [{ name, length: chunks.reduce((n, c) => n + c.length, 0), chunks }];
  },
};

/** Programs of `torch.jit.save`, traced, scripted or frozen. */
export const torchscript: Format = {
  name: 'torchscript',
  title: 'TorchScript program',
  extensions: ['.pt', '.jit', '.torchscript', '.ptl'],
  detect: (head, source) => isArchive(head, source, torchscript.extensions, zip => scriptRoot(zip) !== undefined),
  async read(source, { allowCustom = false, inputShapes = {}, limits }) {
    const archive = await openScript(source);
    const { model, findings } = translateScript(archive, stemOf(source), { allowCustom, inputShapes, steps: limits?.steps });
    return { model, findings: [...archive.findings, ...findings] };
  },
};

/** The name of a file without folders and extension. */
const stemOf = (source: Source): string =>
  source.name
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.[^.]*$/, '');
