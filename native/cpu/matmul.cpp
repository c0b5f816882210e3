// matmul: of float32 in gemm.h, of integers of 8 bits in integers.h, of other types here. Blocks of both operands are packed into rows without gaps, so that any strides run
// through one inner loop.
#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <type_traits>

#include "coded.h"
#include "conv.h"
#include "integers.h"
#include "plan.h"
#include "pool.h"
#include "scalar_functions.h"
#include "walk.h"

namespace omnix {
namespace {

constexpr int64_t tile_rows = 4, tile_columns = 16;
/** A packed block of b takes 256 KiB of floats, a part of the second-level cache. */
constexpr int64_t block_k = 256, block_columns = 256;

struct Matrix {
  int64_t rows, columns, row_step, column_step;
};
Matrix matrix_of(const View& v) {
  const size_t rank = v.shape.size();
  return {v.shape[rank - 2], v.shape[rank - 1], v.strides[rank - 2], v.strides[rank - 1]};
}

/** Columns in groups of `tile_columns`, each group row after row, zeros beyond the edge. */
template <class T>
void pack_columns(T* to, const T* from, const Matrix& m, int64_t rows, int64_t columns) {
  for (int64_t j = 0; j < columns; j += tile_columns)
    for (int64_t q = 0; q < rows; q++)
      for (int64_t c = 0; c < tile_columns; c++) *to++ = j + c < columns ? from[q * m.row_step + (j + c) * m.column_step] : T(0);
}

/** Rows in groups of `tile_rows`, each group column after column, zeros beyond the edge. */
template <class T>
void pack_rows(T* to, const T* from, const Matrix& m, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i += tile_rows)
    for (int64_t q = 0; q < columns; q++)
      for (int64_t r = 0; r < tile_rows; r++) *to++ = i + r < rows ? from[(i + r) * m.row_step + q * m.column_step] : T(0);
}

/** Narrow integers are widened, since the language would multiply them as `int`, which overflows. */
template <class W>
struct Widened { using type = Wrapping<W>; };
template <> struct Widened<double> { using type = double; };

template <class W>
void multiply_tile(W (&total)[tile_rows][tile_columns], const W* a, const W* b, int64_t depth) {
  using Wide = typename Widened<W>::type;
  for (int64_t q = 0; q < depth; q++, a += tile_rows, b += tile_columns)
    for (int64_t r = 0; r < tile_rows; r++)
      for (int64_t c = 0; c < tile_columns; c++) total[r][c] = static_cast<W>(total[r][c] + static_cast<Wide>(a[r]) * b[c]);
}

/** One product of matrices in `W`, the type in which T multiplies without undefined overflow. */
template <class T, class W>
class OfBlocks {
 public:
  OfBlocks(const Matrix& a, const Matrix& b, const Matrix& y) : a_(a), b_(b), y_(y) {
    packed_a_.resize(static_cast<size_t>(round_up(a.rows, tile_rows) * std::min(block_k, std::max<int64_t>(a.columns, 1))));
    packed_b_.resize(static_cast<size_t>(block_columns * std::min(block_k, std::max<int64_t>(a.columns, 1))));
  }

  void run(const W* a, const W* b, W* y) {
    for (int64_t i = 0; i < y_.rows; i++)
      for (int64_t j = 0; j < y_.columns; j++) y[i * y_.row_step + j * y_.column_step] = W(0);
    for (int64_t q = 0; q < a_.columns; q += block_k) {
      const int64_t depth = std::min(block_k, a_.columns - q);
      pack_rows(packed_a_.data(), a + q * a_.column_step, a_, a_.rows, depth);
      for (int64_t j = 0; j < y_.columns; j += block_columns) {
        const int64_t columns = std::min(block_columns, y_.columns - j);
        pack_columns(packed_b_.data(), b + q * b_.row_step + j * b_.column_step, b_, depth, columns);
        block(y + j * y_.column_step, depth, columns);
      }
    }
  }

 private:
  void block(W* y, int64_t depth, int64_t columns) const {
    for (int64_t j = 0; j < columns; j += tile_columns)
      for (int64_t i = 0; i < y_.rows; i += tile_rows) {
        W total[tile_rows][tile_columns] = {};
        multiply_tile(total, packed_a_.data() + i * depth, packed_b_.data() + j * depth, depth);
        for (int64_t r = 0; r < std::min(tile_rows, y_.rows - i); r++)
          for (int64_t c = 0; c < std::min(tile_columns, columns - j); c++) {
            W& out = y[(i + r) * y_.row_step + (j + c) * y_.column_step];
            out = static_cast<W>(out + total[r][c]);
          }
      }
  }

