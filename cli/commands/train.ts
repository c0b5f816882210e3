// omnix train: a model and data to a trained model.
import { appendFileSync } from 'node:fs';
import { fail, ModelError } from '../../src/errors.ts';
import type { Model } from '../../src/ir/graph.ts';
import { FolderCheckpoints, load, loadTrainingData, loadWeights, saveWeights, weightsOfName } from '../../src/node/index.ts';
import { replaceWeights } from '../../src/edit/weights.ts';
import { replaceHead } from '../../src/train/head.ts';
import { adapterWeights, loraOptions, mergedLora, withLora } from '../../src/train/lora.ts';
import { type Dataset, normalised, statisticsOf } from '../../src/train/loop/data.ts';
import { type EpochEvent, type FitOptions, type Fitted, fit, type Scores, type StepEvent } from '../../src/train/loop/fit.ts';
import { backendNamed } from '../backends.ts';
import { checkOutput, readModel } from '../files.ts';
import type { Outcome, Output } from '../output.ts';
import { countText, numberText, plural, shown, timeText } from '../terminal.ts';
import { clipOf, type GivenSettings, readSettings, required, settingsFrom, type TrainSettings } from '../training-config.ts';
import { checkFormat, readWords, writeModel } from '../writing.ts';

export type TrainOptions = GivenSettings<TrainSettings> & { readonly config?: string };
