// The border to JavaScript: the functions `constants`, `constant`, `bind`, `run`, `release` and `measure`. Exceptions of the kernels stop here and become
// errors with a code and the number of the step.
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "arenas.h"
#include "memory.h"
#include "plan.h"
#include "wire.h"

namespace omnix {
namespace {

using SharedConstants = std::shared_ptr<const Constants>;
using SharedPlan = std::shared_ptr<const Plan>;

const napi_type_tag constants_tag = {0x6f6d6e69782d6370, 0x752d636f6e737401};
const napi_type_tag plan_tag = {0x6f6d6e69782d6370, 0x752d706c616e0001};

Napi::Error to_error(Napi::Env env, const Refusal& refusal) {
  Napi::Error error = Napi::Error::New(env, refusal.message);
  error.Value().Set("code", refusal.code);
  error.Value().Set("step", static_cast<double>(refusal.step));
  return error;
}

Refusal out_of_memory() { return Refusal("E3007", "the run needs more memory than there is"); }

/** Run the body of an exported function; every C++ exception becomes a JavaScript one. */
template <class Body>
Napi::Value guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Refusal& refusal) {
    throw to_error(env, refusal);
  } catch (const std::bad_alloc&) {
    throw to_error(env, out_of_memory());
  } catch (const std::exception& e) {
    throw to_error(env, Refusal("E9001", std::string("native: ") + e.what()));
  }
}

template <class T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<const T> value, const napi_type_tag& tag) {
  auto external = Napi::External<std::shared_ptr<const T>>::New(
      env, new std::shared_ptr<const T>(std::move(value)), [](Napi::Env, std::shared_ptr<const T>* p) { delete p; });
  external.TypeTag(&tag);
  return external;
}

template <class T>
std::shared_ptr<const T> unwrap(const Napi::Value& value, const napi_type_tag& tag) {
  if (!value.IsExternal()) throw Refusal("E9001", "native: a handle is expected");
  const auto external = value.As<Napi::External<std::shared_ptr<const T>>>();
  if (!external.CheckTypeTag(&tag)) throw Refusal("E9001", "native: a handle of another kind is expected");
  if (!*external.Data()) throw Refusal("E9001", "native: a handle that was released");
  return *external.Data();
}

Napi::Uint8Array bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Refusal("E9001", "native: bytes are expected");
  return value.As<Napi::Uint8Array>();
}

std::vector<std::byte> copy_of(const Napi::Value& value) {
  const Napi::Uint8Array bytes = bytes_of(value);
  std::vector<std::byte> copy(bytes.ByteLength());
  if (!copy.empty()) std::memcpy(copy.data(), bytes.Data(), copy.size());
  return copy;
}

Napi::Array array_at(const Napi::CallbackInfo& info, size_t at) {
  if (info.Length() <= at || !info[at].IsArray()) throw Refusal("E9001", "native: an array is expected");
  return info[at].As<Napi::Array>();
}

int64_t count_at(const Napi::CallbackInfo& info, size_t at) {
  return info.Length() > at && info[at].IsNumber() ? std::max<int64_t>(0, info[at].As<Napi::Number>().Int64Value()) : 0;
}

/** constants(number of buffers): a handle that `constant` fills. */
Napi::Value begin_constants(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto count = static_cast<size_t>(std::min<int64_t>(count_at(info, 0), INT32_MAX));
    auto constants = std::make_shared<Constants>();
    constants->arenas = std::make_shared<Arenas>();
    constants->bytes.resize(count);
    constants->released.resize(count);
    return wrap<Constants>(info.Env(), std::move(constants), constants_tag);
  });
}

/** constant(constants, buffer, bytes), before the first binding: the handle owns a copy. */
Napi::Value keep_constant(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const SharedConstants constants = unwrap<Constants>(info[0], constants_tag);
    const auto at = static_cast<size_t>(count_at(info, 1));
    if (at >= constants->bytes.size() || constants->released[at]) throw Refusal("E9001", "native: there is no such constant");
    constants->bytes[at] = copy_of(info[2]);
    return info.Env().Undefined();
  });
}

