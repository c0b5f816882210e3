// The page: a model is dropped, looked at, converted and run. What takes time is the worker's.
import { Client, Problems } from './client.ts';
import { bytesText, countText, download, h, numberText, timeText } from './dom.ts';
import { droppedFiles, dropZone } from './files.ts';
import { graphView } from './graph.ts';
import type { Layer, OutputFacts, Problem, Ran, Summary } from './protocol.ts';

const client = new Client();
const main = document.getElementById('main')!;
let files: readonly File[] = [];

const formatsRead = 'ONNX, PyTorch (.pt2, TorchScript), TensorFlow (SavedModel, GraphDef), Keras, TensorFlow Lite, TensorFlow.js';

function start(problems?: HTMLElement): void {
  files = [];
  const zone = dropZone(
    {
      label: 'Drop a model here, or choose its files',
      note: `${formatsRead}. A model of several files is dropped as its folder or all files at once.`,
    },
    open,
  );
  main.replaceChildren(...(problems ? [problems] : []), zone);
}

async function open(chosen: readonly File[]): Promise<void> {
  if (chosen.length === 0) return;
  files = chosen;
  try {
    const summary = await busy(`reading ${chosen[0]!.name}`, progress => client.call('open', [chosen], progress));
    await showModel(summary);
  } catch (error) {
    start(problemsView(error));
  }
}

/** Shows progress in the place of everything else while some work is done. */
async function busy<T>(
  what: string,
  work: (progress: (text: string, fraction: number | undefined) => void) => Promise<T>,
  place: Element = main,
): Promise<T> {
  const text = h('span', { class: 'quiet' }, what);
  const bar = h('progress', { 'aria-label': what });
  const stop = h('button', { type: 'button', click: () => client.cancel() }, 'Cancel');
  place.replaceChildren(h('div', { class: 'card progress', role: 'status' }, text, bar, stop));
  return work((said, fraction) => {
    text.textContent = said.length > 70 ? `${said.slice(0, 69)}…` : said;
    if (fraction === undefined) bar.removeAttribute('value');
    else bar.setAttribute('value', String(fraction));
  });
}

function problemsView(error: unknown): HTMLElement {
  const problems: readonly Problem[] =
    error instanceof Problems ? error.problems : [{ code: 'E9001', message: String(error), place: 'a defect of this page' }];
  const shown = problems.slice(0, 20);
  return h(
    'div',
    { class: 'problems', role: 'alert' },
    shown.map(p => h('p', {}, h('b', {}, p.code), ` ${p.message}`, p.place && h('span', { class: 'quiet' }, `\n${p.place}`))),
    problems.length > shown.length && h('p', { class: 'quiet' }, `and ${problems.length - shown.length} more`),
  );
}

const warningsView = (warnings: readonly Problem[]): HTMLElement | undefined =>
  warnings.length === 0
    ? undefined
    : h(
        'ul',
        { class: 'warnings' },
        warnings.slice(0, 8).map(w => h('li', {}, `${w.code} ${w.message}`)),
      );

type Tab = 'overview' | 'layers' | 'graph' | 'convert' | 'run';

async function showModel(summary: Summary): Promise<void> {
  let layers: readonly Layer[] | undefined;
  const panel = h('section', { class: 'card', role: 'tabpanel', id: 'panel', tabindex: 0 });
  const views: Readonly<Record<Tab, () => Promise<HTMLElement> | HTMLElement>> = {
    overview: () => overview(summary),
    layers: async () => layersView((layers ??= await client.call('layers', []))),
    graph: async () => graphView((layers ??= await client.call('layers', []))),
    convert: () => convertView(summary),
    run: () => runView(summary),
  };
  const tabs = Object.keys(views) as readonly Tab[];
  const buttons = tabs.map(tab =>
    h(
      'button',
      { type: 'button', role: 'tab', 'aria-controls': 'panel', id: `tab-${tab}`, click: () => void choose(tab) },
      tab[0]!.toUpperCase() + tab.slice(1),
    ),
  );
  const choose = async (tab: Tab): Promise<void> => {
    for (const [i, button] of buttons.entries()) {
      button.setAttribute('aria-selected', String(tabs[i] === tab));
      button.tabIndex = tabs[i] === tab ? 0 : -1;
    }
    panel.setAttribute('aria-labelledby', `tab-${tab}`);
    try {
      panel.replaceChildren(await views[tab]());
    } catch (error) {
      panel.replaceChildren(problemsView(error));
    }
  };
  const list = h('div', { role: 'tablist', keydown: (e: KeyboardEvent) => move(e) }, buttons);
  const move = (e: KeyboardEvent): void => {
    const by = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
    if (by === 0) return;
    const next = (buttons.indexOf(document.activeElement as HTMLElement) + by + tabs.length) % tabs.length;
    buttons[next]!.focus();
    void choose(tabs[next]!);
  };
  const title = h(
    'div',
    { class: 'title' },
    h('h2', {}, summary.file),
    h('span', { class: 'chip' }, summary.format),
    h('span', { class: 'spring' }),
    h('button', { type: 'button', click: () => start() }, 'Another model'),
  );
  main.replaceChildren(title, list, panel);
  await choose('overview');
}

