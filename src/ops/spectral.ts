// Fourier transforms: complex numbers are pairs of floats along the last axis.
import type { Family } from './row.ts';

export const spectral = {} satisfies Family;
