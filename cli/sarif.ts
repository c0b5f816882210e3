// Findings as a SARIF 2.1.0 log, which code hosts and editors show beside files
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). The same findings give the same bytes.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Json, writeJson } from '../src/codec/json.ts';
import { type Code, codes, type Finding } from '../src/errors.ts';
import { version } from './output.ts';
import { shownMessage } from './terminal.ts';

export interface SarifRun {
  /** The files that were looked at, by path. */
  readonly files: readonly { readonly file: string; readonly bytes?: number | undefined }[];
  readonly findings: readonly Finding[];
  readonly exitCode: number;
}

/** The log as text. Rules are those that something was found by, in the order of their codes. */
export function sarif({ files, findings, exitCode }: SarifRun): string {
  const rules = [...new Set(findings.map(f => f.code))].sort();
  const paths = [...new Set([...files.map(f => f.file), ...findings.flatMap(f => f.file ?? [])])];
  const bytes = new Map(files.map(f => [f.file, f.bytes]));
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'omnix', version, semanticVersion: version, rules: rules.map(ruleOf) } },
        invocations: [{ executionSuccessful: true, exitCode }],
        artifacts: paths.map(path => ({
          location: { uri: uriOf(path) },
          ...(bytes.get(path) !== undefined && { length: bytes.get(path)! }),
          ...(bytes.has(path) && { roles: ['analysisTarget'] }),
        })),
        results: findings.map(f => resultOf(f, rules.indexOf(f.code), f.file === undefined ? -1 : paths.indexOf(f.file))),
      },
    ],
  };
  return writeJson(log as Json, { indent: 2 });
}

function ruleOf(code: Code): Json {
  const { name, cause, repair } = codes[code];
  return {
    id: code,
    name: name.replace(/(?:^|-)(.)/g, (_, first: string) => first.toUpperCase()),
    shortDescription: { text: cause },
    help: { text: repair },
    defaultConfiguration: { level: 'error' },
  };
}

function resultOf(f: Finding, ruleIndex: number, index: number): Json {
  const region =
    f.offset === undefined ? {} : { region: { byteOffset: f.offset, ...(f.length !== undefined && { byteLength: f.length }) } };
  const location = {
    ...(index >= 0 && { physicalLocation: { artifactLocation: { uri: uriOf(f.file!), index }, ...region } }),
    ...(f.path !== undefined && { logicalLocations: [{ fullyQualifiedName: f.path }] }),
  };
  return {
    ruleId: f.code,
    ruleIndex,
    level: f.severity,
    message: { text: messageText(f.hint ? `${f.message}; ${f.hint}` : f.message) },
    ...(Object.keys(location).length > 0 && { locations: [location] }),
    ...propertiesOf(f),
  };
}

/** What has no place of its own in SARIF. */
function propertiesOf({ node, tensor, limit }: Finding): { readonly properties?: Json } {
  const facts = { ...(node && { node: { ...node } }), ...(tensor !== undefined && { tensor }), ...(limit && { limit: { ...limit } }) };
  // The cast: places are plain data; what is undefined in them is left out by `JSON`.
  return Object.keys(facts).length > 0 ? { properties: JSON.parse(JSON.stringify(facts)) as Json } : {};
}

/** Names of a file may make neither links nor placeholders of a message: braces are doubled, brackets of links escaped. */
const messageText = (text: string): string =>
  shownMessage(text)
    .replace(/[{}]/g, '$&$&')
    .replace(/\\?[[\]](?=[^[\]]*\]\(|\()/g, bracket => `\\${bracket.at(-1)}`);

/** A relative path stays relative, so that a log means the same on every machine. */
export function uriOf(path: string): string {
  const wellFormed = path.replace(/\p{Cs}/gu, '\ufffd');
  if (/^([/\\]|[A-Za-z]:[/\\])/.test(path)) return pathToFileURL(resolve(wellFormed)).href;
  return wellFormed
    .split(process.platform === 'win32' ? /[/\\]/ : '/')
    .map(encodeURIComponent)
    .join('/');
}
