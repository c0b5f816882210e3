// Pickles: what values they hold, and what hostile ones get. Pickle bytes are written by hand from the opcodes of pickletools.
import { describe, expect, test } from 'vitest';
import { Call, Global, Persistent, readPickle, Tuple } from '../../src/codec/pickle.ts';
import { ModelError } from '../../src/errors.ts';

/** Bytes of text and numbers: text is ASCII. */
const bytes = (...parts: readonly (string | number)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap(part => (typeof part === 'string' ? [...part].map(c => c.charCodeAt(0)) : [part])));
const value = (...parts: readonly (string | number)[]) => readPickle(bytes(...parts)).value;

function errorOf(...parts: readonly (string | number)[]): { code: string; message: string } {
  try {
    readPickle(bytes(...parts));
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error('it was read');
}

describe('values', () => {
  test.each<[string, unknown, (string | number)[]]>([
    ['None', null, ['N.']],
    ['True by protocol 0', true, ['I01\n.']],
    ['False by protocol 2', false, [0x89, '.']],
    ['an integer as text', -12, ['I-12\n.']],
    ['a long as text', 12, ['L12L\n.']],
    ['a byte', 255, ['K', 255, '.']],
    ['two bytes', 513, ['M', 1, 2, '.']],
    ['four signed bytes', -2, ['J', 254, 255, 255, 255, '.']],
    ['a long in bytes', -129, [0x8a, 2, 0x7f, 0xff, '.']],
    ['a long beyond 2^53', 2n ** 63n, [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, '.']],
    ['a float', 1.5, ['G', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, '.']],
    ['text', 'ab', ['X', 2, 0, 0, 0, 'ab.']],
    ['short text', 'ab', [0x8c, 2, 'ab.']],
    ['quoted text', "it's", ["S'it\\'s'\n."]],
    ['a list', [1, 2], ['](K', 1, 'K', 2, 'e.']],
    ['a list appended one by one', [1], [']K', 1, 'a.']],
    ['a dict', new Map([['a', 1]]), ['}X', 1, 0, 0, 0, 'aK', 1, 's.']],
    ['a dict from a mark', new Map([[1, 2]]), ['(K', 1, 'K', 2, 'd.']],
    ['a set', new Set([1]), [0x8f, '(K', 1, 0x90, '.']],
    ['bytes', new Uint8Array([7]), ['C', 1, 7, '.']],
    ['a key that objects treat specially', new Map([['__proto__', 1]]), ['}X', 9, 0, 0, 0, '__proto__K', 1, 's.']],
    ['what is put aside and fetched', [1, 1], ['](K', 1, 'q', 0, 'h', 0, 'e.']],
  ])('%s', (_, expected, parts) => expect(value(...parts)).toEqual(expected));

  test('a tuple', () => expect(value('K', 1, 'K', 2, 0x86, '.')).toEqual(new Tuple([1, 2])));
  test('a reference to a storage', () => expect(value('K', 7, 'Q.')).toEqual(new Persistent(7)));
  test('a list that holds itself', () => {
    const list = value(']q', 0, 'h', 0, 'a.') as unknown[];
    expect(list[0]).toBe(list);
  });
  test('a doubling list takes a line for each level, not for each leaf', () => {
    const levels = Array.from({ length: 60 }, () => ['](h', 0, 'h', 0, 'eq', 0] as const).flat();
    expect(value(']q', 0, ...levels, '.')).toHaveLength(2);
  });
});

describe('what a pickle would call', () => {
  test('is left as data', () => {
    const call = value('cposix\nsystem\nX', 2, 0, 0, 0, 'rm', 0x85, 'R.');
    expect(call).toBeInstanceOf(Call);
    expect((call as Call).callee).toEqual(new Global('posix.system', 0));
    expect((call as Call).args).toEqual(['rm']);
  });
  test('is found under a name made of parts', () => {
    expect(value(0x8c, 5, 'posix', 0x94, 0x8c, 6, 'system', 0x93, '.')).toEqual(new Global('posix.system', 16));
  });
  test.each<[string, string, (string | number)[]]>([
    ['INST', 'INST', ['(iposix\nsystem\n.']],
    ['OBJ', 'OBJ', ['(cposix\nsystem\no.']],
    ['an extension', 'extension registry', [0x82, 1, '.']],
    ['NEWOBJ_EX', 'NEWOBJ_EX', [0x92, '.']],
    ['a protocol of the future', 'protocol 9', [0x80, 9, 'N.']],
  ])('%s is not read', (_, what, parts) => {
    expect(errorOf(...parts)).toEqual({ code: 'E2002', message: expect.stringContaining(what) });
  });
});

describe('broken pickles', () => {
  test.each<[string, string, (string | number)[]]>([
    ['nothing', 'E1005', []],
    ['no end', 'E1005', ['N']],
    ['a line without end', 'E1005', ['I12']],
    ['text of 2^63 bytes', 'E1005', [0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80, 'ab.']],
    ['a long of 2 GB', 'E1005', [0x8b, 0xff, 0xff, 0xff, 0x7f, '.']],
    ['an opcode that does not exist', 'E1006', ['?']],
    ['an empty stack', 'E1006', ['.']],
    ['a mark as a value', 'E1006', ['(.']],
    ['no mark', 'E1006', ['e.']],
    ['a memo entry that is not there', 'E1006', ['j', 0xff, 0xff, 0xff, 0x7f, '.']],
    ['items for what is no list', 'E1006', ['K', 1, 'K', 2, 'a.']],
    ['entries for what is no dict', 'E1006', [']K', 1, 'K', 2, 's.']],
    ['a dict of an odd number', 'E1006', ['(K', 1, 'd.']],
    ['a call of what is no name', 'E1006', ['K', 1, ')R.']],
    ['arguments that are no tuple', 'E1006', ['cos\nsystem\n]R.']],
    ['a state for what is no instance', 'E1006', ['K', 1, 'K', 2, 'b.']],
    ['an integer that is none', 'E1006', ['Ix\n.']],
  ])('%s', (_, code, parts) => expect(errorOf(...parts).code).toBe(code));

  test('every prefix of a pickle is an error', () => {
    const whole = bytes(0x80, 2, '}X', 1, 0, 0, 0, 'aK', 1, 's.');
    for (let n = 0; n < whole.length; n++) expect(() => readPickle(whole.subarray(0, n))).toThrow(ModelError);
  });
});
