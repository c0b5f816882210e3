# Shared by .ci/run and .ci/full (everything here is exported, so that a suite can be a function under `timeout`): suites with a budget, counts, and the one Python environment of all suites.
set -ua
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
shared="$root/../shared"
cache="${OMNIX_CACHE:-$HOME/.cache/omnix}"
log="$root/build/ci"
mkdir -p "$log" "$cache"
passed=0
failed=0
report=""

# suite NAME BUDGET_SECONDS COMMAND… : runs it, adds what it counted, and shows its end where it failed.
suite() {
  local name=$1 budget=$2 start=$SECONDS status p f line
  shift 2
  echo "== $name (budget $budget s)"
  timeout --kill-after=10 $((budget * 3)) bash -c '"$@"' _ "$@" >"$log/$name.log" 2>&1
  status=$?
  line=$(awk '/^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3; n++ } END { if (n) print p, f }' "$log/$name.log")
  if [ -n "$line" ]; then
    p=${line% *}
    f=${line#* }
  else
    p=0
    f=0
    [ "$status" -eq 0 ] && p=1
  fi
  [ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  passed=$((passed + p))
  failed=$((failed + f))
  report="$report$(printf '%-16s %6d passed %4d failed  %5d s of %d s' "$name" "$p" "$f" $((SECONDS - start)) "$budget")
"
  [ "$f" -ne 0 ] && tail -60 "$log/$name.log"
  echo "   $p passed, $f failed in $((SECONDS - start)) s"
}

# A vitest run that ends with the line that suite reads.
vitest_suite() {
  node node_modules/vitest/vitest.mjs run --reporter=default --reporter=json --outputFile.json="$log/vitest.json" "$@"
  local status=$?
  node -e 'const r=JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(`${r.numPassedTests} passed, ${r.numFailedTests + r.testResults.filter(t => t.status === "failed" && t.assertionResults.length === 0).length} failed`)' "$log/vitest.json" || return 1
  return $status
}

# The README's test command, counted.
npm_test() {
  npm test -- --reporter=default --reporter=json --outputFile.json="$log/vitest.json"
  local status=$?
  node -e 'const r=JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(`${r.numPassedTests} passed, ${r.numFailedTests} failed`)' "$log/vitest.json" || return 1
  return $status
}

# Python with the real frameworks, made once for a list of requirements.
python_environment() {
  local requirements="$shared/corpus/requirements.txt" key free
  [ -f "$requirements" ] || { echo "no $requirements"; return 1; }
  key=$(sha256sum "$requirements" | cut -c1-12)
  venv="$cache/venv-$key"
  python="$venv/bin/python"
  export venv python
  [ -f "$venv/.complete" ] && return 0
  free=$(df --output=avail -k "$cache" | tail -1)
  [ "$free" -gt 9000000 ] || { echo "the frameworks need 9 GB, $cache has $((free / 1000000)) GB"; return 1; }
  rm -rf "$venv"
  # Without the machine's own pip settings, which may cap a version below the one that is asked for.
  python3 -m venv "$venv" && PIP_CONFIG_FILE=/dev/null "$venv/bin/pip" install --quiet --no-deps -r "$requirements" && touch "$venv/.complete"
}

# Debian packages by name; nothing where they are installed.
debian() {
  dpkg -s "$@" >/dev/null 2>&1 && return 0
  apt-get update -qq && apt-get install -y -qq "$@"
}

finish() {
  printf '\n%s\n%d passed, %d failed\n' "$report" "$passed" "$failed"
  [ "$failed" -eq 0 ]
}
