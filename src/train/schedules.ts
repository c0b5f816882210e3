// Learning rates over time, as plain functions of how often a schedule was advanced. Names, options and numbers are PyTorch's.
import { fail } from '../errors.ts';
import {
  type Chosen,
  flag,
  type GivenOptions,
  maybe,
  number,
  numbers,
  type OptionTable,
  type OptionValues,
  oneOf,
  parseChoice,
  readOptions,
  rowNamed,
  whole,
} from './options.ts';

/** What a plateau has seen. */
export interface PlateauState {
  /** The best number so far; undefined before the first. */
  readonly best: number | undefined;
  /** How often in a row nothing got better. */
  readonly bad: number;
  /** How often it still waits after a reduction. */
  readonly cooldown: number;
  /** What the rate was multiplied by so far. */
  readonly factor: number;
}

/** All that a schedule remembers; it goes into checkpoints. */
export interface ScheduleState {
  /** How often it was advanced. */
  readonly count: number;
  readonly plateau?: PlateauState | undefined;
}

export interface Schedule {
  readonly name: string;
  /** Whether it is advanced after every step or after every epoch. */
  readonly every: 'step' | 'epoch';
  readonly start: ScheduleState;
  /** The rate of a group whose own rate is `base`. */
  rate(base: number, state: ScheduleState): number;
  /** @param metric what a plateau watches; the loss as a rule */
  advance(state: ScheduleState, metric: number): ScheduleState;
}

/** The rate after `k` advances, of a group whose own is `base`. */
type Rate = (base: number, k: number) => number;

interface Row<T extends OptionTable = OptionTable> {
  readonly options: T;
  rate(at: OptionValues<T>): Rate;
}
// The cast: rows are looked up by names that only the run knows.
const row = <T extends OptionTable>(options: T, rate: (at: OptionValues<T>) => Rate): Row => ({ options, rate }) as unknown as Row;

const between = (from: number, to: number, part: number): number => from + (to - from) * part;
/** Half a wave of the cosine from one number to another. */
const wave = (from: number, to: number, part: number): number => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part));
/** How much of `total` has passed, at most all. */
const passed = (k: number, total: number): number => (total === 0 ? 1 : Math.min(k, total) / total);

/** The place of `k` in rounds of which each is `grows` times as long as the one before, and the length of its round. */
function roundOf(k: number, first: number, grows: number): readonly [number, number] {
  if (grows === 1) return [k % first, first];
  const before = Math.floor(Math.log((k / first) * (grows - 1) + 1) / Math.log(grows) + 1e-12);
  return [k - (first * (grows ** before - 1)) / (grows - 1), first * grows ** before];
}

