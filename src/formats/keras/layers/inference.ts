// Layers that only do something in training.
import type { LayerRow, LayerRows } from './row.ts';
import { masked, plain } from './row.ts';

const same: LayerRow = masked(x => x.first.value);
const augmented: LayerRow = plain(x => x.input);

const withMasks = [
  'Dropout',
  'AlphaDropout',
  'GaussianDropout',
  'GaussianNoise',
  'ActivityRegularization',
  'SpatialDropout1D',
  'SpatialDropout2D',
  'SpatialDropout3D',
];
/** Augmentations of images; what they do in training is chance. */
const augmentations = [
  'AugMix',
  'CutMix',
  'MixUp',
  'RandAugment',
  'RandomBrightness',
  'RandomColorDegeneration',
  'RandomColorJitter',
  'RandomContrast',
  'RandomCrop',
  'RandomElasticTransform',
  'RandomErasing',
  'RandomFlip',
  'RandomGaussianBlur',
  'RandomGrayscale',
  'RandomHeight',
  'RandomHue',
  'RandomInvert',
  'RandomPerspective',
  'RandomPosterization',
  'RandomRotation',
  'RandomSaturation',
  'RandomSharpness',
  'RandomShear',
  'RandomTranslation',
  'RandomWidth',
  'RandomZoom',
];

export const inference: LayerRows = {
  ...Object.fromEntries(withMasks.map(name => [name, same])),
  ...Object.fromEntries(augmentations.map(name => [name, augmented])),
};
