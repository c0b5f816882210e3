// The table of layers, by the names of their classes.
import { activation } from './activation.ts';
import { attentions } from './attention.ts';
import { convolutions } from './convolution.ts';
import { core } from './core.ts';
import { equalization } from './equalization.ts';
import { inference } from './inference.ts';
import { lookups } from './lookup.ts';
import { merging } from './merging.ts';
import { normalization } from './normalization.ts';
import { pooling } from './pooling.ts';
import { preprocessing } from './preprocessing.ts';
import { recurrent } from './recurrent.ts';
import { reshaping } from './reshaping.ts';
import type { LayerRow, LayerRows } from './row.ts';
import { signals } from './signal.ts';

/** By family, for the page of what is covered. */
export const families: Readonly<Record<string, LayerRows>> = {
  core,
  activation,
  convolution: convolutions,
  pooling,
  recurrent,
  normalization,
  attention: attentions,
  reshaping,
  merging,
  'only in training': inference,
  preprocessing: { ...preprocessing, ...equalization, ...lookups, ...signals },
};

const rows = new Map<string, LayerRow>(Object.values(families).flatMap(family => Object.entries(family)));

export const layerRow = (className: string): LayerRow | undefined => rows.get(className);
