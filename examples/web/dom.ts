// Elements from data. Texts only ever become text nodes, so that no name of a model is markup.
type Child = Node | string | number | undefined | false;

export interface Attributes {
  readonly [name: string]: string | number | boolean | ((event: never) => void) | undefined;
}

export function h(name: string, attributes: Attributes = {}, ...children: readonly (Child | readonly Child[])[]): HTMLElement {
  const element = document.createElement(name);
  assign(element, attributes);
  element.append(...textsOf(children));
  return element;
}

const svgSpace = 'http://www.w3.org/2000/svg';
export function svg(name: string, attributes: Attributes = {}, ...children: readonly (Child | readonly Child[])[]): SVGElement {
  const element = document.createElementNS(svgSpace, name);
  assign(element, attributes);
  element.append(...textsOf(children));
  return element;
}

const textsOf = (children: readonly (Child | readonly Child[])[]): (Node | string)[] =>
  children
    .flat()
    .flatMap(child =>
      child === undefined || child === false ? [] : typeof child === 'number' ? [String(child)] : [child as Node | string],
    );

function assign(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? bytes : (bytes / 1024 ** step).toFixed(1)} ${units[step]}`;
}

export const countText = (n: number): string => n.toLocaleString('en-US');
export const timeText = (ms: number): string => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`);
export const numberText = (x: number): string => (Number.isNaN(x) ? 'NaN' : Number.isInteger(x) ? String(x) : x.toPrecision(5));

/** A link that saves a blob; its address is of this page alone. */
export function download(name: string, blob: Blob): HTMLElement {
  return h(
    'a',
    { class: 'button', href: URL.createObjectURL(blob), download: name },
    `Download ${name}`,
    h('span', { class: 'quiet' }, ` ${bytesText(blob.size)}`),
  );
}
