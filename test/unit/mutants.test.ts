// Mutated models through reading, preparing and running: every problem is a ModelError that is not our own fault.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { writeOnnx } from '../../src/formats/onnx/index.ts';
import { MemorySource, ModelError, read, referenceBackend, Session, Tensor } from '../../src/index.ts';
import { arrayFor } from '../../src/ir/tensor.ts';
import { elementTypes, isDataType, type ValueType } from '../../src/ir/types.ts';
import { type Random, randomFrom } from '../fuzz/random.ts';
import { modelOf, samples } from '../samples/samples.ts';

const cases = 6000;
const models = fileURLToPath(new URL('../../models/', import.meta.url));

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let k = 1 + random(4); k > 0; k--) {
    const at = random(copy.length);
    const choices = [random(256), copy[at]! ^ (1 << random(8)), copy[at]! + 1, [0, 1, 127, 128, 255][random(5)]!];
    copy[at] = choices[random(choices.length)]!;
  }
  return copy;
}

/** Zeros for an input, with 3 for open sizes; undefined where that is no tensor or too large. */
function zerosFor(type: ValueType | undefined): Tensor | undefined {
  if (type?.kind !== 'tensor' || !isDataType(type.element) || elementTypes[type.element].bits < 8) return undefined;
  const dims = (type.shape ?? [2]).map(d => (typeof d === 'number' ? d : 3));
  const count = dims.reduce((n, d) => n * d, 1);
  if (count > 1e5 || type.element === 'string') return undefined;
  const scale = elementTypes[type.element].class === 'complex' ? 2 : 1;
  return new Tensor(type.element, new (arrayFor(type.element))(count * scale), dims);
}

async function drive(bytes: Uint8Array): Promise<'read' | 'ran'> {
  const { model } = await read(new MemorySource(bytes, 'mutant'));
  const session = await Session.create(model, { backend: referenceBackend({ memory: 1e6 }) });
  const feeds = session.inputs.map(({ name, type }) => [name, zerosFor(type)] as const);
  if (feeds.some(([, tensor]) => tensor === undefined)) return 'read';
  await session.run(Object.fromEntries(feeds) as Record<string, Tensor>);
  return 'ran';
}

test(`${cases} mutants give answers or errors that say what is wrong`, async () => {
  const random = randomFrom(20240229);
  const files = samples.map(sample => Buffer.concat(writeOnnx(modelOf(sample).model).model.chunks as Uint8Array[]));
  files.push(readFileSync(`${models}simple-nn/model.pt2`), readFileSync(`${models}simple-nn/model.onnx`));
  const faults: string[] = [];
  const counts = { ran: 0, read: 0, refused: 0 };
  for (let i = 0; i < cases; i++) {
    const bytes = mutate(files[random(files.length)]!, random);
    try {
      counts[await drive(bytes)]++;
    } catch (error) {
      counts.refused++;
      if (!(error instanceof ModelError) || error.code === 'E9001')
        faults.push(`case ${i}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  expect(faults).toEqual([]);
  expect(counts.ran).toBeGreaterThan(100);
  expect(counts.refused).toBeGreaterThan(1000);
});
