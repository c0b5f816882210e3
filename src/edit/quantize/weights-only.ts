// Schemes int8 and int4: weights are stored as integers and are floats again where they are read.
import type { Layer } from './layers.ts';
import { QuantizingCopy } from './quantizing.ts';

export class WeightsOnly extends QuantizingCopy {
  protected override layer(layer: Layer): boolean {
    this.reading(layer.node, new Map([[layer.row.weight, this.dequantized(layer)]]));
    return true;
  }
}
