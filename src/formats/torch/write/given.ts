// The arguments of a call beside what the schema of its operator says of them.
import { fail } from '../../../errors.ts';
import { type AtenDefault, atenSchema } from '../schema.ts';
import type { Arg, Call } from './program.ts';

/** One argument that a call is given. */
export interface Given {
  /** Empty where the operator does not name it. */
  readonly name: string;
  /** As the schemas write it. */
  readonly type: string;
  readonly arg: Arg;
  readonly isKeyword: boolean;
  /** What it is where it is left out; undefined where it may not be. */
  readonly default: AtenDefault | undefined;
}

/** Whether a target is an operator of ATen; others are functions of Python on numbers, or run graphs. */
export const isAten = (target: string): boolean => target.startsWith('aten.');
/** Whether a target runs graphs. */
export const isHigherOrder = (target: string): boolean => target.startsWith('higher_order.');

export function givenTo({ target, args, kwargs }: Call): Given[] {
  const schema = isAten(target) ? atenSchema(target.slice('aten.'.length)) : undefined;
  if (isAten(target) && !schema) throw fail('E9001', `there is no ${target}`);
  const other = isHigherOrder(target) ? { names: ['', '', '', ''], type: 'Tensor[]' } : { names: ['a', 'b'], type: 'SymInt' };
  const positional = args.map((arg, i): Given => {
    const param = schema?.args[i];
    return {
      name: param?.name ?? other.names[i]!,
      type: param?.type ?? other.type,
      arg,
      isKeyword: false,
      default: param?.default,
    };
  });
  const named = Object.entries(kwargs).map(([name, arg]): Given => {
    const param = schema?.args.find(a => a.name === name);
    if (!param) throw fail('E9001', `${target} has no argument ${name}`);
    return { name, type: param.type, arg, isKeyword: true, default: param.default };
  });
  return [...positional, ...named];
}