function overview(s: Summary): HTMLElement {
  const fact = (name: string, value: string): HTMLElement => h('div', {}, h('dt', {}, name), h('dd', {}, value));
  const ports = (name: string, list: Summary['inputs']): HTMLElement =>
    h(
      'div',
      {},
      h('h2', {}, name),
      h(
        'div',
        { class: 'scroll' },
        h(
          'table',
          {},
          list.map(p => h('tr', {}, h('td', {}, p.name), h('td', { class: 'code' }, p.type))),
        ),
      ),
    );
  const largest = s.operators[0]?.count ?? 1;
  const bars = s.operators.slice(0, 12).map(o => {
    const bar = h('div', { class: 'bar' });
    bar.style.width = `${Math.max(2, (100 * o.count) / largest)}%`;
    return h('tr', {}, h('td', {}, o.name), h('td', { class: 'number' }, o.count), h('td', { class: 'bars' }, bar));
  });
  return h(
    'div',
    {},
    h(
      'dl',
      { class: 'facts' },
      fact('nodes', countText(s.nodes)),
      fact('parameters', countText(s.parameters)),
      fact('weights', bytesText(s.weightBytes)),
      fact(files.length > 1 ? `${files.length} files` : 'file', bytesText(s.bytes)),
      s.opsets.length > 0 && fact('opset', s.opsets.join(', ')),
      s.producer !== '' && fact('made by', s.producer),
    ),
    h(
      'div',
      { class: 'columns' },
      ports('Inputs', s.inputs),
      ports('Outputs', s.outputs),
      h('div', {}, h('h2', {}, 'Operators'), h('div', { class: 'scroll' }, h('table', {}, bars))),
    ),
    warningsView(s.warnings),
  );
}

/** Rows that are shown at once. */
const mostRows = 500;

function layersView(layers: readonly Layer[]): HTMLElement {
  const body = h('tbody');
  const count = h('span', { class: 'quiet' });
  const fill = (wanted: string): void => {
    const found = [...layers.entries()].filter(([, l]) => `${l.op} ${l.name}`.toLowerCase().includes(wanted.toLowerCase()));
    count.textContent = found.length > mostRows ? `the first ${mostRows} of ${found.length}` : `${found.length} of ${layers.length}`;
    const row = ([i, l]: [number, Layer]): HTMLElement =>
      h(
        'tr',
        {},
        h('td', { class: 'number quiet' }, i),
        h('td', {}, l.op),
        h('td', {}, l.name),
        h('td', { class: 'code' }, l.outputs.join('  ')),
        h('td', { class: 'number' }, l.parameters > 0 ? countText(l.parameters) : ''),
      );
    body.replaceChildren(...found.slice(0, mostRows).map(row));
  };
  fill('');
  const search = h('input', {
    type: 'search',
    placeholder: 'Filter by operator or name',
    'aria-label': 'Filter',
    input: (e: Event) => fill((e.target as HTMLInputElement).value),
  });
  const head = h(
    'thead',
    {},
    h(
      'tr',
      {},
      h('th', { class: 'number' }, '#'),
      h('th', {}, 'operator'),
      h('th', {}, 'name'),
      h('th', {}, 'makes'),
      h('th', { class: 'number' }, 'parameters'),
    ),
  );
  return h('div', {}, h('div', { class: 'form' }, search, count), h('div', { class: 'scroll' }, h('table', {}, head, body)));
}

const select = (name: string, options: readonly (readonly [string, string])[]): HTMLSelectElement =>
  h(
    'select',
    { 'aria-label': name, id: `choose-${name.replaceAll(' ', '-')}` },
    options.map(([value, text]) => h('option', { value }, text)),
  ) as HTMLSelectElement;
const labelled = (name: string, field: HTMLElement): HTMLElement => h('label', {}, name, field);

function convertView(s: Summary): HTMLElement {
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
      const made = await busy(
        'converting',
        progress => client.call('convert', [target.value, dtype.value as '' | 'float16' | 'bfloat16'], progress),
        result,
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
      await failed(result, error);
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
async function failed(place: HTMLElement, error: unknown): Promise<void> {
  place.replaceChildren(problemsView(error));
  if (error instanceof Problems && error.problems[0]?.code === 'E3011') await client.call('open', [files]);
}

function runView(s: Summary): HTMLElement {
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
      result.replaceChildren(ranView(await busy('running', progress => client.call('run', [options], progress), result)));
    } catch (error) {
      await failed(result, error);
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

function chooseTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset['theme'] ? root.dataset['theme'] === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset['theme'] = isDark ? 'light' : 'dark';
}

async function sayDevice(): Promise<void> {
  const chip = document.getElementById('device')!;
  const usable = await client.call('webgpu', []).catch((error: Error) => error.message);
  chip.textContent = usable === true ? 'WebGPU ready' : 'no WebGPU: TypeScript runs models';
  chip.title = usable === true ? '' : usable;
  chip.classList.add(usable === true ? 'good' : 'bad');
}

document.getElementById('theme')!.addEventListener('click', chooseTheme);
// A file that is dropped beside a zone opens too, and never leaves the page.
document.addEventListener('dragover', e => e.preventDefault());
document.addEventListener('drop', async e => {
  e.preventDefault();
  if (e.dataTransfer) await open(await droppedFiles(e.dataTransfer));
});
start();
void sayDevice();
