// Every case of the catalogue, by row.
import { arrayCases } from './array-cases.ts';
import { bundleCases } from './bundle-cases.ts';
import type { Case } from './case.ts';
import { checkpointCases } from './checkpoint-cases.ts';
import { containerCases } from './container-cases.ts';
import { diskCases } from './disk-cases.ts';
import { externalCases } from './external-cases.ts';
import { graphCases } from './graph-cases.ts';
import { hdfCases } from './hdf-cases.ts';
import { kerasCases } from './keras-cases.ts';
import { nameCases } from './name-cases.ts';
import { pickleCases } from './pickle-cases.ts';
import { programCases } from './program-cases.ts';
import { safetensorsCases } from './safetensors-cases.ts';
import { tensorCases } from './tensor-cases.ts';
import { tensorflowCases } from './tensorflow-cases.ts';
import { tfjsCases } from './tfjs-cases.ts';
import { tfliteCases } from './tflite-cases.ts';
import { typeCases } from './type-cases.ts';
import { zipCases } from './zip-cases.ts';

export const cases: readonly Case[] = [
  ...containerCases,
  ...graphCases,
  ...typeCases,
  ...tensorCases,
  ...nameCases,
  ...externalCases,
  ...pickleCases,
  ...checkpointCases,
  ...programCases,
  ...zipCases,
  ...safetensorsCases,
  ...arrayCases,
  ...tfliteCases,
  ...tfjsCases,
  ...tensorflowCases,
  ...bundleCases,
  ...hdfCases,
  ...kerasCases,
  ...diskCases,
];