/** bind(words, names of block functions, constants, most threads or 0, most bytes): a handle on a plan that has been proved. */
Napi::Value bind_plan(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    if (info.Length() < 3 || !info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
      throw Refusal("E9001", "native: words, names and constants are expected");
    const auto words = info[0].As<Napi::Float64Array>();
    const Napi::Array given = array_at(info, 1);
    std::vector<std::string> names;
    for (uint32_t i = 0; i < given.Length(); i++) {
      const Napi::Value name = given[i];
      if (!name.IsString()) throw Refusal("E9001", "native: a name is expected");
      names.push_back(name.As<Napi::String>().Utf8Value());
    }
    auto plan = std::make_shared<Plan>(parse_plan(words.Data(), words.ElementLength(), names));
    plan->constants = unwrap<Constants>(info[2], constants_tag);
    plan->threads = count_at(info, 3);
    verify_plan(*plan);
    verify_memory(*plan, count_at(info, 4));
    prepare_plan(*plan);
    return wrap<Plan>(info.Env(), std::move(plan), plan_tag);
  });
}

/**
 * One run on a thread of the pool. It copies inputs into its own memory, so that the caller may change or transfer its arrays at once, but for
 * those that are lent; outputs are written where the caller says.
 */
class Run : public Napi::AsyncWorker {
 public:
  Run(Napi::Env env, SharedPlan plan, const Napi::Array& inputs, const Napi::Uint8Array& lent, const Napi::Array& outputs, const Napi::Value& stop, const Napi::Value& times)
      : Napi::AsyncWorker(env, "omnix.run"), plan_(std::move(plan)), memory_(*plan_->constants->arenas, memory_of(*plan_)), done_(Napi::Promise::Deferred::New(env)) {
    int64_t at = round_up(plan_->arena);
    for (uint32_t i = 0; i < inputs.Length(); i++) {
      const Napi::Uint8Array given = bytes_of(inputs[i]);
      const int64_t bytes = plan_->buffers[plan_->inputs[i].buffer].bytes();
      if (static_cast<int64_t>(given.ByteLength()) < bytes) throw Refusal("E3003", "input " + std::to_string(i) + " has fewer bytes than its buffer");
      if (lent[i] != 0) {
        inputs_.push_back(memory_of(given, plan_->inputs[i]));
        continue;
      }
      inputs_.push_back(memory_.get() + at);
      if (bytes > 0) std::memcpy(inputs_.back(), given.Data(), static_cast<size_t>(bytes));
      at += round_up(bytes);
    }
    for (uint32_t i = 0; i < outputs.Length(); i++) {
      const Napi::Uint8Array given = bytes_of(outputs[i]);
      const View& view = plan_->outputs[i];
      if (static_cast<int64_t>(given.ByteLength()) < plan_->buffers[view.buffer].bytes())
        throw Refusal("E3003", "output " + std::to_string(i) + " has fewer bytes than its buffer");
      outputs_.push_back(memory_of(given, view));
    }
    static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t), "a word of JavaScript is read as an atomic one");
    watch_.stop = reinterpret_cast<const std::atomic<int32_t>*>(held<int32_t>(stop, napi_int32_array, 1));
    watch_.times = held<double>(times, napi_float64_array, plan_->steps.size());
  }
  Napi::Promise promise() const { return done_.Promise(); }

 protected:
  void Execute() override {
    try {
      run_plan(*plan_, memory_.get(), inputs_, outputs_, watch_);
    } catch (const Refusal& refusal) {
      stop(refusal);
    } catch (const std::bad_alloc&) {
      stop(out_of_memory());
    } catch (const std::exception& e) {
      stop(Refusal("E9001", std::string("native: ") + e.what()));
    }
  }
  void OnOK() override { done_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error&) override { done_.Reject(to_error(Env(), *refusal_).Value()); }

 private:
  void stop(const Refusal& refusal) {
    refusal_ = refusal;
    SetError(refusal.message);
  }
  /** Memory of the caller, which lives as long as the run. */
  std::byte* memory_of(Napi::Uint8Array given, const View& view) {
    auto* memory = reinterpret_cast<std::byte*>(given.Data());
    if (reinterpret_cast<uintptr_t>(memory) % omnix::bytes_of(view.type) != 0) throw Refusal("E9001", "native: memory of a run is not aligned");
    held_.push_back(Napi::Persistent(given.As<Napi::Object>()));
    return memory;
  }
  /** Memory of a typed array, which lives as long as the run; null where there is none. */
  template <class T>
  T* held(const Napi::Value& value, napi_typedarray_type type, size_t least) {
    if (value.IsUndefined()) return nullptr;
    const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type && value.As<Napi::TypedArray>().ElementLength() >= least;
    if (!fits) throw Refusal("E9001", "native: an array of another type or length is expected");
    held_.push_back(Napi::Persistent(value.As<Napi::Object>()));
    return value.As<Napi::TypedArrayOf<T>>().Data();
  }
  /** Temporaries, then the inputs. */
  static int64_t memory_of(const Plan& plan) {
    int64_t bytes = round_up(plan.arena);
    for (const View& v : plan.inputs) bytes += round_up(plan.buffers[v.buffer].bytes());
    return bytes;
  }
  static int64_t round_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }
  SharedPlan plan_;
  const Arenas::Lent memory_;
  std::vector<std::byte*> inputs_;
  std::vector<std::byte*> outputs_;
  Watch watch_;
  std::vector<Napi::ObjectReference> held_;
  Napi::Promise::Deferred done_;
  std::optional<Refusal> refusal_;
};

