#!/usr/bin/env bash
# polars 2.1.0: a CSV column of aspect ratios becomes a column of times of day.
#
# pl.read_csv(..., try_parse_dates=True) takes ratios such as 16:9 and 4:5 for hours and minutes, and
# write_csv writes them back with nanoseconds: 16:9 is 16:09:00.000000000 in the file. One ratio that
# is no time of day (32:9) keeps the whole column as text, so the same script changes one team's
# sheet and not another's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cat > "$folder/try.py" <<'PYTHON'
import io

import polars as pl

for ratios in (("16:9", "4:5", "1:1"), ("16:9", "32:9")):
    text = "prompt,aspect_ratio\n" + "".join(f"a fox,{ratio}\n" for ratio in ratios)
    table = pl.read_csv(io.StringIO(text), try_parse_dates=True)
    written = [line.split(",")[1] for line in table.write_csv().splitlines()[1:]]
    print(table.schema["aspect_ratio"], *written)
PYTHON
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
Time 16:09:00.000000000 04:05:00.000000000 01:01:00.000000000
String 16:9 32:9
SEEN
echo "As described."
