// A model of layers: its calls in the order in which their inputs are there, each layer with its place among the variables.
import { fail } from '../../errors.ts';
import type { LayerReader } from './layer-reader.ts';
import { type Argument, KerasTensor, tensorsIn } from './layers/row.ts';
import { type Call, type LayerSpec, type ModelSpec, Ref, snakeCase, type Written } from './structure.ts';
import type { Place } from './weights.ts';

/** Something could not be converted, and why was noted. */
export class Lost extends Error {}

interface Step {
  readonly layer: LayerSpec;
  readonly node: number;
  readonly call: Call;
}

const keyOf = (layer: string, node: number): string => `${node}:${layer}`;

export class ModelReader {
  readonly #model: ModelSpec;
  readonly #reader: LayerReader;
  readonly #path: string;
  readonly #places: ReadonlyMap<LayerSpec, Place>;
  /** What calls gave; undefined for those that could not be converted. */
  readonly #made = new Map<string, readonly KerasTensor[] | undefined>();

  constructor(model: ModelSpec, place: Place, reader: LayerReader, path = '') {
    this.#model = model;
    this.#reader = reader;
    this.#path = path;
    this.#places = placesOf(model, place);
  }

  /** The outputs for inputs in Keras's order, or by the names of a dictionary. */
  call(given: Argument | undefined): readonly KerasTensor[] {
    const outputs = this.outputs(this.#matched(given));
    if (outputs.every(o => o !== undefined)) return outputs;
    throw new Lost();
  }

  /** The same for inputs in the order of the model, undefined for what is lost. */
  outputs(inputs: readonly KerasTensor[]): readonly (KerasTensor | undefined)[] {
    if (this.#model.isSequential) return this.#sequence(inputs);
    this.#model.inputs.forEach(({ layer, node }, i) => this.#made.set(keyOf(layer, node), inputs[i] && [inputs[i]]));
    for (const step of orderedSteps(this.#model)) this.#step(step);
    return this.#model.outputs.map(ref => this.#tensor(ref));
  }

  #matched(given: Argument | undefined): readonly KerasTensor[] {
    const { inputs, isSequential, name } = this.#model;
    if (given !== null && typeof given === 'object' && !Array.isArray(given) && !(given instanceof KerasTensor)) {
      const entries = given as Readonly<Record<string, Argument>>;
      const byName = inputs.map(({ layer }) => (Object.hasOwn(entries, layer) ? tensorsIn(entries[layer]) : []));
      if (byName.every(t => t.length === 1)) return byName.flat();
    }
    const tensors = tensorsIn(given);
    const wanted = isSequential ? 1 : inputs.length;
    if (tensors.length !== wanted) throw fail('E1302', `the model ${name} takes ${wanted} inputs, it is given ${tensors.length}`);
    return tensors;
  }

  #sequence(inputs: readonly KerasTensor[]): readonly (KerasTensor | undefined)[] {
    let tensors: readonly KerasTensor[] | undefined = inputs;
    for (const layer of this.#model.layers) {
      if (layer.className === 'InputLayer') continue;
      const before: readonly KerasTensor[] | undefined = tensors;
      tensors = before ? this.#call(layer, { args: [before.length === 1 ? before[0]! : before], kwargs: {} }) : this.#lost(layer);
    }
    return tensors ?? [undefined];
  }

  #step({ layer, node, call }: Step): void {
    const key = keyOf(layer.name, node);
    if (this.#made.has(key)) return;
    const refs = refsIn([...call.args, ...Object.values(call.kwargs)]);
    if (refs.some(ref => !this.#tensor(ref))) this.#made.set(key, this.#lost(layer));
    else {
      const args = call.args.map(arg => this.#resolved(arg));
      const kwargs = Object.fromEntries(Object.entries(call.kwargs).map(([name, arg]) => [name, this.#resolved(arg)]));
      this.#made.set(key, this.#call(layer, { args, kwargs }));
    }
  }

  #call(
    layer: LayerSpec,
    given: { args: readonly Argument[]; kwargs: Readonly<Record<string, Argument>> },
  ): readonly KerasTensor[] | undefined {
    const path = this.#path === '' ? layer.name : `${this.#path}/${layer.name}`;
    const { b } = this.#reader;
    b.meta = { metadata: new Map([['layer', path]]), node: { name: path, op: layer.className } };
    return this.#reader.attempt(layer, () => this.#reader.call(layer, this.#places.get(layer)!, path, given));
  }

  #lost(layer: LayerSpec): undefined {
    this.#reader.requireRow(layer);
    return undefined;
  }

  #tensor(ref: Ref): KerasTensor | undefined {
    const key = keyOf(ref.layer, ref.node);
    const made = this.#made.get(key);
    if (!made && !this.#made.has(key)) throw fail('E1104', `nothing produces call ${ref.node} of ${ref.layer}`);
    if (!made) return undefined;
    const found = made[ref.tensor];
    if (!found) throw fail('E1104', `call ${ref.node} of ${ref.layer} has ${made.length} results, ${ref.tensor} is read`);
    return found;
  }

  #resolved(written: Written): Argument {
    if (written instanceof Ref) return this.#tensor(written)!;
    if (Array.isArray(written)) return (written as readonly Written[]).map(item => this.#resolved(item));
    if (written === null || typeof written !== 'object') return written;
    return Object.fromEntries(Object.entries(written as Record<string, Written>).map(([key, item]) => [key, this.#resolved(item)]));
  }
}

/** All tensors that arguments name. */
function refsIn(written: readonly Written[]): Ref[] {
  return written.flatMap(item => {
    if (item instanceof Ref) return [item];
    if (Array.isArray(item)) return refsIn(item as readonly Written[]);
    return item !== null && typeof item === 'object' ? refsIn(Object.values(item as Record<string, Written>)) : [];
  });
}

/** The calls of a model, inputs first. @throws ModelError E1104 for a call that is not there, E1105 for a circle */
function orderedSteps({ layers, inputs }: ModelSpec): readonly Step[] {
  const steps = new Map<string, Step>();
  for (const layer of layers) for (const [node, call] of layer.calls.entries()) steps.set(keyOf(layer.name, node), { layer, node, call });
  const given = new Set(inputs.map(({ layer, node }) => keyOf(layer, node)));
  const done = new Set<string>();
  const open = new Set<string>();
  const ordered: Step[] = [];
  const needs = (step: Step): string[] =>
    refsIn([...step.call.args, ...Object.values(step.call.kwargs)])
      .map(ref => keyOf(ref.layer, ref.node))
      .filter(key => !given.has(key) && !done.has(key));
  for (const start of steps.keys()) {
    const stack = [start];
    while (stack.length > 0) {
      const key = stack.at(-1)!;
      const step = steps.get(key);
      if (!step) throw fail('E1104', `nothing produces call ${key.replace(':', ' of ')}`);
      const [next] = done.has(key) ? [] : needs(step);
      if (next === undefined) {
        stack.pop();
        open.delete(key);
        if (!done.has(key)) ordered.push(step);
        done.add(key);
      } else if (open.has(next) || next === key) throw fail('E1105', `call ${next.replace(':', ' of ')} needs its own result`);
      else {
        open.add(key);
        stack.push(next);
      }
    }
  }
  return ordered;
}

/** Files of Keras 3 count layers by class, in the order of the model; others go by their names. */
function placesOf({ layers }: ModelSpec, place: Place): ReadonlyMap<LayerSpec, Place> {
  const counts = new Map<string, number>();
  return new Map(
    layers.map(layer => {
      const base = snakeCase(layer.className);
      const isOperation = /^keras(\.src)?\.ops/.test(layer.module ?? '');
      const count = counts.get(base) ?? 0;
      if (!isOperation) counts.set(base, count + 1);
      return [layer, place.part(`layers/${count === 0 ? base : `${base}_${count}`}`, layer.name)];
    }),
  );
}