/**
 * run(plan, bytes of each input, whether each is lent, memory of each output, a word that ends the run or undefined, memory for the
 * milliseconds of each step or undefined): a promise that is kept when the outputs are there.
 */
Napi::Value run(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    SharedPlan plan = unwrap<Plan>(info[0], plan_tag);
    const Napi::Array given = array_at(info, 1);
    const Napi::Uint8Array lent = bytes_of(info[2]);
    const Napi::Array outputs = array_at(info, 3);
    const bool fits = given.Length() == plan->inputs.size() && lent.ByteLength() == given.Length() && outputs.Length() == plan->outputs.size();
    if (!fits) throw Refusal("E9001", "native: another number of inputs or outputs is expected");
    auto worker = std::make_unique<Run>(info.Env(), std::move(plan), given, lent, outputs, info[4], info[5]);
    const Napi::Promise promise = worker->promise();
    worker.release()->Queue();
    return promise;
  });
}

/** release(plan): its memory is free at once, or when its last run ends; the collector knows nothing of how much that is. */
Napi::Value release(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    unwrap<Plan>(info[0], plan_tag);
    info[0].As<Napi::External<SharedPlan>>().Data()->reset();
    return info.Env().Undefined();
  });
}

/** measure(most threads or 0): operations of floats and bytes from memory in a second. */
Napi::Value measure_limits(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Limits limits = measure(count_at(info, 0));
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("flops", limits.flops);
    result.Set("bytes", limits.bytes);
    return result;
  });
}

Napi::Object exports_of(Napi::Env env, Napi::Object exports) {
  exports.Set("constants", Napi::Function::New(env, begin_constants));
  exports.Set("constant", Napi::Function::New(env, keep_constant));
  exports.Set("bind", Napi::Function::New(env, bind_plan));
  exports.Set("version", static_cast<double>(wire_version));
  exports.Set("run", Napi::Function::New(env, run));
  exports.Set("release", Napi::Function::New(env, release));
  exports.Set("measure", Napi::Function::New(env, measure_limits));
  return exports;
}

}  // namespace
}  // namespace omnix

Napi::Object Init(Napi::Env env, Napi::Object exports) { return omnix::exports_of(env, exports); }
NODE_API_MODULE(omnix_cpu, Init)
