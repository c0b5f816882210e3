// ATen overloads of special functions.

import { type Formula, inFloat32 } from '../../../ops/formulas.ts';
import {
  digamma,
  entr,
  erfc,
  erfcx,
  erfinv,
  logGamma,
  logNdtr,
  ndtr,
  ndtri,
  scaledI0,
  scaledI1,
  trigamma,
  unscaled,
} from '../../../ops/special-functions.ts';
import { ofFloat, rows } from './elementwise.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';

const floats = (names: string, f: Formula): AtenRows =>
  rows(
    names,
    'default',
    ofFloat((b, v) => inFloat32(b, v, wide => f(b, wide))),
  );

const polygamma: AtenRow = (x, b) => {
  const order = x.number('n');
  if (order > 1) throw unsupported(`polygamma of order ${order}`);
  return ofFloat((builder, v) => (order === 0 ? digamma : trigamma)(builder, v))(x, b);
};

/** The logarithm of the multivariate gamma function. */
const logMultiGamma: AtenRow = ofFloat((b, v, x) => {
  const p = x.number('p');
  const constant = (p * (p - 1) * Math.log(Math.PI)) / 4;
  const terms = Array.from({ length: p }, (_, i) => logGamma(b, i === 0 ? v : b.Sub(v, b.like(i / 2, v))));
  return b.Add(
    terms.reduce((sum, term) => b.Add(sum, term)),
    b.like(constant, v),
  );
});

export const special: AtenRows = {
  ...floats('erfc special_erfc', erfc),
  ...floats('special_erfcx', erfcx),
  ...floats('erfinv special_erfinv', erfinv),
  ...floats('special_ndtr', ndtr),
  ...floats('special_log_ndtr', logNdtr),
  ...floats('special_ndtri', ndtri),
  ...floats('special_entr', entr),
  ...floats('i0 special_i0 special_modified_bessel_i0', unscaled(scaledI0)),
  ...floats('special_i0e', scaledI0),
  ...floats('special_i1 special_modified_bessel_i1', unscaled(scaledI1)),
  ...floats('special_i1e', scaledI1),
  ...floats('lgamma special_gammaln', logGamma),
  ...floats('digamma special_digamma special_psi', digamma),
  ...rows('polygamma special_polygamma', 'default', polygamma),
  ...rows('mvlgamma special_multigammaln', 'default', logMultiGamma),
};
