// Pointwise ATen overloads, from a file a topic.
import { activation } from './activation.ts';
import { arithmetic } from './arithmetic.ts';
import { bitwise } from './bitwise.ts';
import { compare } from './compare.ts';
import type { AtenRows } from './row.ts';
import { special } from './special.ts';
import { unary } from './unary.ts';

export const pointwise: AtenRows = { ...unary, ...arithmetic, ...compare, ...bitwise, ...activation, ...special };
