// SARIF logs against what its schema asks of the objects that we write, and what of them a viewer would follow.
import { expect, test } from 'vitest';
import { sarif, uriOf } from '../../cli/sarif.ts';
import { codes, type Finding } from '../../src/errors.ts';

type Check = (value: unknown, path: string) => void;
const is =
  (type: string, holds: (value: never) => boolean = () => true): Check =>
  (value, path) => {
    if (typeof value !== type || !holds(value as never)) throw new Error(`${path} is ${JSON.stringify(value)}, expected ${type}`);
  };
const text = is('string');
const from = (least: number): Check => is('number', (n: number) => Number.isInteger(n) && n >= least);
const list =
  (item: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) throw new Error(`${path} is no array`);
    value.forEach((v, i) => {
      item(v, `${path}[${i}]`);
    });
    if (new Set(value.map(v => JSON.stringify(v))).size < value.length) throw new Error(`${path} has an item twice`);
  };
/** Properties with their checks; a name with `!` is required, and no others are allowed. */
const object =
  (properties: Record<string, Check>): Check =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${path} is no object`);
    for (const name of Object.keys(properties))
      if (name.endsWith('!') && !(name.slice(0, -1) in value)) throw new Error(`${path} lacks ${name}`);
    for (const [name, v] of Object.entries(value)) {
      const check = properties[`${name}!`] ?? properties[name];
      if (!check) throw new Error(`${path} has ${name}, which the schema does not`);
      check(v, `${path}.${name}`);
    }
  };
const message = object({ 'text!': text });
// A URI reference of RFC 3986 has these characters only.
const uri = is('string', (s: string) => /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-F]{2})*$/.test(s));
const level = is('string', (s: string) => ['none', 'note', 'warning', 'error'].includes(s));
const any: Check = () => {};
const rule = object({
  'id!': text,
  name: text,
  shortDescription: message,
  help: message,
  defaultConfiguration: object({ level }),
});
const location = object({
  physicalLocation: object({
    artifactLocation: object({ uri, index: from(0) }),
    region: object({ byteOffset: from(0), byteLength: from(0) }),
  }),
  logicalLocations: list(object({ fullyQualifiedName: text })),
});
const log = object({
  $schema: uri,
  'version!': is('string', (s: string) => s === '2.1.0'),
  'runs!': list(
    object({
      'tool!': object({ 'driver!': object({ 'name!': text, version: text, semanticVersion: text, rules: list(rule) }) }),
      invocations: list(object({ 'executionSuccessful!': is('boolean'), exitCode: from(0) })),
      artifacts: list(object({ location: object({ uri }), length: from(0), roles: list(text) })),
      results: list(
        object({
          ruleId: text,
          ruleIndex: from(0),
          level,
          'message!': message,
          locations: list(location),
          properties: object({ node: any, tensor: any, limit: any }),
        }),
      ),
    }),
  ),
});

const findings: Finding[] = [
  {
    code: 'E1203',
    severity: 'error',
    message: 'has 20 bytes',
    file: 'a b/m#1.onnx',
    offset: 90,
    length: 20,
    path: 'graph.initializer[0]',
    tensor: 'w',
  },
  {
    code: 'E1104',
    severity: 'warning',
    message: 'reads "n"',
    file: 'a b/m#1.onnx',
    hint: 'nearest name: "m"',
    node: { index: 0, op: 'Add', name: '' },
  },
  { code: 'E1203', severity: 'error', message: 'has 3 bytes', file: '/data/ü.bin' },
  { code: 'E1009', severity: 'error', message: 'is too large', limit: { name: 'nodes', value: 9 } },
];
const files = [{ file: 'a b/m#1.onnx', bytes: 400 }, { file: 'gone.onnx' }];
// The shape is the one that the check above has proved.
interface Log {
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string; readonly help: { readonly text: string } }[] } };
    readonly artifacts: readonly { readonly location: { readonly uri: string } }[];
    readonly results: readonly {
      readonly ruleId: string;
      readonly ruleIndex: number;
      readonly level: string;
      readonly message: { readonly text: string };
      readonly locations?: readonly {
        readonly physicalLocation?: { readonly artifactLocation: { readonly index: number }; readonly region?: object };
      }[];
    }[];
  }[];
}
const parsed = (list: readonly Finding[]): Log['runs'][number] => {
  const json: unknown = JSON.parse(sarif({ files, findings: list, exitCode: 1 }));
  log(json, 'log');
  return (json as Log).runs[0]!;
};

test('has the structure that the schema asks for, with findings and without', () => {
  expect(parsed(findings).results).toHaveLength(findings.length);
  expect(parsed([]).results).toEqual([]);
});

test('results lead to their rule, whose help says what to do, and to their file', () => {
  const { tool, artifacts, results } = parsed(findings);
  for (const [i, { ruleId, ruleIndex, level, locations = [] }] of results.entries()) {
    const rule = tool.driver.rules[ruleIndex]!;
    expect([rule.id, rule.help.text]).toEqual([ruleId, codes[findings[i]!.code].repair]);
    expect(level).toBe(findings[i]!.severity);
    const at = locations[0]?.physicalLocation?.artifactLocation.index;
    const { file } = findings[i]!;
    expect(at === undefined ? undefined : artifacts[at]!.location.uri).toBe(file && uriOf(file));
  }
  expect(results[0]!.locations![0]!.physicalLocation!.region).toEqual({ byteOffset: 90, byteLength: 20 });
});

test.each([
  ['m.onnx', 'm.onnx'],
  ['a b/c%d#e?.onnx', 'a%20b/c%25d%23e%3F.onnx'],
  ['../m.onnx', '../m.onnx'],
  ['C:m.onnx', 'C%3Am.onnx'],
  ['modèle.onnx', 'mod%C3%A8le.onnx'],
  ['\udc80.onnx', '%EF%BF%BD.onnx'],
  ['/a b/m.onnx', 'file:///a%20b/m.onnx'],
])('the path %s is the URI %s', (path, expected) => expect(uriOf(path)).toBe(expected));

test.each([
  ['the name "{0}"', 'the name "{{0}}"'],
  ['[2,3] and [4,5]', '[2,3] and [4,5]'],
  ['"[here](http://a.example)"', '"\\[here\\](http://a.example)"'],
  ['a\u202eb', 'a\\u202eb'],
])('names make neither links nor placeholders nor hide text: %s', (given, expected) => {
  const [result] = parsed([{ code: 'E1104', severity: 'error', message: given }]).results;
  expect(result!.message.text).toBe(expected);
});
