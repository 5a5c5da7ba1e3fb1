#!/usr/bin/env bash
# croniter 7.0.0: a daily cron line in the hour that the clock repeats is due twice on that day.
#
# On the day when daylight saving time ends, 02:30 exists twice in Europe/Paris. Debian's cron runs a
# job with a fixed hour once then (cron(8)), and cronsim 2.8 gives it once. croniter gives both, as two
# moments, so an engine that makes one run for each moment (DBOS 3.4) runs a daily job twice.
#
# Seen:
#   croniter  2026-10-25T02:30:00+02:00  2026-10-25T02:30:00+01:00  2026-10-26T02:30:00+01:00
#   cronsim   2026-10-25T02:30:00+02:00  2026-10-26T02:30:00+01:00  2026-10-27T02:30:00+01:00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check croniter==7.0.0 cronsim==2.8 tzdata
cat > "$folder/try.py" <<'PYTHON'
from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

NOON = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("Europe/Paris"))
theirs = croniter("30 2 * * *", NOON)
others = CronSim("30 2 * * *", NOON)
twice = [theirs.get_next(datetime).isoformat() for _ in range(3)]
once = [next(others).isoformat() for _ in range(3)]
print("croniter ", *twice, sep="  ")
print("cronsim  ", *once, sep="  ")
assert [at[:10] for at in twice] == ["2026-10-25", "2026-10-25", "2026-10-26"], "it behaves otherwise by now"
assert [at[:10] for at in once] == ["2026-10-25", "2026-10-26", "2026-10-27"], "it behaves otherwise by now"
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
