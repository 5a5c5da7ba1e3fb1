#!/usr/bin/env bash
# dbos 3.4.0: after one call of its async API, DBOS.destroy() ends asyncio.to_thread for the program.
#
# The async calls (here list_workflows_async) make DBOS's thread pool the default executor of the
# running event loop. DBOS.destroy() shuts that pool down and leaves it in place, so a later
# asyncio.to_thread of the program's own raises RuntimeError, also after DBOS was launched again.
# The synchronous calls, made in a thread of the program, leave the event loop alone.
#
# Seen:
#   synchronous calls   to_thread works
#   async calls         RuntimeError: cannot schedule new futures after shutdown
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dbos==3.4.0
cat > "$folder/try.py" <<'PYTHON'
import asyncio
import sys

from dbos import DBOS


def launch() -> None:
    url = f"sqlite:///{sys.argv[1]}/engine.db"
    DBOS(config={"name": "try", "system_database_url": url, "log_level": "CRITICAL"})
    DBOS.launch()


async def used(is_async: bool) -> str:
    await asyncio.to_thread(launch)
    if is_async:
        await DBOS.list_workflows_async()
    else:
        await asyncio.to_thread(DBOS.list_workflows)
    await asyncio.to_thread(DBOS.destroy)
    try:
        return "to_thread " + await asyncio.to_thread(lambda: "works")
    except RuntimeError as e:
        return f"RuntimeError: {e}"


plain = asyncio.run(used(is_async=False))
theirs = asyncio.run(used(is_async=True))
print("synchronous calls  ", plain)
print("async calls        ", theirs)
assert plain == "to_thread works", "it behaves otherwise by now"
assert theirs == "RuntimeError: cannot schedule new futures after shutdown", "it behaves otherwise by now"
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder"
