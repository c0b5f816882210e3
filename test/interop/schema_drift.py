"""The committed operator tables are what their generators write from the installed `onnx`, `torch` and `onnxruntime`.

    python test/interop/schema_drift.py
"""
import difflib
import importlib.util
import sys
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATORS = ('scripts/gen-schemas.py', 'scripts/gen-aten.py', 'scripts/gen-microsoft.py')


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem.replace('-', '_'), ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def difference(path, wanted):
    """The first changed lines, shortened; empty where the file is as generated."""
    file = ROOT / path
    found = file.read_text() if file.exists() else ''
    changes = difflib.unified_diff(found.splitlines(), wanted.splitlines(), 'committed', 'generated', lineterm='', n=0)
    return [line[:200] for line in islice(changes, 12)]


def main():
    passed = failed = 0
    for generator in GENERATORS:
        for path, text in load(generator).render().items():
            changes = difference(path, text)
            passed, failed = passed + (not changes), failed + bool(changes)
            print(f'{"FAIL" if changes else "ok"}  {path}')
            if changes:
                print('\n'.join(changes), f'\nRun {generator} with the package version that line 1 of the file names.')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    sys.exit(main())
