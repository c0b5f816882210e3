// What runs on each part of what a product makes, while that part is in a cache: a map, or ends that the product itself keeps to.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <optional>

#include "gemm.h"
#include "plan.h"

namespace omnix {

/** The step between positions of the axes from `first` to before `end` as one axis; none where they do not lie evenly. */
inline std::optional<int64_t> even_step(const View& v, size_t first, size_t end) {
  std::optional<int64_t> step;
  int64_t reach = 0;
  for (size_t k = end; k-- > first;) {
    if (v.shape[k] == 1) continue;
    if (!step) step = v.strides[k];
    else if (v.strides[k] != reach) return std::nullopt;
    reach = v.strides[k] * v.shape[k];
  }
  return step.value_or(1);
}
inline std::optional<int64_t> even_step(const View& v, size_t first) { return even_step(v, first, v.shape.size()); }

/** The ends that a map of one float32 keeps it between, such as those of Relu; none where it does something else. */
std::optional<Clamp> clamp_of(const Map& map);

class Following {
 public:
  /** Ends alone: products write what the map would. */
  Following(const Map& map, Clamp clamp) : map_(map), inputs_(0), clamp_(clamp) {}
  /** Rows are the axes from `row_axis` to before `column_axis`, columns those from there on. */
  Following(const Map& map, const Operands& inputs, const Operands& outputs, size_t row_axis, size_t column_axis) : map_(map), inputs_(inputs.size()) {
    sides_.reserve(inputs.size() + outputs.size());
    for (const Operands* operands : {&inputs, &outputs})
      for (const Operand& x : *operands) {
        const auto row = even_step(*x.view, row_axis, column_axis), column = even_step(*x.view, column_axis);
        is_even_ = is_even_ && row && column;
        sides_.push_back({x, row.value_or(0), column.value_or(0)});
      }
  }
  /** Those that the product keeps to; null where there is a map to run. */
  const Clamp* clamp() const { return clamp_ ? &*clamp_ : nullptr; }
  /** Whether every view can be walked so. */
  bool is_even() const { return is_even_; }

  /** One matrix of the batch. */
  class Matrix {
   public:
    void run(int64_t row, int64_t rows, int64_t column, int64_t columns) const {
      if (rows <= 0 || columns <= 0) return;
      std::vector<View> views;
      views.reserve(all_.sides_.size());
      Operands in, out;
      in.reserve(all_.inputs_), out.reserve(all_.sides_.size() - all_.inputs_);
      for (size_t k = 0; k < all_.sides_.size(); k++) {
        const Side& side = all_.sides_[k];
        const int64_t offset = offsets_[k] + row * side.row_step + column * side.column_step;
        views.push_back({side.operand.view->buffer, side.operand.view->type, offset, {rows, columns}, {side.row_step, side.column_step}});
        (k < all_.inputs_ ? in : out).push_back({&views.back(), side.operand.data});
      }
      run_map(all_.map_, in, out);
    }

   private:
    friend class Following;
    explicit Matrix(const Following& all) : all_(all) {}
    const Following& all_;
    std::vector<int64_t> offsets_;
  };

  /** The matrix at these positions of the axes before the rows, from a row on. */
  Matrix at(const Dims& leading, int64_t row) const {
    Matrix m(*this);
    m.offsets_.reserve(sides_.size());
    for (const Side& side : sides_) {
      const View& v = *side.operand.view;
      int64_t offset = v.offset + row * side.row_step;
      for (size_t axis = 0; axis < leading.size(); axis++) offset += leading[axis] * v.strides[axis];
      m.offsets_.push_back(offset);
    }
    return m;
  }

  /** What a product calls with each part: its columns may be places, those between them are no columns of the matrix. */
  struct OfProduct {
    const Matrix& matrix;
    const int64_t* places;
    int64_t column_step;

    static void run(const void* context, const Part& part) {
      const auto& self = *static_cast<const OfProduct*>(context);
      int64_t first = part.column, end = part.column + part.columns;
      if (self.places) {
        while (first < end && self.places[first] < 0) first++;
        while (end > first && self.places[end - 1] < 0) end--;
        if (first == end) return;
        end = self.places[end - 1] / self.column_step + 1;
        first = self.places[first] / self.column_step;
      }
      self.matrix.run(part.row, part.rows, first, end - first);
    }
  };

 private:
  struct Side {
    Operand operand;
    int64_t row_step, column_step;
  };
  const Map& map_;
  size_t inputs_;
  std::vector<Side> sides_;
  std::optional<Clamp> clamp_;
  bool is_even_ = true;
};

}  // namespace omnix
