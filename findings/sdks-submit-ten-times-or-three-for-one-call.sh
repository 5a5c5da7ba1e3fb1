#!/usr/bin/env bash
# fal-client 1.0.3 submits ten times in one call; lumaai, openai, runwayml and together three times.
#
# A server reads each submission, and the connection breaks before its answer, as happens when a proxy
# gives up. Each submission starts work that is paid for, and by default these SDKs repeat it as they
# repeat a reading, without an idempotency key. fal-client does so ten times, and neither its README
# nor its docstrings mention it. The READMEs of the other four, all made with Stainless, say that
# connection errors and statuses from 500 on are tried twice more; `max_retries=0` turns that off.
# fal-client has no such option. replicate sends a creation once.
#
# Only openai obeys a `Retry-After: 90` of a 429. lumaai, runwayml and together take a value above 60 for
# none and try again after about a second: all three tries are over before the pause that was asked
# for, and the call fails. fal-client does not read the header.
#
# Seen (submissions that the server got for one call; pause before the second try, asked for 90 s):
#             lost answer  500  429  pause
#   fal-client         10    1   10  under 2 s
#   lumaai              3    3    3  under 2 s
#   openai              3    3    3  90 s
#   runwayml            3    3    3  under 2 s
#   together            3    3    3  under 2 s
#   replicate           1    1    1  none
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fal-client==1.0.3 lumaai==1.21.0 \
    openai==3.57.0 replicate==1.0.7 runwayml==5.24.0 together==3.1.1
cat > "$folder/try.py" <<'PYTHON'
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fal_client
import fal_client.client
import lumaai
import openai
import replicate
import runwayml
import together

HEADERS: list[str] = []
PAUSES: list[float] = []
status = 0


class Api(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        HEADERS.append(" ".join(self.headers.keys()).lower())
        self.close_connection = True
        if status:
            self.send_response(status)
            self.send_header("content-length", "0")
            if status == 429:
                self.send_header("retry-after", "90")
            self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
fal_client.client.QUEUE_URL_FORMAT = f"{url}/"  # its address can otherwise only be https
time.sleep = PAUSES.append  # the pauses are noted and not waited for

FOX = "a fox"
FLUX = "black-forest-labs/FLUX.1-schnell"
fal = fal_client.SyncClient(key="any")
luma = lumaai.LumaAI(auth_token="any", base_url=url)
open_ai = openai.OpenAI(api_key="any", base_url=url)
runway = runwayml.RunwayML(api_key="any", base_url=url)
together_ai = together.Together(api_key="any", base_url=url)
replicate_com = replicate.Client(api_token="any", base_url=url)
CALLS = {
    "fal-client": lambda: fal.submit("fal-ai/flux/dev", {"prompt": FOX}),
    "lumaai": lambda: luma.generations.create(prompt=FOX, model="ray-2"),
    "openai": lambda: open_ai.images.generate(prompt=FOX, model="gpt-image-1"),
    "runwayml": lambda: runway.text_to_image.create(
        model="gen4_image", prompt_text=FOX, ratio="1024:1024"
    ),
    "together": lambda: together_ai.images.generate(prompt=FOX, model=FLUX),
    "replicate": lambda: replicate_com.predictions.create(version="v1", input={"prompt": FOX}),
}
print("            lost answer  500  429  pause")
for name, call in CALLS.items():
    counts = []
    for status in (0, 500, 429):
        HEADERS.clear()
        PAUSES.clear()
        try:
            call()
        except Exception:
            counts.append(len(HEADERS))
        assert not any("idempotency" in names for names in HEADERS)
    pause = ("under 2 s" if PAUSES[0] < 2 else f"{PAUSES[0]:.0f} s") if PAUSES else "none"
    print(f"{name:10} {counts[0]:12} {counts[1]:4} {counts[2]:4}  {pause}")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
            lost answer  500  429  pause
fal-client           10    1   10  under 2 s
lumaai                3    3    3  under 2 s
openai                3    3    3  90 s
runwayml              3    3    3  under 2 s
together              3    3    3  under 2 s
replicate             1    1    1  none
SEEN
echo "As described."
