#!/bin/sh
# `make run`: a real Telegraf with the plugin under inputs.execd, on the simulator or, with WOLKVOX_SERVER and WOLKVOX_TOKEN set, on wolkvox.
set -eu
cd "$(dirname "$0")/../.."

# Nothing that is started here outlives this script. It sits in `wait`, where a trap runs at once. SIGTERM is repeated because Telegraf
# loses one that comes while it reloads, and it reloads at the SIGHUP of a closing terminal.
started=
dir=$(mktemp -d)
stop() {
	trap '' HUP INT TERM
	for pid in $started; do
		while kill "$pid" 2>/dev/null; do sleep 0.2; done &
		wait "$pid" 2>/dev/null || :
	done
	wait 2>/dev/null
	rm -r "$dir"
}
trap stop EXIT
trap 'exit 0' HUP INT TERM

# A closing terminal may tell make alone, which then waits for this script, and a make that is killed can't tell anybody.
if [ -t 1 ]; then terminal=true; else terminal=false; fi
{
	while kill -0 "$PPID" && { ! $terminal || [ -t 1 ]; }; do sleep 0.5; done
	kill "$$"
} 2>/dev/null &
started=$!

if [ -n "${WOLKVOX_SERVER:-}${WOLKVOX_TOKEN:-}" ]; then
	export WOLKVOX_SERVER="${WOLKVOX_SERVER:?is empty, WOLKVOX_TOKEN is not}" WOLKVOX_TOKEN="${WOLKVOX_TOKEN:?is empty, WOLKVOX_SERVER is not}"
	export WOLKVOX_URL='https://wv{server}.wolkvox.com' WOLKVOX_INTERVAL=5m
	what="your wolkvox, asked every 5 minutes"
else
	# The simulator prints a configuration once it listens, and many calls keep even a night from having empty hours.
	: >"$dir/simulator"
	bin/wolkvox-simulator --addr 127.0.0.1:0 --peak-calls 20000 --licences 100 >"$dir/simulator" 2>&1 &
	simulator=$!
	started="$simulator $started"
	printed() { sed -n "s/^ *$1 = \"\(.*\)\"/\1/p" "$dir/simulator"; }
	until [ -n "$(printed url)" ]; do
		kill -0 "$simulator" 2>/dev/null || { cat "$dir/simulator" >&2; exit 1; }
		sleep 0.1
	done
	WOLKVOX_SERVER=$(printed server) WOLKVOX_TOKEN=$(printed token) WOLKVOX_URL=$(printed url) WOLKVOX_INTERVAL=15s
	export WOLKVOX_SERVER WOLKVOX_TOKEN WOLKVOX_URL WOLKVOX_INTERVAL
	what="a simulated wolkvox, asked every 15 seconds"
fi

# An output may need a server, which it starts here, and have something to show of it, until that server ends.
result="a line an hour, the running hour growing"
show() { :; }
if [ -f "testdata/run/output-${OUTPUT:=stdout}.sh" ]; then . "testdata/run/output-$OUTPUT.sh"; fi

echo "Telegraf and the plugin on $what: $result. Stop with Ctrl-C."
bin/telegraf --quiet --strict-env-handling --config testdata/run/telegraf.conf --config "testdata/run/output-$OUTPUT.conf" &
telegraf=$!
show &
started="$telegraf $started"
wait "$telegraf"
