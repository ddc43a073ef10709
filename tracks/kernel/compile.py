"""Compiles multiply.c and serve.c into bin/multiply, as flags.toml says, with the system's compiler."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

SWITCHES = {"native": "-march=native", "unroll": "-funroll-loops"}
MORE = re.compile(r"-[fm](?!plugin|profile)[a-z0-9-]+(=[a-z0-9-]+)?")
ALWAYS = ("-std=gnu11", "-Wall", "-o", "bin/multiply", "serve.c", "multiply.c")


def flags(told):
    """The compiler's flags for these settings; ends with a sentence where there is none."""
    level, more = told.pop("optimize", 0), told.pop("more", "")
    if type(level) is not int or not 0 <= level <= 3 or type(more) is not str:
        sys.exit("flags.toml: `optimize` is a whole number from 0 to 3, and `more` a text of flags.")
    for name, on in told.items():
        if name not in SWITCHES or type(on) is not bool:
            sys.exit(f"flags.toml: `{name}` is not one of {', '.join(SWITCHES)}, or is neither true nor false.")
    for flag in more.split():
        if not MORE.fullmatch(flag):
            sys.exit(f"flags.toml: {flag!r} in `more` is not allowed: name flags that begin with -f or -m.")
    return [f"-O{level}", *(SWITCHES[name] for name, on in told.items() if on), *more.split()]


def compile_all():
    """Make bin/multiply."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit("there is no C compiler: install one (on Debian and Ubuntu: apt install gcc libc6-dev).")
    with open("flags.toml", "rb") as file:
        told = flags(tomllib.load(file))
    os.makedirs("bin", exist_ok=True)
    sys.exit(subprocess.run([compiler, *told, *ALWAYS], check=False).returncode)


if __name__ == "__main__":
    compile_all()
