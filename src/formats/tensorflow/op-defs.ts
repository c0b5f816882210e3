// Signatures of operators: the table of TensorFlow's own, and functions of a file, which are called like operators.
import { opLines } from './ops.gen.ts';

/** An argument: one tensor, `count` of them, or one of each type that the attribute `list` holds. */
export interface ArgDef {
  readonly name: string;
  /** The attribute that holds the type, or the type's number. */
  readonly type?: string | number;
  readonly count?: string;
  readonly list?: string;
}

/** A default as JSON: types are numbers, shapes lists of sizes or null for an unknown rank. */
export type Json = null | boolean | number | string | readonly Json[];

export interface AttrDef {
  readonly name: string;
  readonly type: string;
  readonly default?: Json | undefined;
}

export interface OpDef {
  readonly name: string;
  readonly inputs: readonly ArgDef[];
  readonly outputs: readonly ArgDef[];
  readonly attributes: ReadonlyMap<string, AttrDef>;
}

/** Operators that the converter of TensorFlow.js makes of others, in the form of the table. */
const converterLines = `
FusedDepthwiseConv2dNative | input:T filter:T args:num_args*T | output:T | T:type num_args:int strides:list(int) padding:string explicit_paddings:list(int)=[] data_format:string="NHWC" dilations:list(int)=[1,1,1,1] fused_ops:list(string)=[] epsilon:float=9.99999975e-05 leakyrelu_alpha:float=0.200000003
Prelu | x:T alpha:T | y:T | T:type
`;

const lines = new Map(
  `${opLines.trim()}${converterLines}`
    .trim()
    .split('\n')
    .map(line => [line.slice(0, line.indexOf(' ')), line]),
);
const parsed = new Map<string, OpDef>();

/** The signature of an operator; undefined for one that is not in the table. */
export function opDef(name: string): OpDef | undefined {
  const line = lines.get(name);
  if (line === undefined) return undefined;
  const before = parsed.get(name);
  if (before) return before;
  const made = parseLine(line);
  parsed.set(name, made);
  return made;
}

export const opNames = (): readonly string[] => [...lines.keys()];

function parseLine(line: string): OpDef {
  const [name = '', inputs = '', outputs = '', attributes = ''] = line.split('|').map(part => part.trim());
  const words = (text: string): string[] => text.split(' ').filter(word => word !== '');
  return {
    name,
    inputs: words(inputs).map(parseArg),
    outputs: words(outputs).map(parseArg),
    attributes: new Map(
      words(attributes)
        .map(parseAttr)
        .map(a => [a.name, a]),
    ),
  };
}

function parseArg(word: string): ArgDef {
  const [, name = '', list, count, one = ''] = /^(\w+):(?:\[(\w+)\]|(?:(\w+)\*)?(\w+))$/.exec(word) ?? [];
  if (list !== undefined) return { name, list };
  const type = /^\d+$/.test(one) ? Number(one) : one;
  return count === undefined ? { name, type } : { name, type, count };
}

function parseAttr(word: string): AttrDef {
  const [, name = '', type = '', value] = /^([^:]+):([^=]+)(?:=(.*))?$/.exec(word) ?? [];
  return { name, type, default: value === undefined ? undefined : (JSON.parse(value) as Json) };
}
