# The suites in order. $third picks a third of the framework cases, or all.
corpus="$cache/corpus"
supported="simple_nn mlp lenet resnet18"

start() { npm start && echo "1 passed, 0 failed"; }
native() {
  debian g++ || return 1
  npm run build:native || return 1
  # Instruction sets that this processor lacks are the portable one.
  for set in portable avx2 avx512; do
    OMNIX_INSTRUCTIONS=$set npx vitest run test/unit/claims.test.ts test/unit/cpu.test.ts || return 1
  done
  vitest_suite test/unit/claims.test.ts test/unit/cpu.test.ts test/unit/scalars.test.ts test/samples
}
browser() {
  debian chromium || return 1
  vitest_suite --config test/browser/vitest.config.ts
}
# WebGPU in Node on the software adapter that comes with Chromium.
software_adapter() {
  debian chromium libvulkan1 || return 1
  export VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json XDG_RUNTIME_DIR="$log"
}
webgpu() { software_adapter && vitest_suite --config test/webgpu/vitest.config.ts; }
# Both packages as they are published, in an empty folder.
packages() { debian g++ || return 1; npm run prebuild && node test/interop/packages.mjs; }
sanitizers() {
  debian g++ || return 1
  node scripts/build-native.mjs --sanitize address,undefined || return 1
  local addon
  addon=$(ls build/*address*.node | head -1)
  export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 OMNIX_ADDON="$root/$addon" \
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
  vitest_suite test/unit/claims.test.ts test/unit/cpu.test.ts test/unit/outputs.test.ts test/unit/scalars.test.ts test/samples &&
    node dist/test/fuzz/run.js --of models --backend cpu --seconds 30 --seed 20261126
}
# Runs side by side and runs that are stopped. What is not of the addon has no marks for the sanitizer, which must not guess there.
threads() {
  debian g++ || return 1
  node scripts/build-native.mjs --sanitize thread || return 1
  export OMNIX_ADDON="$root/$(ls build/*-thread.node | head -1)"
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1 exitcode=66" LD_PRELOAD="$(gcc -print-file-name=libtsan.so)"
  node dist/test/threads/run.js --third "$third" && vitest_suite test/unit/cpu.test.ts
}
drift() {
  "$python" test/interop/proto_check.py && "$python" test/interop/tf_proto_check.py && "$python" test/interop/schema_drift.py && "$python" scripts/gen-tensorflow.py --check
}
samples() {
  rm -rf build/samples && node dist/scripts/samples.js build/samples && "$python" test/samples/expected.py build/samples --check
}
# Models of the reference corpus, made once for its program; evaluate.py is the judge.
make_corpus() { make_family torch "$@"; }
make_family() {
  local key stamp family=$1
  key=$(sha256sum "$shared/corpus/make_$family.py" | cut -c1-12)
  stamp="$corpus/.$family-$key-$2"
  shift 2
  [ -f "$stamp" ] && return 0
  mkdir -p "$corpus" && "$python" "$shared/corpus/make_$family.py" --out "$corpus/$family" "$@" && touch "$stamp"
}
# What evaluate.py says of some cases of a family: judge FAMILY NAMES KINDS [ARGUMENTS...]
judge() {
  local report="build/ci/$1-$3.json" family=$1 names=$2 kinds=$3
  shift 3
  "$python" "$shared/corpus/evaluate.py" "$corpus/$family" --repo . --only "$names" --kinds "$kinds" --out "$report" "$@" || return 1
  node -e 'const r=JSON.parse(require("fs").readFileSync(process.argv[1])); const n=r.filter(x=>x.ok).length; console.log(`${n} passed, ${r.length-n} failed`); process.exit(n===r.length&&n>0?0:1)' "$report"
}
interop() { make_corpus supported --only $supported && judge torch "$(echo $supported | tr ' ' ,)" pt2,onnx --backend reference; }
# The names of a third of the open cases of a family, or of all, with commas; they are made where they are not there.
open_cases() {
  local names family=$1
  names=$("$python" "$shared/corpus/make_$family.py" --set open --list 2>/dev/null | awk '{ print ($2 == "full" ? $3 : $2) }' | awk -v third="$third" 'third == "all" || NR % 3 == third')
  if [ ! -f "$corpus/.$family-$(sha256sum "$shared/corpus/make_$family.py" | cut -c1-12)-all" ]; then make_family "$family" "programs-$third" --only $names >&2 || return 1; fi
  echo $names | tr ' ' ,
}
# The .pt2 programs of the corpus.
programs() { local names && names=$(open_cases torch) && judge torch "$names" pt2; }
# The TorchScript programs of the corpus, and those of test/interop.
torchscript() { local names && "$python" test/interop/torchscript.py --third "$third" && names=$(open_cases torch) && judge torch "$names" torchscript; }
# Every operator of TensorFlow with a row, and the SavedModels and frozen graphs of the corpus: a third of the cases, or all.
tensorflow_ops() { "$python" test/interop/tf_ops.py --third "$third"; }
# Models of packages that pip can fetch.
shipped() { "$python" test/interop/shipped_models.py "$cache/shipped"; }
tensorflow_models() { "$python" test/interop/tf_models.py; }
tensorflow() { local names && names=$(open_cases tf) && judge tf "$names" saved_model,graphdef; }
# Both corpora in every format through a backend: a third of the cases, or all.
corpora() {
  local names
  names=$(open_cases torch),$(open_cases tf) && node dist/test/interop/corpora.js "$corpus/torch" "$corpus/tf" --only "$names" "$@"
}
corpora_cpu() { npm run build:native && corpora --backend cpu; }
corpora_webgpu() { software_adapter && corpora --backend webgpu; }
# TensorFlow.js graphs that the real converter writes, and those of the corpus.
tfjs() { open_cases tf >/dev/null && "$python" test/interop/tfjs.py --corpus "$corpus/tf"; }
# Every case instead of a third: three times as many, and no end after so many seconds.
if [ "$third" = all ]; then whole=4 most=100000; else whole=1 most=200; fi
aten() { "$python" test/interop/aten.py --third "$third"; }
architectures() { "$python" test/interop/architectures.py --third "$third" --limit "$most"; }
core_aten() { "$python" test/interop/architectures.py --third "$third" --limit "$((most * 2 / 3))" --core --only 'transformers/*'; }
# The standard's own backend tests, and cases of our own, through the reference backend and the native one.
conformance_cases() {
  local key stamp
  key=$(cat test/conformance/{write,own}_cases.py | sha256sum | cut -c1-12)
  stamp="$cache/conformance/.cases-$key"
  [ -f "$stamp" ] && return 0
  rm -rf "$cache/conformance"
  "$python" test/conformance/write_cases.py "$cache/conformance" && "$python" test/conformance/own_cases.py "$cache/conformance" && touch "$stamp"
}
conformance() {
  conformance_cases || return 1
  local kinds="node,simple,pytorch-converted,pytorch-operator,own"
  [ "$third" = all ] && kinds="$kinds,light"
  node dist/test/conformance/run.js "$cache/conformance" --kind "$kinds"
}
conformance_cpu() {
  conformance_cases && npm run build:native && node dist/test/conformance/run.js "$cache/conformance" --kind node,simple,pytorch-converted,pytorch-operator,own --backend cpu
}
conformance_webgpu() {
  conformance_cases && software_adapter &&
    node dist/test/conformance/run.js "$cache/conformance" --kind node,simple,pytorch-converted,pytorch-operator,own --backend webgpu --third "$third"
}
selection() { conformance_cases && "$python" test/conformance/write_cases.py "$cache/conformance" --only - --check; }
# Models written in other opsets, run by the reference backend and by ONNX Runtime.
opsets() {
  conformance_cases || return 1
  rm -rf build/opsets && node dist/test/conformance/opsets.js "$cache/conformance" build/opsets --third "$third" &&
    "$python" test/conformance/opsets.py "$cache/conformance" build/opsets --no-converter
}
microsoft() { "$python" test/interop/microsoft.py; }
# The gradient of every sample beside central differences: in both forms, with an open size, and of the gradient itself. Those of
# test/interop beside PyTorch's autograd.
gradients() {
  for way in "" "--function --open" --second; do node dist/scripts/ops.js grad $way --third "$third" || return 1; done
}
# The same on the software adapter: gradients by what a shader computes, and the first steps of the recorded runs.
autograd_webgpu() { software_adapter && "$python" test/interop/gradients.py --third "$third" --backend webgpu; }
training_runs_webgpu() {
  local part="--steps 2 --forms infer"
  [ "$third" = all ] && part="--forms infer"
  make_family training all --set open >&2 && software_adapter && "$python" test/interop/training_runs.py "$corpus/training" --backends webgpu --replay $part
}
autograd() { "$python" test/interop/gradients.py --third "$third"; }
# Losses, optimizers and schedules beside PyTorch, networks trained beside it, and its recorded runs, replayed by us and by ONNX Runtime.
training_parts() { "$python" test/interop/training_parts.py; }
training_example() { npm run build:native && "$python" test/interop/training_example.py; }
training_digits() { npm run build:native && "$python" test/interop/training_digits.py "$cache/shipped"; }
training_runs() {
  local part="--steps 6 --forms infer,pt2"
  [ "$third" = all ] && part=""
  npm run build:native && make_family training all --set open >&2 && "$python" test/interop/training_runs.py "$corpus/training" $part
}
optimised() { "$python" test/interop/optimised.py; }
# Edited models, and folders of test data that the standard's package wrote.
edit() { "$python" test/interop/edit.py; }
data_sets() { "$python" test/interop/data_sets.py; }
# Types of whole models beside onnx.shape_inference.
types() {
  conformance_cases || return 1
  { find "$cache/conformance" -name model.onnx; onnx_files; } | "$python" test/interop/inferred.py build/types && node dist/test/interop/inferred.js build/types/index.json
}
# Mutants: through everything of ours for a minute, and some of them before onnx.checker, ONNX Runtime and the reference evaluator.
fuzz() { node dist/test/fuzz/run.js --seconds 60 --seed 20261126; }
verdicts() {
  rm -rf build/mutants && node dist/test/fuzz/run.js --count $((500 * whole)) --seed 7 --write build/mutants >/dev/null &&
    "$python" test/fuzz/anchors.py build/mutants && node dist/test/fuzz/run.js --compare build/mutants
}
hostile() { node dist/test/hostile/run.js --third "$third"; }
# Every text that the onnx package writes and reads, against ours.
text_formats() { conformance_cases && "$python" test/interop/text_formats.py --sample $([ "$third" = all ] && echo 1000 || echo 300); }
# Simplified models, and models in shorter float types, run beside the originals: those of models/, and the corpus where every case is run.
whole_corpus() { [ "$third" = all ] && make_corpus all --set open >&2 && echo "--corpus $corpus/torch"; }
simplify() { "$python" test/interop/simplify.py $(whole_corpus); }
# Networks with channels last, as tf2onnx writes them, keep no transposes inside.
layout() { "$python" test/interop/layout.py; }
# Quantised models in ONNX Runtime, beside those that its own tool makes.
quantize() {
  local only=mlp,lenet,bert_tiny,gpt2_tiny
  [ "$third" = all ] && only=$only,resnet18,mobilenet_v2
  npm run build:native && make_corpus quantized --only ${only//,/ } && "$python" test/interop/quantize.py "$corpus/torch" --only "$only" --backend cpu
}
narrow() {
  "$python" test/interop/narrow.py $(whole_corpus)
  local status=$?
  "$python" test/interop/narrow.py --dtype bf16 && return $status
}
# Programs that go out to PyTorch and come back.
torch_round_trips() {
  local names
  names=$(open_cases torch) || return 1
  "$python" test/interop/torch_round_trips.py "$corpus/torch" --only "$names"
}
# Conformance models as programs of PyTorch in each of its forms, which loads and runs them.
to_torch() {
  conformance_cases || return 1
  rm -rf build/to-torch && node dist/test/interop/to_torch.js "$cache/conformance" build/to-torch --third "$third" >/dev/null &&
    "$python" test/interop/to_torch.py "$cache/conformance" build/to-torch
}
weights() { "$python" test/interop/weights.py; }
# Other weights in converted programs, by PyTorch and ONNX Runtime.
swap() { "$python" test/interop/swap.py $(whole_corpus); }
# Operators of TensorFlow Lite beside its interpreter, and the models of the corpus beside TensorFlow.
tflite() { "$python" test/interop/tflite.py --third "$third"; }
# Operators of TensorFlow inside of TensorFlow Lite models.
tflite_flex() { "$python" test/interop/tflite_flex.py --third "$third"; }
tflite_models() { open_cases tf >/dev/null && "$python" test/interop/tflite_models.py --corpus "$corpus/tf" --third "$third"; }
# Layers of Keras one by one, as both of its files.
keras() { "$python" test/interop/keras_layers.py --third "$third"; }
fresh() { "$python" test/interop/export_fresh.py --third "$third"; }
# Every ONNX file there is: the corpus, the models that the onnx package ships, and our own.
onnx_files() { find "$corpus" "$venv/lib" models -name "*.onnx" | sort; }
roundtrip() {
  [ "$third" = all ] && { make_corpus all --set open || true; }
  node test/interop/onnx_proto.mjs $(onnx_files) || return 1
  "$python" test/interop/roundtrip.py $(onnx_files | awk -v third="$third" "third == \"all\" || NR % 3 == third")
}

suite test 450 npm_test
suite start 60 start
suite check 60 npm run check
suite native 300 native
suite packages 400 packages
suite sanitizers 600 sanitizers
suite threads 300 threads
suite browser 300 browser
suite webgpu 240 webgpu
suite environment 600 python_environment
python_environment >/dev/null 2>&1
suite drift 120 drift
suite samples 120 samples
suite selection 120 selection
suite conformance 300 conformance
suite conformance_cpu 300 conformance_cpu
suite conformance_webgpu $((120 * whole)) conformance_webgpu
suite microsoft 200 microsoft
suite optimised 200 optimised
suite gradients $((120 * whole)) gradients
suite training_parts 120 training_parts
suite training_example 200 training_example
suite training_digits 200 training_digits
suite training_runs $((400 * whole)) training_runs
suite autograd $((150 * whole)) autograd
suite autograd_webgpu $((150 * whole)) autograd_webgpu
suite training_runs_webgpu $((200 * whole)) training_runs_webgpu
suite types 120 types
suite fuzz 90 fuzz
suite verdicts $((150 * whole)) verdicts
suite hostile $((500 * whole)) hostile
suite opsets $((90 * whole)) opsets
suite simplify $((60 * whole)) simplify
suite layout 240 layout
suite narrow $((90 * whole)) narrow
suite quantize 300 quantize
suite edit 200 edit
suite text_formats 200 text_formats
suite data_sets 120 data_sets
suite interop 240 interop
suite programs 400 programs
suite corpora_cpu $((60 * whole)) corpora_cpu
suite corpora_webgpu $((150 * whole)) corpora_webgpu
suite torchscript 400 torchscript
suite tensorflow 400 tensorflow
suite tensorflow_models 120 tensorflow_models
suite tfjs 240 tfjs
suite shipped 200 shipped
suite tensorflow_ops $((300 * whole)) tensorflow_ops
suite aten $((500 * whole)) aten
suite architectures $((500 * whole)) architectures
suite core_aten $((400 * whole)) core_aten
suite to_torch $((300 * whole)) to_torch
suite torch_round_trips $((400 * whole)) torch_round_trips
suite weights 120 weights
suite swap $((400 * whole)) swap
suite tflite $((120 * whole)) tflite
suite tflite_flex $((60 * whole)) tflite_flex
suite tflite_models $((900 * whole)) tflite_models
suite keras $((500 * whole)) keras
suite fresh $((240 * whole)) fresh
suite roundtrip $((240 * whole)) roundtrip
