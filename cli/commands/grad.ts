// omnix grad: one step of training as a graph, or its parts.
import { fail } from '../../src/errors.ts';
import type { Model } from '../../src/ir/graph.ts';
import { load, save } from '../../src/node/models.ts';
import { type TrainingGraphOptions, type TrainingSignature, trainingGraph, trainingParts } from '../../src/train/graphs.ts';
import { withTrainingInfo } from '../../src/train/training-info.ts';
import { checkOutput, readModel, whileWriting } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import { fileText, type Outcome, type Output } from '../output.ts';
import { plural, shown } from '../terminal.ts';
import { clipOf, type GivenSettings, type GraphSettings, settingsFrom } from '../training-config.ts';
import { checkFormat, readWords } from '../writing.ts';

export type GradOptions = GivenSettings<GraphSettings> &
  ReadLimitOptions & {
    readonly output: string;
    readonly form: 'step' | 'parts' | 'training-info';
    readonly inline?: boolean;
    readonly predictions?: boolean;
    readonly initial?: boolean;
    readonly opset?: number;
    readonly overwrite?: boolean;
  };

export async function grad([path]: readonly string[], options: GradOptions, out: Output): Promise<Outcome> {
  const { output, overwrite = false, form } = options;
  checkFormat({ output });
  const settings = settingsFrom(options);
  const paths = form === 'parts' ? partNames.map(part => beside(output, part)) : [output];
  for (const one of paths) checkOutput(one, overwrite);
  const { model, findings } = await out.stage('read', () => readModel(path!, options), readWords);
  const teacher = settings.teacher === undefined ? undefined : await load(settings.teacher);
  const { batchNorm, dropout, groups, lr, trainable, freeze } = settings;
  if (settings.loss === undefined) throw fail('E4001', '--loss is missing');
  const graphs: TrainingGraphOptions = {
    loss: settings.loss,
    optimizer: settings.optimizer ?? 'sgd',
    ...{ batchNorm, dropout, groups, lr, trainable, freeze, teacher },
    clip: clipOf(settings),
    inline: options.inline,
    opset: options.opset,
    predictions: options.predictions,
    initial: options.initial,
  };
  const made = await out.stage(
    'derive',
    async () => derived(model, graphs, form),
    m => words(m.signature),
  );
  const files: { readonly path: string; readonly bytes: number }[] = [];
  await out.stage('write', () =>
    whileWriting(async () => {
      for (const [i, part] of made.models.entries()) {
        const saved = await save(part, paths[i]!, { overwrite, ...(options.opset !== undefined && { opset: options.opset }) });
        files.push(...saved.files.map((file, k) => ({ path: saved.paths[k]!, bytes: file.length })));
      }
    }),
  );
  for (const file of files) out.note(`wrote ${fileText(file.path, file.bytes)}`);
  return { results: { files, ...described(made.signature) }, findings: [...findings, ...made.findings] };
}

const partNames = ['forward', 'backward', 'gradients', 'update'] as const;

const beside = (path: string, part: string): string => path.replace(/(\.[^./\\]*)?$/, ending => `.${part}${ending}`);

interface Derived {
  readonly models: readonly Model[];
  readonly signature: TrainingSignature;
  readonly findings: Outcome['findings'] & object;
}

function derived(model: Model, options: TrainingGraphOptions, form: GradOptions['form']): Derived {
  if (form === 'parts') {
    const parts = trainingParts(model, options);
    return { ...parts, models: partNames.map(name => parts[name]) };
  }
  if (form === 'training-info') {
    const made = withTrainingInfo(model, options);
    return { ...made, models: [made.model] };
  }
  const made = trainingGraph(model, options);
  return { ...made, models: [made.model] };
}

const words = ({ parameters, targets, buffers }: TrainingSignature): string =>
  [
    `${plural(parameters.length, 'weight')} trained`,
    ...(buffers.length > 0 ? [`${plural(buffers.length, 'tensor')} remembered`] : []),
    ...(targets.length > 0 ? [`targets ${targets.map(t => shown(t.name, 30)).join(', ')}`] : []),
  ].join(', ');

/** The signature as JSON. */
const described = ({ parameters, state, buffers, ...rest }: TrainingSignature) => ({
  ...rest,
  targets: rest.targets.map(({ name, type }) => ({ name, type })),
  parameters: parameters.map(({ name, next }) => ({ name, next })),
  state: state.map(({ name, next }) => ({ name, next })),
  buffers: buffers.map(({ name, next }) => ({ name, next })),
});