  Matrix a_, b_, y_;
  std::vector<W> packed_a_, packed_b_;
};

Strided leading(const View& v) { return {v.offset, Dims(v.strides.begin(), v.strides.end() - 2)}; }

template <class T, class W>
void matmul(const Operand& a, const Operand& b, const Operand& y) {
  OfBlocks<T, W> product(matrix_of(*a.view), matrix_of(*b.view), matrix_of(*y.view));
  const Dims batches(y.view->shape.begin(), y.view->shape.end() - 2);
  for_each_row(batches, {leading(*a.view), leading(*b.view), leading(*y.view)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) product.run(a.as<W>() + at[0] + i * step[0], b.as<W>() + at[1] + i * step[1], y.as<W>() + at[2] + i * step[2]);
  });
}

MatrixPanels rows_of(const float* data, const Matrix& m) { return {data, m.rows, m.row_step, m.column_step}; }
MatrixPanels columns_of(const float* data, const Matrix& m) { return {data, m.columns, m.column_step, m.row_step}; }

/** Where each matrix of a batch begins. */
std::vector<std::array<int64_t, 3>> batches_of(const View& a, const View& b, const View& y) {
  std::vector<std::array<int64_t, 3>> starts;
  const Dims shape(y.shape.begin(), y.shape.end() - 2);
  for_each_row(shape, {leading(a), leading(b), leading(y)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) starts.push_back({at[0] + i * step[0], at[1] + i * step[1], at[2] + i * step[2]});
  });
  return starts;
}

/** Positions of so many leading axes of the k-th matrix. */
Dims positions_of(int64_t k, const View& y, size_t axes) {
  Dims at(axes);
  for (size_t axis = at.size(); axis-- > 0; k /= y.shape[axis]) at[axis] = k % y.shape[axis];
  return at;
}

/** One product of a batch: its matrices, where they begin, and what follows. */
struct One {
  Matrix left, right, result;
  int64_t at_a, at_b, at_y;
  const Finish* finish;
};

/** Products of a batch; where all are multiplied by one matrix they are one. */
template <class Run>
void for_each_product(const Operand& a, const Operand& b, const Operand& y, const Following* following, Run&& run) {
  Matrix left = matrix_of(*a.view), result = matrix_of(*y.view);
  const Matrix right = matrix_of(*b.view);
  const Dims& shape = y.view->shape;
  const int64_t batch = std::accumulate(shape.begin(), shape.end() - 2, int64_t{1}, std::multiplies<>());
  const size_t batch_axes = first_row_axis(*a.view, *b.view, *y.view);
  const bool is_one = batch > 0 && (batch_axes == 0 || batch == 1);
  const auto starts = is_one ? std::vector{std::array{a.view->offset, b.view->offset, y.view->offset}} : batches_of(*a.view, *b.view, *y.view);
  if (batch_axes == 0 && is_one) {
    left.rows = result.rows = result.rows * batch;
    left.row_step = *even_step(*a.view, 0, a.view->shape.size() - 1), result.row_step = *even_step(*y.view, 0, y.view->shape.size() - 1);
  }
  const auto one = [&](int64_t k) {
    const auto [at_a, at_b, at_y] = starts[static_cast<size_t>(k)];
    One one{left, right, result, at_a, at_b, at_y, nullptr};
    if (!following) return run(one);
    const Following::Matrix matrix = following->at(positions_of(k, *y.view, batch_axes), 0);
    const Following::OfProduct context{matrix, nullptr, 0};
    const Finish finish{Following::OfProduct::run, &context};
    one.finish = &finish;
    run(one);
  };
  const auto count = static_cast<int64_t>(starts.size());
  // Many products are divided among threads as wholes, few of them each.
  if (count >= 2 * thread_count()) parallel(count, one);
  else
    for (int64_t k = 0; k < count; k++) one(k);
}

void matmul_floats(const MatMul& kernel, const Operand& a, const Operand& b, const Operand& y, const Following* following) {
  // Its bytes may be gone.
  const bool is_elsewhere = kernel.packed || kernel.coded;
  for_each_product(a, b, y, following, [&](const One& one) {
    const MatrixPanels rows = rows_of(a.as<float>() + one.at_a, one.left), columns = columns_of(is_elsewhere ? nullptr : b.as<float>() + one.at_b, one.right);
    Product product;
    product.rows = one.result.rows, product.columns = one.result.columns, product.depth = one.left.columns;
    product.a = &rows, product.b = &columns;
    product.packed_b = kernel.packed.get(), product.coded_b = kernel.coded.get();
    product.y = y.as<float>() + one.at_y, product.row_step = one.result.row_step, product.column_step = one.result.column_step;
    product.finish = one.finish;
    multiply(product);
  });
}

