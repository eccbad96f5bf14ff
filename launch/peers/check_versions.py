"""Ends with 0 if the packages named as NAME==VERSION or NAME are installed so."""
import importlib.metadata
import sys

for pin in sys.argv[1:]:
    name, _, version = pin.partition("==")
    try:
        found = importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"{name} is missing")
    if version and found != version:
        sys.exit(f"{name} is {found}, not {version}")
