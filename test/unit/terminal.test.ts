// What reaches a terminal: harmless names, colours only where wanted, aligned columns.
import { expect, test } from 'vitest';
import {
  bytesText,
  columns,
  countText,
  escaped,
  numberText,
  painter,
  shown,
  shownMessage,
  wantsColour,
  widthOf,
} from '../../cli/terminal.ts';

test.each([
  ['escape sequences', '\x1b[2J\x1b]0;title\x07', '\\x1b[2J\\x1b]0;title\\x07'],
  ['carriage return and backspace', 'a\rb\bc', 'a\\x0db\\x08c'],
  ['line breaks', 'a\nb\u2028c', 'a\\x0ab\\u2028c'],
  ['C1 controls', '\x9b31m', '\\x9b31m'],
  ['bidirectional overrides', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
  ['invisible characters', 'a\u200bb\ufeffc\u00add\u3164e', 'a\\u200bb\\ufeffc\\xadd\\u3164e'],
  ['lone surrogates', 'a\ud800b', 'a\\ud800b'],
  ['tags', 'a\u{e0041}', 'a\\u{e0041}'],
])('%s are escaped', (_, raw, safe) => {
  expect(escaped(raw)).toBe(safe);
});

test('ordinary text of any script stays', () => {
  for (const name of ['conv/1.weight:0', 'größe', '重み', 'вес', '👍']) expect(shown(name)).toBe(name);
});

test('a name is cut to its columns, also when its characters are wide', () => {
  expect(shown('x'.repeat(1_000_000))).toBe(`${'x'.repeat(79)}…`);
  const wide = shown('重'.repeat(100));
  expect(wide.endsWith('…')).toBe(true);
  expect(widthOf(wide)).toBeLessThanOrEqual(80);
  expect(shown('x'.repeat(80))).toBe('x'.repeat(80));
});

test('a name of a million characters in a message is cut to 200', () => {
  const text = shownMessage(`tensor ${'w'.repeat(1_000_000)}`);
  expect(text.length).toBeLessThan(4100);
  expect(shownMessage(`tensor ${'w'.repeat(1000)} is odd`)).toBe(`tensor ${'w'.repeat(199)}… is odd`);
});

test('colours take no columns', () => {
  expect(widthOf(painter(true)('red', 'FAIL'))).toBe(4);
  expect(painter(false)('red', 'FAIL')).toBe('FAIL');
});

test.each([
  ['a terminal', { isTTY: true, env: {}, allowed: true }, true],
  ['a pipe', { isTTY: false, env: {}, allowed: true }, false],
  ['NO_COLOR', { isTTY: true, env: { NO_COLOR: '1' }, allowed: true }, false],
  ['an empty NO_COLOR', { isTTY: true, env: { NO_COLOR: '' }, allowed: true }, true],
  ['FORCE_COLOR', { isTTY: false, env: { FORCE_COLOR: '1' }, allowed: true }, true],
  ['FORCE_COLOR=0', { isTTY: true, env: { FORCE_COLOR: '0' }, allowed: true }, false],
  ['TERM=dumb', { isTTY: true, env: { TERM: 'dumb' }, allowed: true }, false],
  ['--no-color over FORCE_COLOR', { isTTY: true, env: { FORCE_COLOR: '1' }, allowed: false }, false],
])('colour with %s', (_, facts, colour) => {
  expect(wantsColour(facts)).toBe(colour);
});

test('columns align by what is seen', () => {
  expect(
    columns(
      [
        ['名', '1'],
        ['abc', '10'],
      ],
      { right: [1] },
    ),
  ).toEqual(['名    1', 'abc  10']);
});

test('numbers are short', () => {
  expect([bytesText(0), bytesText(1023), bytesText(1536), bytesText(46_766_489)]).toEqual(['0 B', '1023 B', '1.5 KiB', '44.6 MiB']);
  expect([countText(0), countText(999), countText(11_689_512)]).toEqual(['0', '999', '11.69 M']);
  expect([0, 1.23456789, -3, 1e-9, Number.NaN, -Infinity].map(numberText)).toEqual(['0', '1.235', '-3', '1.00e-9', 'NaN', '-inf']);
});