const rows: Readonly<Record<string, Row>> = {
  constant: row({ factor: number(1, 0), total_iters: whole(0) }, at => (base, k) => (k < at.total_iters ? base * at.factor : base)),
  step: row({ step_size: whole(1, 1), gamma: number(0.1) }, at => (base, k) => base * at.gamma ** Math.floor(k / at.step_size)),
  multi_step: row({ milestones: numbers([]), gamma: number(0.1) }, at => (base, k) => {
    return base * at.gamma ** at.milestones.filter(milestone => milestone <= k).length;
  }),
  exponential: row({ gamma: number(0.1) }, at => (base, k) => base * at.gamma ** k),
  linear: row({ start_factor: number(1 / 3, 0), end_factor: number(1, 0), total_iters: whole(5) }, at => (base, k) => {
    return base * between(at.start_factor, at.end_factor, passed(k, at.total_iters));
  }),
  polynomial: row({ total_iters: whole(5, 1), power: number(1) }, at => (base, k) => base * (1 - passed(k, at.total_iters)) ** at.power),
  cosine: row({ T_max: whole(1, 1), eta_min: number(0) }, at => (base, k) => wave(base, at.eta_min, k / at.T_max)),
  cosine_annealing_warm_restarts: row({ T_0: whole(1, 1), T_mult: whole(1, 1), eta_min: number(0) }, at => (base, k) => {
    const [place, length] = roundOf(k, at.T_0, at.T_mult);
    return wave(base, at.eta_min, place / length);
  }),
  /** From a part of the rate to all of it in so many advances. */
  warmup: row(
    { steps: whole(1, 1), start_factor: number(0, 0) },
    at => (base, k) => base * between(at.start_factor, 1, passed(k, at.steps)),
  ),
  one_cycle: row(
    {
      max_lr: number(0.1, 0),
      total_steps: whole(1, 1),
      pct_start: number(0.3, 0, 1),
      anneal_strategy: oneOf('cos', 'linear'),
      div_factor: number(25, Number.MIN_VALUE),
      final_div_factor: number(1e4, Number.MIN_VALUE),
      three_phase: flag(false),
    },
    at => {
      const [top, low] = [at.max_lr, at.max_lr / at.div_factor];
      const [first, last] = [at.pct_start * at.total_steps - 1, at.total_steps - 1];
      const end = low / at.final_div_factor;
      const points: readonly (readonly [number, number])[] = at.three_phase
        ? [
            [0, low],
            [first, top],
            [2 * at.pct_start * at.total_steps - 2, low],
            [last, end],
          ]
        : [
            [0, low],
            [first, top],
            [last, end],
          ];
      const blend = at.anneal_strategy === 'cos' ? wave : between;
      return (_base, k) => {
        const to = points.findIndex(([at], i) => i > 0 && (k <= at || i === points.length - 1));
        const [[from, left], [until, right]] = [points[to - 1]!, points[to]!];
        return blend(left, right, Math.min(1, (k - from) / (until - from)));
      };
    },
  ),
  cyclic: row(
    {
      base_lr: number(1e-3, 0),
      max_lr: number(1e-2, 0),
      step_size_up: whole(2000, 1),
      step_size_down: maybe(whole(2000, 1)),
      mode: oneOf('triangular', 'triangular2', 'exp_range'),
      gamma: number(1),
    },
    at => {
      const size = at.step_size_up + (at.step_size_down ?? at.step_size_up);
      const peak = at.step_size_up / size;
      const scale = {
        triangular: () => 1,
        triangular2: (cycle: number) => 0.5 ** cycle,
        exp_range: (_: number, k: number) => at.gamma ** k,
      };
      return (_base, k) => {
        const cycle = Math.floor(k / size);
        const place = k / size - cycle;
        const height = place <= peak ? place / peak : (place - 1) / (peak - 1);
        return at.base_lr + (at.max_lr - at.base_lr) * height * scale[at.mode](cycle, k);
      };
    },
  ),
  /** The rates themselves, one for each advance; the last goes on. */
  table: row({ rates: numbers([]) }, at => (base, k) => at.rates[Math.min(k, at.rates.length - 1)] ?? base),
  /** Factors on the rate, one for each advance; the last goes on. */
  factors: row({ factors: numbers([]) }, at => (base, k) => base * (at.factors[Math.min(k, at.factors.length - 1)] ?? 1)),
};

const plateauOptions = {
  mode: oneOf('min', 'max'),
  factor: number(0.1, 0, 1),
  patience: whole(10),
  threshold: number(1e-4),
  threshold_mode: oneOf('rel', 'abs'),
  cooldown: whole(0),
  min_lr: number(0, 0),
  eps: number(1e-8, 0),
};
type PlateauOptions = OptionValues<typeof plateauOptions>;

/** Whether a metric is better than the best so far by more than the threshold. */
function isBetter(now: number, best: number, { mode, threshold, threshold_mode }: PlateauOptions): boolean {
  const sign = mode === 'min' ? -1 : 1;
  const margin = threshold_mode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold;
  return mode === 'min' ? now < margin : now > margin;
}

/** Multiplies the rate by a factor whenever a metric did not get better for longer than `patience` advances. */
function plateau(at: PlateauOptions): Omit<Schedule, 'every' | 'name'> {
  const start: PlateauState = { best: undefined, bad: 0, cooldown: 0, factor: 1 };
  const stateOf = ({ plateau: seen = start }: ScheduleState): PlateauState => seen;
  return {
    start: { count: 0, plateau: start },
    // A reduction by less than `eps` is none.
    rate: (base, state) => {
      let rate = base;
      for (let f = at.factor; f >= stateOf(state).factor && f > 0 && at.factor < 1; f *= at.factor) {
        const next = Math.max(rate * at.factor, at.min_lr);
        if (rate - next > at.eps) rate = next;
      }
      return rate;
    },
    advance(state, metric) {
      const { best, bad, cooldown, factor } = stateOf(state);
      const better = best === undefined || isBetter(metric, best, at);
      const count = cooldown > 0 ? 0 : better ? 0 : bad + 1;
      const isOver = count > at.patience;
      const seen: PlateauState = {
        best: better ? metric : best,
        bad: isOver ? 0 : count,
        cooldown: isOver ? at.cooldown : Math.max(0, cooldown - 1),
        factor: isOver ? factor * at.factor : factor,
      };
      return { count: state.count + 1, plateau: seen };
    },
  };
}

