// What is done with a model: converting and running it.
import { type Client, Problems } from './client.ts';
import { download, h, numberText, timeText } from './dom.ts';
import { dropZone } from './files.ts';
import { busy, labelled, problemsView, select, warningsView } from './parts.ts';
import type { OutputFacts, Ran, Summary } from './protocol.ts';

/** A model that is open in a worker, and the files it was read from. */
export interface OpenModel {
  readonly client: Client;
  readonly files: readonly File[];
  readonly summary: Summary;
}

export function convertView(open: OpenModel): HTMLElement {
  const { client, summary: s } = open;
  const target = select(
    'format',
    s.targets.map(t => [t.name, `${t.title} (${t.extension})`]),
  );
  if (s.targets.some(t => t.name === 'onnx')) target.value = 'onnx';
  const dtype = select('float type', [
    ['', 'as it is'],
    ['float16', 'float16'],
    ['bfloat16', 'bfloat16'],
  ]);
  const result = h('div');
  const convert = async (): Promise<void> => {
    try {
      const made = await busy({ client, place: result, what: 'converting' }, progress =>
        client.call('convert', [target.value, dtype.value as '' | 'float16' | 'bfloat16'], progress),
      );
      result.replaceChildren(
        h(
          'div',
          { class: 'actions' },
          made.files.map(f => download(f.name, f.blob)),
        ),
        ...[warningsView(made.warnings) ?? []].flat(),
      );
    } catch (error) {
      await failed(open, result, error);
    }
  };
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'form' },
      labelled('Format', target),
      labelled('Weights and arithmetic', dtype),
      h('button', { type: 'button', class: 'main', click: convert }, 'Convert'),
    ),
    result,
  );
}

/** A problem in its place; after a cancellation the worker is a new one, which opens the model again. */
async function failed({ client, files }: OpenModel, place: HTMLElement, error: unknown): Promise<void> {
  place.replaceChildren(problemsView(error));
  if (error instanceof Problems && error.problems[0]?.code === 'E3011') await client.call('open', [files]);
}

export function runView(open: OpenModel): HTMLElement {
  const { client, summary: s } = open;
  const backend = select('backend', [
    ['webgpu', 'WebGPU'],
    ['reference', 'TypeScript'],
  ]);
  if (document.getElementById('device')!.classList.contains('bad')) backend.value = 'reference';
  const size = h('input', { type: 'number', min: 1, max: 4096, value: 2, 'aria-label': 'size of open axes' }) as HTMLInputElement;
  const wish: { inputs?: File | undefined; expected?: File | undefined } = {};
  const arrays = (label: string, field: 'inputs' | 'expected'): HTMLElement => {
    const zone = dropZone({ label, note: '.npz or .npy', small: true }, chosen => {
      wish[field] = chosen[0];
      zone.querySelector('strong')!.textContent = chosen[0] ? chosen[0].name : label;
    });
    zone.id = `drop-${field}`;
    return zone;
  };
  const result = h('div');
  const run = async (): Promise<void> => {
    try {
      const options = { backend: backend.value as 'webgpu' | 'reference', size: Math.max(1, Number(size.value) || 1), ...wish };
      result.replaceChildren(
        ranView(await busy({ client, place: result, what: 'running' }, progress => client.call('run', [options], progress))),
      );
    } catch (error) {
      await failed(open, result, error);
    }
  };
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'columns' },
      arrays('Inputs: generated, or drop arrays', 'inputs'),
      arrays('Expected outputs: none, or drop arrays', 'expected'),
    ),
    h('p', { class: 'quiet' }, `Inputs are ${s.inputs.map(p => `${p.name} ${p.type}`).join(', ') || 'none'}.`),
    h(
      'div',
      { class: 'form' },
      labelled('Computed by', backend),
      labelled('Open sizes become', size),
      h('button', { type: 'button', class: 'main', click: run }, 'Run'),
    ),
    result,
  );
}

function ranView(r: Ran): HTMLElement {
  const compared = r.outputs.some(o => o.comparison);
  const verdict = ({ comparison: c }: OutputFacts): HTMLElement =>
    c
      ? h(
          'td',
          { class: c.ok ? 'ok' : 'no' },
          c.ok ? `equal, at most ${c.maxAbs.toExponential(1)} apart` : (c.reason ?? `differs by ${c.maxAbs.toExponential(1)}`),
        )
      : h('td', { class: 'quiet' }, '–');
  const rows = r.outputs.map(o =>
    h(
      'tr',
      {},
      h('td', {}, o.name),
      h('td', { class: 'code' }, o.type),
      h('td', { class: 'number' }, numberText(o.min)),
      h('td', { class: 'number' }, numberText(o.max)),
      h('td', { class: 'number' }, numberText(o.mean)),
      compared && verdict(o),
      h('td', { class: 'code quiet' }, o.head.join(' ')),
    ),
  );
  const head = ['output', 'type', 'min', 'max', 'mean', ...(compared ? ['expected'] : []), 'first elements'];
  return h(
    'div',
    { class: 'ran' },
    h(
      'p',
      {},
      `Ready in ${timeText(r.prepare)}, first run ${timeText(r.first)}, next run `,
      h('b', {}, timeText(r.second)),
      ` by ${r.backend === 'webgpu' ? 'WebGPU' : 'TypeScript'}.`,
    ),
    r.unmatched.length > 0 && h('p', { class: 'quiet' }, `No output is named ${r.unmatched.join(', ')}.`),
    h(
      'div',
      { class: 'scroll' },
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            head.map(name => h('th', { class: ['min', 'max', 'mean'].includes(name) ? 'number' : '' }, name)),
          ),
        ),
        h('tbody', {}, rows),
      ),
    ),
    h('div', { class: 'actions' }, download('outputs.npz', r.arrays)),
  );
}