/** Bytes of the left side without a sign. */
void matmul_integers(const MatMul& kernel, const Operand& a, const Operand& b, const Operand* zero, const Operand& y, const Following* following) {
  const int flip = a.view->type == Element::Int8 ? 128 : 0;
  const auto moved = static_cast<uint32_t>(zero_of(*a.view, zero));
  std::vector<int32_t> starts;
  for (int32_t sum : kernel.integers->sums) starts.push_back(static_cast<int32_t>(0u - moved * static_cast<uint32_t>(sum)));
  for_each_product(a, b, y, following, [&](const One& one) {
    const Matrix& m = one.left;
    const uint8_t* from = a.as<uint8_t>() + one.at_a;
    IntegerProduct p;
    p.rows = one.result.rows, p.columns = one.result.columns, p.quads = (m.columns + 3) / 4;
    int32_t* rows = reinterpret_cast<int32_t*>(scratch(Scratch::AllRows, row_size(p.rows, p.quads)));
    pack_integer_rows(rows, p.rows, p.quads, [&](int64_t row, int64_t q, int (&bytes)[4]) {
      const uint8_t* at = from + row * m.row_step + 4 * q * m.column_step;
      for (int64_t i = 0; i < std::min<int64_t>(4, m.columns - 4 * q); i++) bytes[i] = at[i * m.column_step] ^ flip;
    });
    p.a = rows, p.b = kernel.integers->words.get(), p.signed_columns = true;
    p.y = y.as<int32_t>() + one.at_y, p.row_step = one.result.row_step, p.column_step = one.result.column_step;
    p.column_start = starts.data(), p.finish = one.finish;
    multiply(p);
  });
}

}  // namespace

size_t first_row_axis(const View& a, const View& b, const View& y) {
  const size_t leading = y.shape.size() - 2;
  for (size_t axis = 0; axis < leading; axis++)
    if (b.shape[axis] != 1 && b.strides[axis] != 0) return leading;
  return even_step(a, 0, leading + 1) && even_step(y, 0, leading + 1) ? 0 : leading;
}

std::shared_ptr<const Packed> pack_matmul(const View& b, const float* data) {
  const Matrix m = matrix_of(b);
  return std::make_shared<const Packed>(columns_of(data + b.offset, m), m.columns, m.rows, isa().tile_columns);
}

std::shared_ptr<const Coded> code_matmul(const MatMul& kernel, const View& b, const std::byte* data, const float* scales) {
  const Matrix m = matrix_of(b);
  const int64_t width = isa().tile_columns;
  if (b.type == Element::Int8) {
    const auto* codes = reinterpret_cast<const int8_t*>(data) + b.offset;
    return std::make_shared<const Coded>(Whole{codes, m.columns, m.rows, m.column_step, m.row_step, scales, kernel.block}, width);
  }
  const Halves halves{reinterpret_cast<const uint16_t*>(data) + b.offset, m.columns, m.rows, m.column_step, m.row_step};
  return std::make_shared<const Coded>(halves, b.type == Element::Float16 ? Code::Float16 : Code::Bfloat16, width);
}

std::shared_ptr<const PackedIntegers> pack_integer_matmul(const View& b, const std::byte* data) {
  const Matrix m = matrix_of(b);
  const auto* codes = reinterpret_cast<const int8_t*>(data) + b.offset;
  const int64_t width = isa().tile_columns, quads = (m.rows + 3) / 4, panels = (m.columns + width - 1) / width;
  auto packed = std::make_shared<PackedIntegers>();
  packed->words = aligned<int32_t>(panels * width * quads);
  packed->sums.assign(static_cast<size_t>(m.columns), 0);
  int32_t* to = packed->words.get();
  for (int64_t panel = 0; panel < panels; panel++)
    for (int64_t q = 0; q < quads; q++)
      for (int64_t c = panel * width; c < (panel + 1) * width; c++) {
        int bytes[4] = {};
        for (int64_t i = 0; i < 4 && c < m.columns && 4 * q + i < m.rows; i++) {
          bytes[i] = codes[(4 * q + i) * m.row_step + c * m.column_step];
          packed->sums[static_cast<size_t>(c)] += bytes[i];
        }
        *to++ = word_of(bytes);
      }
  return packed;
}

void run_matmul(const MatMul& kernel, const Operand& a, const Operand& b, const Operand* zero, const Operand& y, const Following* following) {
  if (kernel.integers) return matmul_integers(kernel, a, b, zero, y, following);
  if (y.view->type == Element::Float32) return matmul_floats(kernel, a, b, y, following);
  with_type(y.view->type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if constexpr (std::is_same_v<T, double>) matmul<T, T>(a, b, y);
    else if constexpr (std::is_integral_v<T>) matmul<T, std::make_unsigned_t<T>>(a, b, y);
  });
}

}  // namespace omnix
