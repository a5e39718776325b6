#!/usr/bin/env bash
# Curation beside the other tools, in one run: beside.sh DIR MEGABYTES TEXT_FOLDER... [-- more arguments of speed.py]
#
# What is not there yet is made first: DIR/environments (over the network), DIR/corpus-MEGABYTES. Then groundup, datatrove,
# datasketch and text-dedup take turns on that corpus; DIR/costs-MEGABYTES.md and .json say what each took and what it found.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 3 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
dir=$1 megabytes=$2
shift 2
texts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do texts+=("$1"); shift; done
[ $# -eq 0 ] || shift
python=${PYTHON:-python}

mkdir -p "$dir"
environments=$dir/environments corpus=$dir/corpus-$megabytes costs=$dir/costs-$megabytes
if [ ! -e "$environments/complete" ]; then
    "$here/environments.sh" "$environments"
    touch "$environments/complete"
fi
[ -e "$corpus/about.json" ] || "$python" "$here/corpus.py" "$corpus" --text "${texts[@]}" --megabytes "$megabytes"
"$python" "$here/speed.py" "$corpus" --peers "$environments" --scratch "$dir" --json "$costs.json" "$@" > "$costs.md"
cat "$costs.md"
