// A bound plan as C++ data: kernels over views of buffers. Nothing here knows JavaScript.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "block_functions.h"
#include "element.h"

namespace omnix {

class Following;
class Packed;
class Coded;
struct PackedIntegers;
struct BlockedWeights;

/** An error for the caller: a code of the project's table, a message, and the step it arose in, -1 for none. */
class Refusal : public std::exception {
 public:
  Refusal(std::string code, std::string message, int64_t step = -1) : code(std::move(code)), message(std::move(message)), step(step) {}
  const char* what() const noexcept override { return message.c_str(); }
  std::string code;
  std::string message;
  int64_t step;
};

using Dims = std::vector<int64_t>;

/** A strided window on a buffer, in elements. */
struct View {
  size_t buffer = 0;
  Element type = Element::None;
  int64_t offset = 0;
  Dims shape;
  Dims strides;
};

/** A view over memory. `data` is where the buffer begins. */
struct Operand {
  const View* view;
  std::byte* data;
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

enum class Role : uint8_t { Input, Constant, Temporary, Output };

struct Buffer {
  Element type = Element::None;
  /** Elements. */
  int64_t size = 0;
  Role role = Role::Temporary;
  /** Bytes from the start of the arena, for temporaries. */
  int64_t offset = 0;
  int64_t bytes() const { return size * static_cast<int64_t>(bytes_of(type)); }
};

/** One step of a scalar program: a load (`input` set), a constant (neither), or a call of a block function. */
struct Instruction {
  Element type = Element::None;
  std::optional<size_t> input;
  uint64_t constant = 0;
  const NamedBlockFunction* call = nullptr;
  std::vector<size_t> args;
};

/** `blocks` is where the block of each instruction begins, in bytes for each element of a block, of `block_bytes` for all of them. */
struct Map {
  std::vector<Instruction> instructions;
  std::vector<size_t> outputs;
  std::vector<size_t> blocks{};
  size_t block_bytes = 0;
};
enum class By : uint8_t { Sum, Prod, Max, Min };
struct Reduce { By by; };
struct ArgReduce { By by; int64_t axis; bool last; };
/**
 * The second operand is `packed` or `coded` where it is constant and the same for all of a batch. With a block, it is whole numbers, and the
 * third are their scales: [blocks, columns], one for so many rows of the second. Where integers of 8 bits come to int32, the second is
 * constant, and the third the zero point of the first, if there is one.
 */
struct MatMul { int64_t block = 0; std::shared_ptr<const Packed> packed{}; std::shared_ptr<const Coded> coded{}; std::shared_ptr<const PackedIntegers> integers{}; };
/**
 * `packed` are the weights of each group, where they are constant: as rows of a product, or as columns of one that goes direct. Integers of 8 bits come to int32, with constant weights, no bias and the
 * zero point of the first as the fourth, if there is one.
 */
struct Conv {
  Dims strides, dilations, pads;
  int64_t group;
  std::vector<std::shared_ptr<const Packed>> packed{};
  bool is_direct = false;
  std::vector<std::shared_ptr<const PackedIntegers>> integers{};
  /** In blocks of channels, with fewer multiplications that round more. */
  bool winograd = false;
  /** Of one whose results are in blocks of channels. */
  std::shared_ptr<const BlockedWeights> blocked{};
};
enum class PoolBy : uint8_t { Max, Average, Lp };
struct Pool { PoolBy by; bool count_pads; int64_t p; Dims kernel, strides, dilations, pads; };
struct Copy {};
/** The stored bits of one element, in the low bytes. */
struct Fill { uint64_t bits; };
struct Values { Dims values; };
struct Gather { int64_t axis; };
struct TopK { int64_t axis; bool largest; };
enum class ScatterBy : uint8_t { None, Add, Mul, Max, Min };
/** Along an axis element by element, or at the places that the last axis of the indices names. */
struct Scatter { ScatterBy by; std::optional<int64_t> axis; };
using Kernel = std::variant<Map, Reduce, ArgReduce, MatMul, Conv, Pool, Copy, Fill, Values, Gather, TopK, Scatter>;

struct Step {
  Kernel kernel;
  std::vector<std::optional<View>> inputs;
  std::vector<View> outputs;
  /** A map that may run on each part of what the step before makes: nothing else reads that. */
  bool joins = false;
  /** So many steps from this one on run together, row by row; rows are the positions of so many leading axes of all their outputs. */
  size_t rows = 0, row_axes = 0;
};

/** Memory for temporaries that runs leave to the next ones: new memory costs more to touch than to compute with. */
class Arenas;

/** Shared by all bindings of an executable. */
struct Constants {
  /** The bytes of each constant buffer, at the buffer's index. */
  mutable std::vector<std::vector<std::byte>> bytes;
  /** Those whose bytes are gone, because products read them in the form that they were packed to. */
  mutable std::vector<bool> released;
  /** What was packed of them, by what and how. */
  mutable std::map<std::vector<int64_t>, std::shared_ptr<const Packed>> packed;
  mutable std::map<std::vector<int64_t>, std::shared_ptr<const Coded>> coded;
  mutable std::map<std::vector<int64_t>, std::shared_ptr<const PackedIntegers>> integers;
  mutable std::map<std::vector<int64_t>, std::shared_ptr<const BlockedWeights>> blocked;
  std::shared_ptr<Arenas> arenas;
};

struct Plan {
  std::vector<Buffer> buffers;
  std::vector<View> inputs;
  std::vector<View> outputs;
  std::vector<Step> steps;
  /** Bytes that all temporaries share. */
  int64_t arena = 0;
  /** The most threads that a run takes; 0 for all. */
  int64_t threads = 0;
  std::shared_ptr<const Constants> constants;
};

/** @throws Refusal E9001 where the words are not a plan */
Plan parse_plan(const double* words, size_t count, const std::vector<std::string>& names);

/** @throws Refusal E3005 where a view leaves its buffer, E3008 where a kernel does not take its operands */
void verify_plan(const Plan& plan);

/** Make a proved plan ready to run: constant sides of products are packed, once for all bindings. To be called on one thread at a time. */
void prepare_plan(Plan& plan);

/** What goes with a run. */
struct Watch {
  /** Set where the run must end; null where nothing ends it. */
  const std::atomic<int32_t>* stop = nullptr;
  /** Takes the milliseconds of each step; may be null. */
  double* times = nullptr;
};

/**
 * `arena` is memory for the temporaries; inputs and outputs are in the order of the plan's ports.
 * @throws Refusal E3006 for an index outside its axis, E3011 where the run was stopped
 */
void run_plan(const Plan& plan, std::byte* arena, const std::vector<std::byte*>& inputs, const std::vector<std::byte*>& outputs, const Watch& watch);

/** In a second. */
struct Limits { double flops, bytes; };
/** What so many threads reach at best, 0 for all. It takes a few tenths of a second. */
Limits measure(int64_t threads);

using Operands = std::vector<Operand>;
/** A block for each result of a map that was proved, those of calls in the blocks of calls that no other reads any more. */
void lay_blocks(Map& map);
void run_map(const Map& kernel, const Operands& inputs, const Operands& outputs);
void run_reduce(const Reduce& kernel, const Operand& x, const Operand& y);
void run_argreduce(const ArgReduce& kernel, const Operand& x, const Operand& y);
/** `following` runs on each part that is done; only for products that take it. */
void run_matmul(const MatMul& kernel, const Operand& a, const Operand& b, const Operand* zero, const Operand& y, const Following* following);
/** The first of the axes that are rows of one product: 0 where all of a batch are multiplied by the same matrix. */
size_t first_row_axis(const View& a, const View& b, const View& y);
/** Panels of the second operand's matrix, whose leading axes are one. */
std::shared_ptr<const Packed> pack_matmul(const View& b, const float* data);
/** The same for whole numbers with scales, and for halves. */
std::shared_ptr<const Coded> code_matmul(const MatMul& kernel, const View& b, const std::byte* data, const float* scales);
/** The same for integers of 8 bits whose sums are int32. */
std::shared_ptr<const PackedIntegers> pack_integer_matmul(const View& b, const std::byte* data);
std::shared_ptr<const PackedIntegers> pack_integer_conv(const Conv& kernel, const View& w, const std::byte* data, int64_t group);
/** Panels of the weights of a group; null for convolutions that are no products. */
std::shared_ptr<const Packed> pack_conv(const Conv& kernel, const View& w, const float* data, int64_t group);
/** Whether the outputs of a convolution are better rows of a product than its columns. */
bool goes_direct(const Conv& kernel, const View& x, const View& w, const View& y);
void run_conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand* zero, const Operand& y, const Following* following);
/** One step over its operands; absent inputs have no view. */
void run_step(const Step& step, const Operands& in, const Operands& out, const Following* following);
/** The steps of the group that begins at `at`. Temporaries without a place in the arena are made anew for each part. */
void run_rows(const Plan& plan, size_t at, const std::vector<std::byte*>& memory);
/** @throws Refusal E3008 where parts of the group would leave their memory */
void verify_rows(const Plan& plan, size_t at);
/** Along how many leading axes an operand of a group's step moves with the rows. */
size_t moving_axes(const Step& step, const View& v, size_t axes);
/** Whether the kernel runs a map on each part of what it makes. */
bool takes_following(const Step& step);
void run_pool(const Pool& kernel, const Operand& x, const Operand& y, const Operand* places);
void run_copy(const Operand& x, const Operand& y);
void run_fill(const Fill& kernel, const Operand& y);
void run_values(const Values& kernel, const Operand& y);
void run_gather(const Gather& kernel, const Operand& x, const Operand& indices, const Operand& y);
void run_topk(const TopK& kernel, const Operand& x, const Operand& values, const Operand& places);
/** y holds what the updates are written over. */
void run_scatter(const Scatter& kernel, const Operand& indices, const Operand& updates, const Operand& y);

}  // namespace omnix
