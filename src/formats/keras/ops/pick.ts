// Operations that pick elements: by Python's indexing, by places along an axis.
import { isJsonObject, type Json } from '../../../codec/json.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, rankOf } from '../../../ops/shapes.ts';
import { reshapeTo } from '../../../ops/sizing.ts';
import { type Argument, KerasTensor, type LayerCall, type LayerRow, nestedNumbers, plain, unsupported } from '../layers/row.ts';

interface Span {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number | null;
}
type Index = number | null | 'ellipsis' | Span;

function indexOf(item: Argument): Index {
  if (item === null || (typeof item === 'number' && Number.isSafeInteger(item))) return item;
  if (!(item instanceof KerasTensor) && isJsonObject(item as Json)) {
    const { class_name: className, config } = item as { class_name?: Json; config?: Json };
    if (className === '__ellipsis__') return 'ellipsis';
    if (className === '__slice__' && isJsonObject(config)) {
      const bounds = ['start', 'stop', 'step'].map(name => config[name] ?? null);
      if (bounds.every((n): n is number | null => n === null || typeof n === 'number'))
        return { start: bounds[0]!, stop: bounds[1]!, step: bounds[2]! };
    }
  }
  throw unsupported('an index that only the run knows');
}

const end = Number.MAX_SAFE_INTEGER;

/** `x[1:, 0, ..., None]`: numbers take an axis away, null adds one. */
function getItem(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const key = x.argument('key', 1) ?? null;
  const items = (Array.isArray(key) ? (key as readonly Argument[]) : [key]).map(indexOf);
  const taken = items.filter(item => item !== null && item !== 'ellipsis').length;
  const at = { axes: [] as number[], starts: [] as number[], ends: [] as number[], steps: [] as number[] };
  const [gone, added]: [number[], number[]] = [[], []];
  let [axis, place] = [0, 0];
  for (const item of items) {
    if (item === null) added.push(place++);
    else if (item === 'ellipsis') {
      axis += rankOf(v) - taken;
      place += rankOf(v) - taken;
    } else if (typeof item === 'number') {
      at.axes.push(axis);
      at.starts.push(item);
      at.ends.push(item === -1 ? end : item + 1);
      at.steps.push(1);
      gone.push(axis++);
    } else {
      const step = item.step ?? 1;
      at.axes.push(axis++);
      at.starts.push(item.start ?? (step < 0 ? -1 : 0));
      at.ends.push(item.stop ?? (step < 0 ? Number.MIN_SAFE_INTEGER : end));
      at.steps.push(step);
      place++;
    }
  }
  const part = at.axes.length > 0 ? b.Slice(v, at) : v;
  const squeezed = gone.length > 0 ? b.Squeeze(part, gone) : part;
  return added.length > 0 ? b.Unsqueeze(squeezed, added) : squeezed;
}

/** Places along an axis, negative ones from the end; without an axis, of all elements in a row. */
function take(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const given = x.argument('indices', 1);
  const { data, dims } = given instanceof KerasTensor ? { data: undefined, dims: [] } : nestedNumbers(given as Json);
  const indices = data ? b.constant(data, 'int64', dims) : b.Cast((given as KerasTensor).value, 'int64');
  const axis = x.argument('axis', 2) ?? x.config.find('axis');
  return typeof axis === 'number' ? b.Gather(v, indices, axisOf(axis, rankOf(v))) : b.Gather(reshapeTo(b, v, [-1]), indices, 0);
}

export const picking: Readonly<Record<string, LayerRow>> = {
  GetItem: plain(getItem),
  Take: plain(take),
};
