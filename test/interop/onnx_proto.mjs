// Reads and writes ONNX files with the library and lets onnx-proto, which knows nothing of it, compare the messages.
// Usage: node test/interop/onnx_proto.mjs FILE...  (after a build). The last line is `N passed, N failed`.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import onnxProto from 'onnx-proto';
import { bytesOfFile, load, write } from '../../dist/src/node/index.js';

const { ModelProto } = onnxProto.onnx;
const seen = bytes => ModelProto.toObject(ModelProto.decode(bytes), { longs: String, bytes: String });

async function written(path) {
  const { files } = await write(await load(path), { name: 'model.onnx', externalData: false });
  const parts = [];
  for await (const part of bytesOfFile(files.at(-1))) parts.push(part.slice());
  return Buffer.concat(parts);
}

const counts = { passed: 0, failed: 0 };
for (const path of process.argv.slice(2)) {
  try {
    const same = isDeepStrictEqual(seen(await written(path)), seen(readFileSync(path)));
    counts[same ? 'passed' : 'failed']++;
    if (!same) console.log(`FAIL ${path}: the messages differ`);
  } catch (error) {
    counts.failed++;
    console.log(`FAIL ${path}: ${error.message}`);
  }
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
