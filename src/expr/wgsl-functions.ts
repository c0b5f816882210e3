// What the WGSL templates call, as text of functions: accurate where the built-in ones may be coarse or undefined, and arithmetic on
// pairs of words, the low one first, for integers of 64 bits. `quarters` splits an angle into what is left of a quarter turn and the
// number of turns; from 1024 up it multiplies by the bits of 2/pi that matter. `non_finite` is a zero the compiler cannot see
// through, so that NaN and Inf survive.

export const wgslFunctions = `
var<private> non_finite: u32 = 0u;
fn is_nan(a: f32) -> bool { return (bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u; }
fn is_inf(a: f32) -> bool { return (bitcast<u32>(a) & 0x7fffffffu) == 0x7f800000u; }
fn float_min(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, is_nan(b)), a, is_nan(a)); }
fn float_max(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, is_nan(b)), a, is_nan(a)); }
fn float_mod(a: f32, b: f32) -> f32 { let r = float_rem(a, b); return select(r, r + b, r != 0.0 && ((r < 0.0) != (b < 0.0))); }
fn float_rem(a: f32, b: f32) -> f32 {
  let y = abs(b);
  var r = abs(a);
  if (is_nan(a) || is_nan(b) || is_inf(a) || y == 0.0) { return nan(); }
  if (is_inf(b)) { return a; }
  while (r >= y) {
    let steps = exponent_of(r) - exponent_of(y);
    var t = scaled(y, steps);
    if (t > r) { t = scaled(y, steps - 1); }
    r -= t;
  }
  return select(r, -r, (bitcast<u32>(a) >> 31u) == 1u);
}
fn exponent_of(a: f32) -> i32 { return i32((bitcast<u32>(a) >> 23u) & 255u); }
fn scaled(a: f32, by: i32) -> f32 {
  let half = by / 2;
  return a * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(by - half + 127) << 23u);
}
fn nan() -> f32 { return bitcast<f32>(non_finite | 0x7fc00000u); }
fn inf() -> f32 { return bitcast<f32>(non_finite | 0x7f800000u); }
fn float_pow(a: f32, b: f32) -> f32 {
  if (b == 0.0 || a == 1.0) { return 1.0; }
  if (is_nan(a) || is_nan(b)) { return nan(); }
  let x = abs(a);
  let odd = !is_inf(b) && abs(float_rem(b, 2.0)) == 1.0;
  var m = pow(x, b);
  if (x == 0.0) { m = select(0.0, inf(), b < 0.0); }
  else if (x == 1.0) { m = 1.0; }
  else if (is_inf(x) || is_inf(b)) { m = select(0.0, inf(), (x > 1.0) == (b > 0.0)); }
  if ((bitcast<u32>(a) >> 31u) == 0u) { return m; }
  if (b != floor(b) && !is_inf(a) && x != 0.0) { return nan(); }
  return select(m, -m, odd);
}
fn float_exp(a: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (a > 88.722839) { return inf(); }
  return select(exp(a), 0.0, a < -103.972084);
}
fn float_log(a: f32) -> f32 {
  if (is_nan(a) || a < 0.0) { return nan(); }
  if (is_zero(a)) { return -inf(); }
  return select(log(a), a, is_inf(a));
}
fn float_expm1(a: f32) -> f32 { return select(float_exp(a) - 1.0, a + 0.5 * a * a + a * a * a / 6.0, abs(a) < 0.02); }
fn float_log1p(a: f32) -> f32 { return select(float_log(1.0 + a), a - 0.5 * a * a + a * a * a / 3.0, abs(a) < 0.02); }
fn sine(r: f32) -> f32 { let s = r * r; return r * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s / 362880.0)))); }
fn cosine(r: f32) -> f32 { let s = r * r; return 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s / 40320.0))); }
const two_over_pi = array<u32, 8>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
fn word_at(i: u32) -> u32 {
  var words = two_over_pi;
  let k = i / 32u;
  let s = i % 32u;
  return select((words[k] << s) | (words[k + 1u] >> ((32u - s) % 32u)), words[k], s == 0u);
}
fn multiply(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return vec2<u32>((a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u), (other << 16u) | (low & 0xffffu));
}
fn quarters(a: f32) -> vec2<f32> {
  if (abs(a) < 1024.0) {
    let k = round(a * 0.6366197723675814);
    return vec2<f32>(fma(-k, 7.549789948768648e-8, fma(-k, 1.570796251296997, a)), k - 4.0 * floor(k / 4.0));
  }
  let bits = bitcast<u32>(a);
  let m = (bits & 0x7fffffu) | 0x800000u;
  let at = ((bits >> 23u) & 255u) - 120u;
  let p0 = multiply(m, word_at(at));
  let p1 = multiply(m, word_at(at + 32u));
  let p2 = multiply(m, word_at(at + 64u));
  let middle = p1.y + p2.x;
  let high = p0.y + p1.x + select(0u, 1u, middle < p1.y);
  let part = bitcast<i32>((high << 2u) | (middle >> 30u));
  let rest = (middle << 2u) | (p2.y >> 30u);
  let r = (f32(part) * 2.3283064365386963e-10 + f32(rest) * 5.421010862427522e-20) * 1.5707963267948966;
  let q = ((high >> 30u) + select(0u, 1u, part < 0)) % 4u;
  return select(vec2<f32>(r, f32(q)), vec2<f32>(-r, f32((4u - q) % 4u)), a < 0.0);
}
fn quarter(a: f32, shift: i32) -> f32 {
  if (is_nan(a) || is_inf(a)) { return nan(); }
  let reduced = quarters(a);
  let r = reduced.x;
  let q = (i32(reduced.y) + shift) % 4;
  let v = select(sine(r), cosine(r), (q & 1) == 1);
  return select(v, -v, q >= 2);
}
fn float_sin(a: f32) -> f32 { return quarter(a, 0); }
fn float_cos(a: f32) -> f32 { return quarter(a, 1); }
fn float_tan(a: f32) -> f32 { return quarter(a, 0) / quarter(a, 1); }
fn float_atan(a: f32) -> f32 {
  if (is_nan(a)) { return a; }
  let x = abs(a);
  let y = select(x, 1.0 / x, x > 1.0);
  let h = y / (1.0 + sqrt(1.0 + y * y));
  var s = 0.0;
  for (var n = 19; n > 0; n -= 2) { s = 1.0 / f32(n) - h * h * s; }
  let r = select(2.0 * h * s, 1.5707963267948966 - 2.0 * h * s, x > 1.0);
  return select(r, -r, a < 0.0);
}
fn float_asin(a: f32) -> f32 {
  if (!(abs(a) <= 1.0)) { return nan(); }
  return 2.0 * float_atan(a / (1.0 + sqrt((1.0 - a) * (1.0 + a))));
}
fn float_acos(a: f32) -> f32 {
  if (!(abs(a) <= 1.0)) { return nan(); }
  return select(2.0 * float_atan(sqrt((1.0 - a) / (1.0 + a))), 3.141592653589793, a == -1.0);
}
fn float_sinh(a: f32) -> f32 {
  let x = abs(a);
  let h = float_exp(0.5 * x);
  let r = select(0.5 * h * h - 0.5 / h / h, x + x * x * x / 6.0, x < 0.1);
  return select(r, -r, a < 0.0);
}
fn float_cosh(a: f32) -> f32 { let h = float_exp(0.5 * abs(a)); return 0.5 * h * h + 0.5 / h / h; }
fn float_tanh(a: f32) -> f32 {
  let x = abs(a);
  if (x < 0.02) { return a - a * a * a / 3.0; }
  let e = float_exp(-2.0 * x);
  let r = (1.0 - e) / (1.0 + e);
  return select(r, -r, a < 0.0);
}
fn float_asinh(a: f32) -> f32 {
  let x = abs(a);
  let r = select(float_log1p(x + x * x / (1.0 + sqrt(x * x + 1.0))), float_log(x) + 0.6931471805599453, x > 1e9);
  return select(r, -r, a < 0.0);
}
fn float_acosh(a: f32) -> f32 {
  if (!(a >= 1.0)) { return nan(); }
  let t = a - 1.0;
  return select(float_log1p(t + sqrt(t * (a + 1.0))), float_log(a) + 0.6931471805599453, a > 1e9);
}
fn float_atanh(a: f32) -> f32 {
  let x = abs(a);
  if (!(x <= 1.0)) { return nan(); }
  let r = select(0.5 * float_log1p(2.0 * x / (1.0 - x)), inf(), x == 1.0);
  return select(r, -r, a < 0.0);
}
fn float_erf(a: f32) -> f32 {
  let x = abs(a);
  if (is_nan(a)) { return a; }
  if (x < 1.0) {
    var t = x; var s = x;
    for (var n = 1; n < 14; n++) { t *= -x * x / f32(n); s += t / f32(2 * n + 1); }
    return sign(a) * s * 1.1283791670955126;
  }
  if (x > 4.0) { return sign(a); }
  var f = 0.0;
  for (var k = 40; k > 0; k--) { f = f32(k) / 2.0 / (x + f); }
  return sign(a) * (1.0 - exp(-x * x) * 0.5641895835477563 / (x + f));
}
fn is_zero(a: f32) -> bool { return (bitcast<u32>(a) & 0x7fffffffu) == 0u; }
fn f32_to_i32(a: f32) -> i32 {
  if (is_nan(a)) { return 0; }
  if (a >= 2147483648.0) { return 2147483647; }
  if (a <= -2147483648.0) { return i32(-2147483648); }
  return i32(a);
}
fn f32_to_u32(a: f32) -> u32 {
  if (is_nan(a) || a <= 0.0) { return 0u; }
  if (a >= 4294967296.0) { return 4294967295u; }
  return u32(a);
}
fn u32_pow(a: u32, b: u32) -> u32 {
  var result = 1u; var base = a; var n = b;
  while (n > 0u) {
    if ((n & 1u) == 1u) { result *= base; }
    base *= base;
    n >>= 1u;
  }
  return result;
}
fn i32_pow(a: i32, b: i32) -> i32 {
  if (b >= 0) { return bitcast<i32>(u32_pow(bitcast<u32>(a), bitcast<u32>(b))); }
  if (a == -1) { return select(-1, 1, (b & 1) == 0); }
  return select(0, 1, a == 1);
}
fn float_to_int(a: f32, low: f32, high: f32) -> i32 { return select(i32(clamp(a, low, high)), 0, is_nan(a)); }
alias int64 = vec2<u32>;
alias uint64 = vec2<u32>;
fn is_negative(a: vec2<u32>) -> bool { return (a.y >> 31u) == 1u; }
fn pair_add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}
fn pair_neg(a: vec2<u32>) -> vec2<u32> { return pair_add(~a, vec2<u32>(1u, 0u)); }
fn pair_sub(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> { return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x)); }
fn pair_mul(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = multiply(a.x, b.x);
  return vec2<u32>(low.y, low.x + a.x * b.y + a.y * b.x);
}
fn pair_shl(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  if (b.y != 0u || b.x >= 64u) { return vec2<u32>(0u); }
  if (b.x >= 32u) { return vec2<u32>(0u, a.x << (b.x - 32u)); }
  if (b.x == 0u) { return a; }
  return vec2<u32>(a.x << b.x, (a.y << b.x) | (a.x >> (32u - b.x)));
}
fn uint64_shr(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  if (b.y != 0u || b.x >= 64u) { return vec2<u32>(0u); }
  if (b.x >= 32u) { return vec2<u32>(a.y >> (b.x - 32u), 0u); }
  if (b.x == 0u) { return a; }
  return vec2<u32>((a.x >> b.x) | (a.y << (32u - b.x)), a.y >> b.x);
}
fn int64_shr(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  if (b.y != 0u || b.x >= 64u) { return vec2<u32>(0u); }
  return select(uint64_shr(a, b), ~uint64_shr(~a, b), is_negative(a));
}
fn uint64_lt(a: vec2<u32>, b: vec2<u32>) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }
fn int64_lt(a: vec2<u32>, b: vec2<u32>) -> bool {
  let high = vec2<i32>(bitcast<i32>(a.y), bitcast<i32>(b.y));
  return high.x < high.y || (a.y == b.y && a.x < b.x);
}
fn int64_abs(a: vec2<u32>) -> vec2<u32> { return select(a, pair_neg(a), is_negative(a)); }
fn uint64_abs(a: vec2<u32>) -> vec2<u32> { return a; }
fn uint64_sign(a: vec2<u32>) -> vec2<u32> { return vec2<u32>(select(0u, 1u, any(a != vec2<u32>(0u))), 0u); }
fn int64_sign(a: vec2<u32>) -> vec2<u32> { return select(uint64_sign(a), vec2<u32>(0xffffffffu), is_negative(a)); }
fn divide(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
  if (all(b == vec2<u32>(0u))) { return vec4<u32>(0u); }
  if (a.y == 0u && b.y == 0u) { return vec4<u32>(a.x / b.x, 0u, a.x % b.x, 0u); }
  var quotient = vec2<u32>(0u);
  var rest = vec2<u32>(0u);
  for (var i = 63; i >= 0; i--) {
    let carry = rest.y >> 31u;
    rest = pair_shl(rest, vec2<u32>(1u, 0u)) | (uint64_shr(a, vec2<u32>(u32(i), 0u)) & vec2<u32>(1u, 0u));
    quotient = pair_shl(quotient, vec2<u32>(1u, 0u));
    if (carry == 1u || !uint64_lt(rest, b)) { rest = pair_sub(rest, b); quotient.x |= 1u; }
  }
  return vec4<u32>(quotient, rest);
}
fn uint64_div(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> { return divide(a, b).xy; }
fn uint64_rem(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> { return divide(a, b).zw; }
fn uint64_mod(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> { return divide(a, b).zw; }
fn int64_div(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let q = divide(int64_abs(a), int64_abs(b)).xy;
  return select(q, pair_neg(q), is_negative(a) != is_negative(b));
}
fn int64_rem(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let r = divide(int64_abs(a), int64_abs(b)).zw;
  return select(r, pair_neg(r), is_negative(a));
}
fn int64_mod(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let r = int64_rem(a, b);
  return select(r, pair_add(r, b), any(r != vec2<u32>(0u)) && is_negative(r) != is_negative(b));
}
fn uint64_pow(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  var result = vec2<u32>(1u, 0u); var base = a; var n = b;
  while (any(n != vec2<u32>(0u))) {
    if ((n.x & 1u) == 1u) { result = pair_mul(result, base); }
    base = pair_mul(base, base);
    n = uint64_shr(n, vec2<u32>(1u, 0u));
  }
  return result;
}
fn int64_pow(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  if (!is_negative(b)) { return uint64_pow(a, b); }
  let one = vec2<u32>(1u, 0u);
  if (all(a == vec2<u32>(0xffffffffu))) { return select(a, one, (b.x & 1u) == 0u); }
  return select(vec2<u32>(0u), one, all(a == one));
}
fn int_to_pair(a: i32) -> vec2<u32> { return vec2<u32>(bitcast<u32>(a), select(0u, 0xffffffffu, a < 0)); }
fn uint64_to_f32(a: vec2<u32>) -> f32 {
  if (a.y == 0u) { return u32_to_f32(a.x); }
  let shift = countLeadingZeros(a.y);
  let moved = pair_shl(a, vec2<u32>(shift, 0u));
  let top = moved.y | select(0u, 1u, moved.x != 0u);
  return scaled(u32_to_f32(top), i32(32u - shift));
}
fn u32_to_f32(a: u32) -> f32 {
  if (a < 0x1000000u) { return f32(a); }
  let shift = 8u - countLeadingZeros(a);
  let kept = a >> shift;
  let rest = a << (32u - shift);
  let up = rest > 0x80000000u || (rest == 0x80000000u && (kept & 1u) == 1u);
  return f32(kept + select(0u, 1u, up)) * f32(1u << shift);
}
fn i32_to_f32(a: i32) -> f32 { return select(u32_to_f32(u32(a)), -u32_to_f32(0u - bitcast<u32>(a)), a < 0); }
fn int64_to_f32(a: vec2<u32>) -> f32 { let m = uint64_to_f32(int64_abs(a)); return select(m, -m, is_negative(a)); }
fn f32_to_uint64(a: f32) -> vec2<u32> {
  if (is_nan(a) || a < 1.0) { return vec2<u32>(0u); }
  if (a >= 18446744073709551616.0) { return vec2<u32>(0xffffffffu); }
  let bits = bitcast<u32>(a);
  let m = vec2<u32>((bits & 0x7fffffu) | 0x800000u, 0u);
  let by = exponent_of(a) - 150;
  if (by < 0) { return uint64_shr(m, vec2<u32>(u32(-by), 0u)); }
  return pair_shl(m, vec2<u32>(u32(by), 0u));
}
fn f32_to_int64(a: f32) -> vec2<u32> {
  if (is_nan(a)) { return vec2<u32>(0u); }
  if (a >= 9223372036854775808.0) { return vec2<u32>(0xffffffffu, 0x7fffffffu); }
  if (a <= -9223372036854775808.0) { return vec2<u32>(0u, 0x80000000u); }
  let m = f32_to_uint64(abs(a));
  return select(m, pair_neg(m), a < 0.0);
}
fn float16_decode(h: u32) -> f32 {
  let sign = (h & 0x8000u) << 16u;
  let magnitude = h & 0x7fffu;
  if (magnitude >= 0x7c00u) { return bitcast<f32>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u)); }
  if (magnitude < 0x400u) { return select(1.0, -1.0, sign != 0u) * f32(magnitude) * 5.9604644775390625e-8; }
  return bitcast<f32>(sign | ((magnitude << 13u) + 0x38000000u));
}
fn float16_encode(a: f32) -> u32 {
  let b = bitcast<u32>(a);
  let sign = (b >> 16u) & 0x8000u;
  let magnitude = b & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
  if (magnitude >= 0x47800000u) { return sign | 0x7c00u; }
  if (magnitude < 0x38800000u) { return sign | u32(round(abs(a) * 16777216.0)); }
  return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
}
fn bfloat16_decode(h: u32) -> f32 { return bitcast<f32>(h << 16u); }
fn bfloat16_encode(a: f32) -> u32 {
  let b = bitcast<u32>(a);
  if ((b & 0x7fffffffu) > 0x7f800000u) { return (b >> 16u) | 0x40u; }
  return ((b + 0x7fffu + ((b >> 16u) & 1u)) >> 16u) & 0xffffu;
}
fn small_decode(bits: u32, exponent: u32, mantissa: u32, bias: i32, largest: u32, overflow: u32, unsigned_zero: bool) -> f32 {
  let sign = 1u << (exponent + mantissa);
  if (unsigned_zero && bits == sign) { return nan(); }
  let magnitude = bits & (sign - 1u);
  let power = magnitude >> mantissa;
  let fraction = magnitude & ((1u << mantissa) - 1u);
  var number = nan();
  if (magnitude <= largest) {
    let whole = fraction + select(0u, 1u << mantissa, power > 0u);
    number = scaled(f32(whole), max(i32(power), 1) - bias - i32(mantissa));
  } else if (magnitude == overflow && overflow == largest + 1u && fraction == 0u) { number = inf(); }
  return select(number, -number, (bits & sign) != 0u);
}
fn small_encode(
  a: f32, exponent: u32, mantissa: u32, bias: i32, largest: u32, overflow: u32, nan_bits: u32, unsigned_zero: bool) -> u32 {
  if (is_nan(a)) { return nan_bits; }
  let sign = 1u << (exponent + mantissa);
  let least = 1 - bias;
  let power = max(exponent_of(a) - 127, least);
  var magnitude = overflow;
  if (power <= 127) {
    let steps = u32(round(min(scaled(abs(a), i32(mantissa) - power), 65536.0)));
    let bits = (u32(power - least) << mantissa) + steps;
    magnitude = select(overflow, bits, bits <= largest);
  }
  let keep_sign = (bitcast<u32>(a) >> 31u) == 1u && !(unsigned_zero && (magnitude == 0u || magnitude == sign));
  return select(magnitude, magnitude | sign, keep_sign);
}
fn float8e8m0_decode(bits: u32) -> f32 {
  if (bits == 255u) { return nan(); }
  return bitcast<f32>(select(bits << 23u, 0x400000u, bits == 0u));
}
fn float8e8m0_encode(a: f32) -> u32 {
  let b = bitcast<u32>(a);
  if (is_nan(a) || ((b >> 31u) == 1u && b != 0x80000000u)) { return 255u; }
  let up = ((b & 0x7fffffu) >= 0x400000u) && (b >> 23u) > 0u;
  let power = ((b >> 23u) & 255u) + select(0u, 1u, up);
  return min(power, 255u);
}
`;
