// What several views are made of: progress, problems, fields.
import { type Client, Problems, type Progress } from './client.ts';
import { h } from './dom.ts';
import type { Problem } from './protocol.ts';

/** Shows progress in `place` while some work is done, with a button that ends it. */
export async function busy<T>(
  { client, place, what }: { readonly client: Client; readonly place: Element; readonly what: string },
  work: (progress: Progress) => Promise<T>,
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

export function problemsView(error: unknown): HTMLElement {
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

export const warningsView = (warnings: readonly Problem[]): HTMLElement | undefined =>
  warnings.length === 0
    ? undefined
    : h(
        'ul',
        { class: 'warnings' },
        warnings.slice(0, 8).map(w => h('li', {}, `${w.code} ${w.message}`)),
      );

export const select = (name: string, options: readonly (readonly [string, string])[]): HTMLSelectElement =>
  h(
    'select',
    { 'aria-label': name, id: `choose-${name.replaceAll(' ', '-')}` },
    options.map(([value, text]) => h('option', { value }, text)),
  ) as HTMLSelectElement;
export const labelled = (name: string, field: HTMLElement): HTMLElement => h('label', {}, name, field);
