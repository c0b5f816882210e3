// The types that hold in every round of a loop: those of the first, widened by what a round makes of them until that changes nothing.

import { ModelError } from '../errors.ts';
import { agreed, sameType } from '../ir/agree.ts';
import { isUnknownDim, sameDim, unknownDim } from '../ir/dims.ts';
import type { Graph } from '../ir/graph.ts';
import { tensorType, type ValueType } from '../ir/types.ts';
import { type BodyInputs, bodyInputsOf } from '../ops/control-types.ts';
import { merged } from '../ops/nested-types.ts';
import type { Nest } from '../passes/rebuild.ts';

/** Rounds in which the states of a loop may lose sizes, before they lose their rank. */
const maxRounds = 3;

type Types = readonly (ValueType | undefined)[];

/** The copy of a body that `copy` makes for types of its inputs which its results keep. */
export function settled(given: BodyInputs, copy: (types: Types) => Graph): Graph {
  const types = [...given.types];
  for (let round = 0; ; round++) {
    const body = copy(types);
    const next = given.states.map((_, i) => {
      const now = types[given.firstState + i];
      const out = body.outputs[given.firstNext + i]?.value.type;
      return round < maxRounds ? widened(now, out) : withoutShape(now);
    });
    if (round > maxRounds || next.every((type, i) => sameType(type, types[given.firstState + i]))) return body;
    next.forEach((type, i) => {
      types[given.firstState + i] = type;
    });
  }
}

/** Copies bodies with the types that they get; as they are where they do not take those. */
export const typedBodies: Nest = (node, inputs, inner, copy) => {
  const given = bodyInputsOf(node, inputs);
  if (!given || given.types.length !== inner.inputs.length) return copy();
  const bind = (types: Types) =>
    new Map(
      inner.inputs.flatMap((v, i) => {
        const type = agreed(types[i], v.type);
        return type && type !== 'contradiction' ? [[v, type] as const] : [];
      }),
    );
  try {
    return settled(given, types => copy(bind(types)));
  } catch (error) {
    if (error instanceof ModelError) return copy();
    throw error;
  }
};

function widened(now: ValueType | undefined, next: ValueType | undefined): ValueType | undefined {
  if (now?.kind !== 'tensor' || next?.kind !== 'tensor' || now.element !== next.element) return merged(now, next);
  if (!now.shape || now.shape.length !== next.shape?.length) return tensorType(now.element);
  return tensorType(
    now.element,
    now.shape.map((d, i) => (isUnknownDim(d) || sameDim(d, next.shape![i]!) ? d : unknownDim())),
  );
}

const withoutShape = (type: ValueType | undefined): ValueType | undefined => (type?.kind === 'tensor' ? tensorType(type.element) : type);
