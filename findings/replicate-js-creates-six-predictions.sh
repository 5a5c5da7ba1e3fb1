#!/usr/bin/env bash
# replicate 1.4.0 (JavaScript): one create whose answer is lost makes six predictions, without a pause.
#
# The comment in the client's source says that a POST is sent again only after a 429, and then after
# the seconds of Retry-After or after growing intervals. In fact each error of fetch leads to another
# try, so if the connection breaks after the server read the request, five more POSTs follow. Each
# makes a prediction of its own, and the call then throws, as if there were none. After a 429 all six
# POSTs are sent one right after the other: Retry-After is not read, and no interval is kept. No
# option turns this off. The Python client 1.0.7 sends the first kind once.
#
# Seen (requests that the server got; whether all came before the 30 s of its Retry-After were over):
#   lost answer           6 POSTs  within 30 s  TypeError: fetch failed
#   503                   1 POST   within 30 s  ApiError
#   429, Retry-After: 30  6 POSTs  within 30 s  ApiError
#   lost, then answered   2 POSTs  within 30 s  prediction p2
set -euo pipefail
command -v node >/dev/null || { echo "needs node"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" replicate@1.4.0
cat > "$folder/try.cjs" <<'NODE'
const http = require("node:http");
const Replicate = require("replicate");

async function tried(name, answer) {
  const times = [];
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      times.push(Date.now());
      answer(request.socket, response, times.length);
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const replicate = new Replicate({ auth: "any", baseUrl });
  let said;
  try {
    const input = { prompt: "a fox" };
    const made = await replicate.predictions.create({ model: "black-forest-labs/flux-schnell", input });
    said = `prediction ${made.id}`;
  } catch (error) {
    said = error instanceof TypeError ? `TypeError: ${error.message}` : error.constructor.name;
  }
  const posts = `${times.length} POST${times.length === 1 ? " " : "s"}`;
  const soon = times.at(-1) - times[0] < 30_000 ? "within" : "after";
  console.log(`${name.padEnd(21)} ${posts}  ${soon} 30 s  ${said}`);
  server.closeAllConnections();
  server.close();
}

function json(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

async function main() {
  await tried("lost answer", (socket) => socket.destroy());
  await tried("503", (_, response) => json(response, 503, {}));
  await tried("429, Retry-After: 30", (_, response) => json(response, 429, {}, { "retry-after": "30" }));
  await tried("lost, then answered", (socket, response, count) =>
    count === 1 ? socket.destroy() : json(response, 201, { id: `p${count}`, status: "starting" }),
  );
}

main();
NODE
node "$folder/try.cjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
lost answer           6 POSTs  within 30 s  TypeError: fetch failed
503                   1 POST   within 30 s  ApiError
429, Retry-After: 30  6 POSTs  within 30 s  ApiError
lost, then answered   2 POSTs  within 30 s  prediction p2
SEEN
echo "As described."
