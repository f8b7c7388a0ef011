"""Packages for functions, from wheels that are downloaded once."""

import io
import pathlib
import subprocess
import sys
import zipfile

from conftest import ROOT

WHEELS = ROOT / ".cache/wheels"
#: Oldest first: pip takes what fits.
PLATFORMS = ["manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux2014_aarch64", "manylinux_2_28_aarch64"]


def wheels(python, *requirements):
    """Paths of the wheels that these versions have for an interpreter: `3.8`. What they require has to be named, too."""
    directory = WHEELS / ("-".join([python, *requirements]).replace("==", "-"))
    if not directory.exists():
        machine = "aarch64" if "aarch64" in sys.implementation._multiarch else "x86_64"
        platforms = [word for platform in PLATFORMS if platform.endswith(machine) for word in ("--platform", platform)]
        unfinished = pathlib.Path(str(directory) + ".new")
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
                "--implementation", "cp", "--python-version", python, *platforms, "--dest", str(unfinished), *requirements,
            ],
            check=True,
        )
        unfinished.rename(directory)
    return sorted(directory.glob("*.whl"))


def with_wheels(files, paths):
    """A zip of name → text, and everything that is in the wheels."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    info = zipfile.ZipInfo(name)
                    info.external_attr = 0o100755 << 16
                    info.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(info, wheel.read(name))
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, text)
    return buffer.getvalue()
