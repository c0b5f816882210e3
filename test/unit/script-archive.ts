// Archives of torch.jit.save, made without PyTorch: code, and the objects it works on.
import { Call, Global, Persistent, type PickleValue, Tuple } from '../../src/codec/pickle.ts';
import { writePickle } from '../../src/codec/pickle-write.ts';
import { writeZip } from '../../src/codec/zip-write.ts';

const storageClasses = { float32: 'torch.FloatStorage', int64: 'torch.LongStorage' } as const;

/** A tensor over a storage of its own. */
export interface ScriptTensor {
  readonly type: keyof typeof storageClasses;
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

/** An object with attributes, which are of the class of the code. */
export interface ScriptObject {
  readonly className: string;
  readonly attributes: Readonly<Record<string, ScriptValue>>;
}
export type ScriptValue = ScriptTensor | ScriptObject | null | boolean | number | string | readonly ScriptValue[];

export interface ScriptParts {
  /** Source files by path below `code/`. */
  readonly code: Readonly<Record<string, string>>;
  readonly root: ScriptObject;
  readonly constants?: readonly ScriptTensor[];
  readonly traced?: readonly ScriptTensor[];
  /** Further entries, or other contents of those above. */
  readonly entries?: Readonly<Record<string, Uint8Array | string>>;
}

/** A program of one class `M` with these lines as its method `forward`. */
export const oneClass = (
  signature: string,
  lines: readonly string[],
  attributes: ScriptObject['attributes'] = {},
  members: readonly string[] = [],
): ScriptParts => ({
  code: {
    '__torch__.py': [
      'class M(Module):',
      '  __parameters__ = []',
      '  __buffers__ = []',
      ...members.map(line => `  ${line}`),
      `  def forward(self: __torch__.M${signature}:`,
      ...lines.map(line => `    ${line}`),
      '',
    ].join('\n'),
  },
  root: { className: '__torch__.M', attributes },
});

/** The bytes of an archive. */
export async function scriptArchive({ code, root, constants = [], traced, entries = {} }: ScriptParts): Promise<Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const pickled = (name: string, make: (tensor: (t: ScriptTensor) => Call) => PickleValue): void => {
    let count = 0;
    const value = make(t => {
      const key = String(count++);
      files.set(
        `m/${name}/${key}`,
        t.type === 'float32' ? bytesOf(Float32Array.from(t.data)) : bytesOf(BigInt64Array.from(t.data, BigInt)),
      );
      return tensor(t, key);
    });
    files.set(`m/${name}.pkl`, writePickle(value));
  };
  pickled('data', make => pickle(root, make));
  pickled('constants', make => new Tuple(constants.map(make)));
  if (traced) pickled('traced_inputs', make => new Map<PickleValue, PickleValue>([['forward', traced.map(make)]]));
  for (const [path, source] of Object.entries(code)) files.set(`m/code/${path}`, text(source));
  files.set('m/version', text('3\n'));
  for (const [name, content] of Object.entries(entries)) files.set(`m/${name}`, typeof content === 'string' ? text(content) : content);
  const parts: Uint8Array[] = [];
  for await (const part of writeZip([...files].map(([name, data]) => ({ name, data })))) parts.push(part.slice());
  return Buffer.concat(parts);
}

const bytesOf = (array: Float32Array | BigInt64Array): Uint8Array => new Uint8Array(array.buffer);

function tensor({ type, dims, data }: ScriptTensor, key: string): Call {
  const strides = dims.map((_, i) => dims.slice(i + 1).reduce((n, d) => n * d, 1));
  const storage = new Persistent(new Tuple(['storage', new Global(storageClasses[type], 0), key, 'cpu', data.length]));
  const hooks = new Call(new Global('collections.OrderedDict', 0), []);
  return new Call(new Global('torch._utils._rebuild_tensor_v2', 0), [storage, 0, new Tuple([...dims]), new Tuple(strides), false, hooks]);
}

function pickle(value: ScriptValue, make: (tensor: ScriptTensor) => Call): PickleValue {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return (value as readonly ScriptValue[]).map(item => pickle(item, make));
  if ('className' in value) {
    const made = new Call(new Global(value.className, 0), [], true);
    made.state = new Map(Object.entries(value.attributes).map(([name, item]) => [name, pickle(item, make)]));
    return made;
  }
  return make(value as ScriptTensor);
}
