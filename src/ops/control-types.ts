// Output types of the operators whose graphs decide them.
import { unknownDim } from '../ir/dims.ts';
import { bodyOf, merged, outside, sequence, stacked, typeOfOutput } from './nested-types.ts';
import type { InferTable } from './row.ts';
import { axisOf } from './shapes.ts';

export const controlTypes = {
  If(_x, { then_branch, else_branch }) {
    const [a, b] = [bodyOf(then_branch).outputs, bodyOf(else_branch).outputs];
    return a.map((o, i) => b[i] && merged(typeOfOutput(o), typeOfOutput(b[i])));
  },
  Loop({ v_initial = [] }, { body: given }) {
    const body = bodyOf(given);
    return body.outputs.slice(1).map((o, i) => {
      const type = typeOfOutput(o);
      return i < v_initial.length ? merged(v_initial[i]!.type, type) : stacked(body, type, 0, unknownDim());
    });
  },
  Scan({ initial_state_and_scan_inputs: inputs }, { body: given, num_scan_inputs, scan_input_axes, scan_output_axes }) {
    const body = bodyOf(given);
    const states = inputs.length - num_scan_inputs;
    const first = inputs[states];
    const shape = first?.shape;
    const steps = shape?.[axisOf(scan_input_axes?.[0] ?? 0, shape.length)] ?? unknownDim();
    return body.outputs.map((o, i) =>
      i < states ? merged(inputs[i]!.type, typeOfOutput(o)) : stacked(body, typeOfOutput(o), scan_output_axes?.[i - states] ?? 0, steps),
    );
  },
  SequenceMap: (_x, { body: given }) => {
    const body = bodyOf(given);
    return body.outputs.map(o => sequence(outside(body, typeOfOutput(o))));
  },
} satisfies InferTable;
