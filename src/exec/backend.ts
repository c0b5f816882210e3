// What a device must do. A backend sees kernels, element types, sizes and buffers; it never hears of a node or an operator.
import type { Tensor } from '../ir/tensor.ts';
import type { BoundPlan, BoundStep } from './bind.ts';
import type { Sizes } from './numbers.ts';
import type { Plan } from './plan.ts';
import type { RowGroup } from './rows.ts';

/** How far a plan is: the step that is about to run, and how many there are. */
export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** The operator and name of the node that the step came from. */
  readonly label: string;
}

/** What goes with a run. */
export interface Watch {
  /** Throws where the run must end. A backend that computes on this thread asks it before each step. */
  proceed?(step?: Progress): void;
  /** Aborted where the run must end. A backend that computes elsewhere stops then, and `proceed` says why. */
  readonly stop?: AbortSignal | undefined;
  /** Takes what each step took, in milliseconds, in the order of the plan. */
  record?(step: BoundStep, milliseconds: number): void;
}

/** Where outputs of a run go, by their positions. */
export interface Places {
  /** Outputs that may stay where the backend made them; such a tensor is not resident, and `resident` fetches it. */
  readonly kept?: ReadonlySet<number>;
  /** Tensors of their types and sizes that outputs may be written to; what the backend returns is that tensor where it did so. */
  readonly into?: ReadonlyMap<number, Tensor>;
}

/** A plan whose sizes are bound and whose memory is laid out. */
export interface Bound {
  readonly plan: BoundPlan;
  /** Inputs and outputs in the order of the plan's ports. */
  run(inputs: readonly Tensor[], watch?: Watch, places?: Places): Promise<readonly Tensor[]>;
  /** Free the memory of these sizes once the runs that were started are done. */
  dispose(): Promise<void>;
}

/** A plan that is compiled for a device. */
export interface Executable {
  /** Lay out memory for these sizes; compiles nothing. */
  bind(sizes: Sizes): Promise<Bound>;
  /** Free everything, bound sizes too. */
  dispose(): Promise<void>;
}

export interface Backend {
  readonly name: string;
  /** True, or why it cannot be used here. */
  available(): Promise<true | string>;
  /** What it computes on and how, for people. */
  describe?(): Promise<string>;
  /** The same plan with steps that only this backend has in the place of some; before maps are joined. */
  claim?(plan: Plan): Promise<Plan>;
  /** @throws ModelError E3008 naming every kernel kind and element type it lacks */
  compile(plan: Plan): Promise<Executable>;
  /** Whether inputs and outputs may lie in memory with room for more, as those of a cache that grows: ports whose views have gaps. */
  readonly takesRoom?: true;
  /** Whether the backend takes this tensor as an input as it is, though it is not resident. */
  holds?(tensor: Tensor): boolean;
  /** The plan as it runs it, its steps in order, and why the host runs those that it does not. */
  placement?(plan: Plan): Promise<{
    readonly plan: Plan;
    readonly reasons: readonly (string | undefined)[];
    /** Steps that run together, some rows at a time. */
    readonly groups?: readonly RowGroup[];
  }>;
}
