"""Makes the desk's Python environment: checks the interpreter, creates .venv, installs the locked packages.

Standard library only, and words that the oldest Python 3 can still read: it runs before anything is installed, and
its first task is to say that an interpreter is too old. A stamp in the environment holds a hash of the lock file and
of the packages' metadata, so the second start costs nothing.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST, NEWEST = (3, 11), (3, 13)
PACKAGES = (
    "services/common",
    "services/simulator",
    "services/engine",
    "services/pricer",
    "services/monitor",
    "tools/desk",
)


def check_python(version):
    """What is wrong with this interpreter; empty when it will do."""
    if not OLDEST <= tuple(version) <= NEWEST:
        return (
            f"Bifrost needs Python {_text(OLDEST)} to {_text(NEWEST)}, this is {_text(version)} ({sys.executable}). "
            "Install one and name it: make run PYTHON=/path/to/python3.12"
        )
    try:
        import ensurepip  # noqa: F401  (Debian ships it apart)
        import venv  # noqa: F401
    except ImportError as error:
        package = f"python{_text(version)}-venv"
        return f"{sys.executable} lacks {error.name}: install it (on Debian and Ubuntu: apt-get install {package})"
    return ""


def _text(version):
    return ".".join(str(part) for part in version)


def fingerprint(lock, packages):
    """Changes whenever the environment has to be made anew."""
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
    for path in (lock, *(ROOT / package / "pyproject.toml" for package in packages)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make(folder, lock, packages):
    """Create or refresh ``folder`` from ``lock`` with the repository's ``packages`` in it; returns the exit code."""
    stamp, wanted = folder / ".bifrost-stamp", fingerprint(lock, packages)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return 0
    print(
        f"environment: installing {lock.name} into {folder.name} (the first time takes a minute or two)",
        flush=True,
    )
    # From here on the environment is unfinished, also when this is interrupted.
    if stamp.is_file():
        stamp.unlink()
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    editable = [part for package in packages for part in ("-e", str(ROOT / package))]
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, "--require-hashes", "-r", str(lock)],
    ]
    if editable:
        steps.append([*pip, "--no-deps", "--no-build-isolation", *editable])
    for step in steps:
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=str(ROOT))
        if done.returncode != 0:
            lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
            what = " ".join(step[:6]) + (" ..." if len(step) > 6 else "")
            print(f"environment: `{what}` failed:", *lines[-8:], sep="\n  ", file=sys.stderr)
            return 1
    stamp.write_text(wanted, encoding="utf-8")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv")
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements" / "runtime.lock")
    parser.add_argument(
        "--packages", nargs="*", default=PACKAGES, help="folders of the repository to install; may be none"
    )
    args = parser.parse_args()
    problem = check_python(sys.version_info[:2])
    if problem:
        print(problem, file=sys.stderr)
        return 2
    try:
        return make(args.folder.absolute(), args.lock.absolute(), args.packages)
    except KeyboardInterrupt:
        print("environment: interrupted; the next start begins it anew", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
