// What a model is: its facts, and its nodes one by one.
import { bytesText, countText, h } from './dom.ts';
import { warningsView } from './parts.ts';
import type { Layer, Summary } from './protocol.ts';

export function overview(s: Summary): HTMLElement {
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
      fact(s.files > 1 ? `${s.files} files` : 'file', bytesText(s.bytes)),
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

export function layersView(layers: readonly Layer[]): HTMLElement {
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
