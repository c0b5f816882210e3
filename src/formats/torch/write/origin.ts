// Where in the source model a call comes from, as far as the model says it.
import { type Call, moduleAttributes } from './program.ts';
import { isAttribute } from './python.ts';

/** Deepest nesting of modules in modules. */
const deepest = 32;

/** The module that a call comes from, by the names of attributes; none where one of them is no such name. */
export function modulePath({ meta }: Pick<Call, 'meta'>): readonly string[] {
  const parts = meta.metadata?.get('module')?.split('.') ?? [];
  const isFine = parts.length <= deepest && parts.every(p => /^\d+$/.test(p) || (isAttribute(p) && !moduleAttributes.has(p)));
  return isFine ? parts : [];
}

/** Metadata of a node of an exported program. */
export function metadataOf(call: Call): Readonly<Record<string, string>> {
  const path = modulePath(call);
  const modules = path.map((_, i) => path.slice(0, i + 1).join('.'));
  return {
    ...(modules.length > 0 && { nn_module_stack: ['', ...modules].map(stackEntry).join(';') }),
    ...(call.node !== '' && { stack_trace: `node ${call.node}` }),
  };
}

/** `key,path,type` of a module around a call. */
const stackEntry = (path: string): string => `L__self__${path === '' ? '' : `_${path.replaceAll('.', '_')}`},${path},torch.nn.Module`;