/** Schedules one after the other, each counting from its own beginning, and products of schedules. */
const compositions: Readonly<Record<string, (given: GivenOptions) => Rate>> = {
  sequential(given) {
    const parts = partsOf('sequential', given, ['milestones']);
    const milestones = readOptions('the schedule sequential', { milestones: numbers([]) }, { milestones: given['milestones'] }).milestones;
    if (milestones.length !== parts.length - 1)
      throw fail(
        'E4001',
        `the schedule sequential: ${parts.length} schedules have ${parts.length - 1} milestones, found ${milestones.length}`,
      );
    return (base, k) => {
      const i = milestones.filter(milestone => milestone <= k).length;
      return parts[i]!(base, k - (i === 0 ? 0 : milestones[i - 1]!));
    };
  },
  chained(given) {
    const parts = partsOf('chained', given, []);
    return (base, k) => parts.reduce((rate, part) => part(rate, k), base);
  },
};

function partsOf(name: string, given: GivenOptions, others: readonly string[]): readonly Rate[] {
  const odd = Object.keys(given).find(key => key !== 'schedules' && !others.includes(key));
  if (odd !== undefined) throw fail('E4001', `the schedule ${name} has no option ${odd}`);
  const parts = given['schedules'];
  if (!Array.isArray(parts) || parts.length === 0) throw fail('E4001', `the schedule ${name} needs a list of schedules`);
  return parts.map(part => rateNamed(part as Chosen));
}

/** The order of options in text without names. */
const orderOf = (name: string): readonly string[] => {
  const all: Readonly<Record<string, { readonly options: OptionTable }>> = { ...rows, plateau: { options: plateauOptions } };
  return Object.keys(rowNamed('schedule', all, name)[1].options);
};

function rateNamed(chosen: Chosen): Rate {
  const { name, options } = parseChoice(chosen, orderOf);
  return rateOf(name, options ?? {});
}

function rateOf(given: string, options: GivenOptions): Rate {
  const composed = Object.keys(compositions).find(key => key === given.toLowerCase());
  if (composed) return compositions[composed]!(options);
  const [name, { options: table, rate }] = rowNamed('schedule', rows, given);
  return rate(readOptions(`the schedule ${name}`, table, options));
}

/** The names of all schedules. */
export const scheduleNames: readonly string[] = [...Object.keys(rows), 'plateau', ...Object.keys(compositions)];

/** A schedule as users say it; a function gives the factor on the rate after so many advances. */
export type ChosenSchedule = Chosen | ((k: number) => number);

const isPlateau = (name: string): boolean => /^(reduce_?lr_?on_?)?plateau$/i.test(name);

/** @throws ModelError E4001 for a name or an option that does not exist */
export function scheduleNamed(chosen: ChosenSchedule): Schedule {
  if (typeof chosen === 'function') return plain('function', 'epoch', (base, k) => base * chosen(k));
  const { name, options = {} } = parseChoice(chosen, text => (isPlateau(text) ? Object.keys(plateauOptions) : orderOf(text)));
  const { every: given, ...rest } = options;
  const { every } = readOptions(`the schedule ${name}`, { every: oneOf<'step' | 'epoch'>('epoch', 'step') }, { every: given });
  if (isPlateau(name)) return { name: 'plateau', every, ...plateau(readOptions('the schedule plateau', plateauOptions, rest)) };
  return plain(name, every, rateOf(name, rest));
}

const plain = (name: string, every: 'step' | 'epoch', rate: Rate): Schedule => ({
  name,
  every,
  start: { count: 0 },
  rate: (base, { count }) => rate(base, count),
  advance: ({ count }) => ({ count: count + 1 }),
});

/** The rate stays what it is. */
export const constantRate: Schedule = plain('constant', 'epoch', base => base);
