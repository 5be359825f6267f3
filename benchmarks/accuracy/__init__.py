"""How accurate a reconstruction is, in the numbers of the field: `python -m benchmarks.accuracy`, see `__main__`.

`pose`, `depth`, `alignment`, `fusion` and `surface` are the numbers; `scene` what is true and `prediction` what was
found; `scoring` puts one against the other; `blender` takes the found through a .blend file and back; `table` and
`page` show it. `rendered` makes scenes of our own, `official` reads those of the visual geometry benchmark.
"""

import sys
from pathlib import Path

from batch import PACKAGE, import_package

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".venv-accuracy"
"""Where the Makefile puts requirements/accuracy.txt."""

if PACKAGE not in sys.modules:
    import_package()
if str(PACKAGES) not in sys.path:
    sys.path.append(str(PACKAGES))
