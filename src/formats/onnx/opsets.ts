// Opset imports and their messages, in both directions.
import { at } from '../../codec/protobuf.ts';
import { normaliseDomain, releasedOpset } from '../../ops/schema.ts';
import type { OperatorSetIdProto } from './proto.gen.ts';
import type { Reading } from './reading.ts';
import { sameMessage } from './rest.ts';

/**
 * Versions by domain; the first of a repeated domain counts. Adds E1106. `rest` keeps imports that are written in another way than
 * the map would be.
 */
export function readOpsets(
  protos: readonly OperatorSetIdProto[],
  path: string,
  reading: Reading,
): { opsets: Map<string, number>; rest: { opset_import?: readonly OperatorSetIdProto[] } } {
  const opsets = new Map<string, number>();
  for (const [i, proto] of protos.entries()) {
    const domain = normaliseDomain(proto.domain ?? '');
    const place = { path: `${path}${path && '.'}opset_import[${i}]`, offset: proto[at] };
    const shown = reading.quoted(domain || 'ai.onnx');
    const version = Number(proto.version ?? 0);
    const newest = releasedOpset(domain);
    reading.name(domain, place.path, proto);
    const before = opsets.get(domain);
    if (before !== undefined && before !== version)
      reading.add('E1106', `domain ${shown} is imported with versions ${before} and ${version}`, place);
    else if (before !== undefined) reading.warn('E1106', `domain ${shown} is imported twice`, place);
    else if (newest === undefined ? version < 0 : version < 1 || version > newest)
      reading.add(
        'E1106',
        `domain ${shown}: expected an opset ${newest === undefined ? 'from 0' : `from 1 to ${newest}`}, found ${proto.version ?? 'none'}`,
        place,
      );
    if (before === undefined) opsets.set(domain, version);
  }
  return { opsets, rest: sameMessage(writeMap(opsets), protos) ? {} : { opset_import: protos } };
}

/** The imports of a model or function: as the file wrote them while the versions are the same. */
export function writeOpsets(opsets: ReadonlyMap<string, number>, kept: readonly OperatorSetIdProto[] | undefined): OperatorSetIdProto[] {
  const said = new Map<string, number>();
  for (const { domain = '', version = 0 } of kept?.toReversed() ?? []) said.set(normaliseDomain(domain), Number(version));
  // A model older than imports has none, and means the first opset.
  if (kept?.length === 0) said.set('', 1);
  const same = said.size === opsets.size && [...opsets].every(([domain, version]) => said.get(domain) === version);
  return kept && same ? [...kept] : writeMap(opsets);
}

const writeMap = (opsets: ReadonlyMap<string, number>): OperatorSetIdProto[] =>
  [...opsets].map(([domain, version]) => ({ domain, version }));
