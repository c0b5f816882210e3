#!/usr/bin/env bash
# Measures what a page of docs/ says beside other tools, and makes the page: bash scripts/measure.sh conformance|checking|tensorflow|to-torch CASES [MODELS...]
# CASES is the folder that write_cases.py and own_cases.py of test/conformance wrote, MODELS are folders of further models, whose types are compared
# too; for tensorflow CASES is a folder of SavedModels as bench/from-tensorflow.py takes it, and $PYTHON has tf2onnx and TensorFlow too; for to-torch a folder of folders with
# `model.ts.onnx` and `inputs.npz`, $PYTHON has PyTorch, $PEER is a Python with onnx2torch, and $ONNX2TF one with onnx2tf, where that is to be measured too. $PYTHON has the packages onnx and onnxruntime. A quarter of an hour for each page.
set -euo pipefail
cd "$(dirname "$0")/.."
page=$1
cases=$2
shift 2
python=${PYTHON:-python3}
data=docs/data/$page
work=build/measured
rm -rf "$work"
mkdir -p "$work" "$data"

conformance() {
  local kinds=node,simple,pytorch-converted,pytorch-operator,own
  node dist/test/conformance/run.js "$cases" --kind "$kinds" --json "$data/cases.json"
  "$python" test/conformance/peers.py "$cases" --kind "$kinds" --json "$data/peers.json"
  node dist/test/conformance/opsets.js "$cases" "$work"
  "$python" test/conformance/opsets.py "$cases" "$work" --json "$data/opsets.json"
}
checking() {
  node dist/test/hostile/run.js --json "$data/hostile.json"
  node dist/test/hostile/run.js --write "$work/hostile"
  "$python" test/hostile/anchors.py "$work/hostile" "$work/anchors.json"
  node dist/test/hostile/run.js --anchors "$work/anchors.json" --json "$data/anchors.json"
  node dist/test/fuzz/run.js --count 5000 --seed 7 --write "$work/mutants"
  "$python" test/fuzz/anchors.py "$work/mutants"
  node dist/test/fuzz/run.js --compare "$work/mutants" --json "$data/mutants.json"
  find "$cases" models "$@" -name '*.onnx' ! -name data.onnx | "$python" test/interop/inferred.py "$work/types"
  node dist/test/interop/inferred.js "$work/types/index.json" --json "$data/types.json"
}
tensorflow() {
  "$python" bench/from-tensorflow.py "$cases" --json "$data/cases.json"
}
to_torch() {
  "$python" bench/to-torch.py "$cases"/*/model.ts.onnx --peer "${PEER:-$python}" ${ONNX2TF:+--onnx2tf "$ONNX2TF"} --json "$data/cases.json"
}
made() {
  "$python" - "$(node -p 'os.cpus()[0].model.trim() + ", " + os.cpus().length + " cores"')" "$(node -p process.versions.node)" <<'END'
import datetime, json, sys
import onnx, onnxruntime
made = {"date": datetime.date.today().isoformat(), "machine": sys.argv[1], "node": sys.argv[2]}
print(json.dumps({**made, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}, indent=1))
END
}

node scripts/prepare.mjs
case $page in
  conformance) conformance ;;
  checking) checking "$@" ;;
  tensorflow) tensorflow ;;
  to-torch) to_torch ;;
  *) echo "no page $page" && exit 2 ;;
esac
made >"$data/made.json"
rm -rf "$work"
npm run gen
