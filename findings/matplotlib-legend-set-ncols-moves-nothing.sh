#!/usr/bin/env bash
# matplotlib 3.11.2: Legend.set_ncols changes a number, and the legend is drawn as before.
#
# A legend arranges its entries once, when it is made. `set_ncols` stores the new number of columns
# without arranging them again. So a legend that is to stand in one column for a narrow page (a
# phone) stays four columns wide, and no error says so. A new legend with `ncols=1` is narrow.
#
# Seen (columns, and whether the drawn legend became narrower than the one with four):
#   set_ncols(1)    ncols 1  narrower False
#   new, ncols=1    ncols 1  narrower True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check matplotlib==3.11.2
cat > "$folder/try.py" <<'PYTHON'
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

figure, axes = pyplot.subplots(figsize=(8, 3))
for name in ("done", "failed", "waiting", "check needed"):
    axes.plot([0, 1], [0, 1], label=name)


def width(legend: object) -> float:
    figure.canvas.draw()
    return legend.get_window_extent().width


legend = axes.legend(ncols=4)
before = width(legend)
legend.set_ncols(1)
seen = [f"set_ncols(1)    ncols {legend._ncols}  narrower {width(legend) < before - 1}"]
legend.remove()
legend = axes.legend(ncols=1)
seen.append(f"new, ncols=1    ncols {legend._ncols}  narrower {width(legend) < before - 1}")
print("\n".join(seen))
assert seen == [
    "set_ncols(1)    ncols 1  narrower False",
    "new, ncols=1    ncols 1  narrower True",
], "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
