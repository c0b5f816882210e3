// The page: a model is dropped, looked at, converted and run. What takes time is the worker's.
import { Client } from './client.ts';
import { h } from './dom.ts';
import { droppedFiles, dropZone } from './files.ts';
import { graphView } from './graph.ts';
import { layersView, overview } from './model-views.ts';
import { busy, problemsView } from './parts.ts';
import type { Layer } from './protocol.ts';
import { convertView, type OpenModel, runView } from './work-views.ts';

const client = new Client();
const main = document.getElementById('main')!;

const formatsRead = 'ONNX, PyTorch (.pt2, TorchScript), TensorFlow (SavedModel, GraphDef), Keras, TensorFlow Lite, TensorFlow.js';

function start(problems?: HTMLElement): void {
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
  try {
    const summary = await busy({ client, place: main, what: `reading ${chosen[0]!.name}` }, progress =>
      client.call('open', [chosen], progress),
    );
    await showModel({ client, files: chosen, summary });
  } catch (error) {
    start(problemsView(error));
  }
}

type Tab = 'overview' | 'layers' | 'graph' | 'convert' | 'run';

async function showModel(open: OpenModel): Promise<void> {
  const { summary } = open;
  let layers: readonly Layer[] | undefined;
  const panel = h('section', { class: 'card', role: 'tabpanel', id: 'panel', tabindex: 0 });
  const views: Readonly<Record<Tab, () => Promise<HTMLElement> | HTMLElement>> = {
    overview: () => overview(summary),
    layers: async () => layersView((layers ??= await client.call('layers', []))),
    graph: async () => graphView((layers ??= await client.call('layers', []))),
    convert: () => convertView(open),
    run: () => runView(open),
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
