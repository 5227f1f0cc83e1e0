#!/bin/sh
# `make run`: a real Telegraf with the plugin under inputs.execd and a real InfluxDB, on the simulator or, with WOLKVOX_SERVER and
# WOLKVOX_TOKEN set, on wolkvox. It shows a table of today's hours from InfluxDB and explains the parts of a row.
set -eu
cd "$(dirname "$0")/../.."

# No process started here outlives this script. It waits in `wait`, so traps run at once. SIGTERM is repeated because Telegraf loses it
# while reloading, and it reloads at the SIGHUP of a closing terminal.
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

# Stop this script if make is gone or the terminal has closed: a closing terminal may signal only make, which then waits for this
# script, and a killed make signals nobody.
if [ -t 1 ]; then terminal=true; else terminal=false; fi
{
	while kill -0 "$PPID" && { ! $terminal || [ -t 1 ]; }; do sleep 0.5; done
	kill "$$"
} 2>/dev/null &
started=$!

# serve NAME COMMAND... starts a server with its output in a file of that name, and waits until address can print where it listens.
serve() {
	name=$1
	shift
	: >"$dir/$name"
	"$@" >"$dir/$name" 2>&1 &
	server=$!
	started="$server $started"
	until [ -n "$(address "$name")" ]; do
		kill -0 "$server" 2>/dev/null || { cat "$dir/$name" >&2; exit 1; }
		sleep 0.1
	done
}
address() {
	sed -n -e 's/^ *url = "\(.*\)"/\1/p' -e 's/.*msg="Listening on HTTP".* addr=\([^ ]*\) .*/http:\/\/\1/p' "$dir/$1"
}
printed() { sed -n "s/^ *$1 = \"\(.*\)\"/\1/p" "$dir/simulator"; }

if [ -n "${WOLKVOX_SERVER:-}${WOLKVOX_TOKEN:-}" ]; then
	export WOLKVOX_SERVER="${WOLKVOX_SERVER:?is empty, WOLKVOX_TOKEN is not}" WOLKVOX_TOKEN="${WOLKVOX_TOKEN:?is empty, WOLKVOX_SERVER is not}"
	export WOLKVOX_URL='https://wv{server}.wolkvox.com' WOLKVOX_INTERVAL=5m
	what="your wolkvox, with one request every 5 minutes"
else
	# The simulator prints a configuration once it listens. Many calls prevent empty hours even at night.
	serve simulator bin/wolkvox-simulator --addr 127.0.0.1:0 --peak-calls 20000 --licences 100
	WOLKVOX_SERVER=$(printed server) WOLKVOX_TOKEN=$(printed token) WOLKVOX_URL=$(printed url) WOLKVOX_INTERVAL=400ms
	export WOLKVOX_SERVER WOLKVOX_TOKEN WOLKVOX_URL WOLKVOX_INTERVAL
	what="a simulated wolkvox, at several requests per second"
fi

export INFLUXDB_META_DIR="$dir/influxdb/meta" INFLUXDB_DATA_DIR="$dir/influxdb/data" INFLUXDB_DATA_WAL_DIR="$dir/influxdb/wal"
export INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:0 INFLUXDB_BIND_ADDRESS=127.0.0.1:0 INFLUXDB_REPORTING_DISABLED=true
serve influxd bin/influxd run
influxd=$server
INFLUX_URL=$(address influxd) LINES_FILE=$dir/lines
export INFLUX_URL LINES_FILE INFLUX_DATABASE=telegraf INFLUX_USER= INFLUX_PASSWORD=

query() { bin/influx -port "${INFLUX_URL##*:}" -database telegraf -format csv -execute "$1" 2>/dev/null; }
hours() { query 'SELECT count("calls") FROM "wolkvox_ivr"' | sed -n 's/^wolkvox_ivr,0,//p'; }

# The operation's day, in Bogota: UTC-5 all year, even if this machine has no time zone database.
bogota() { TZ='<-05>5' date "$@"; }
# day FROM TO NAME prints the hours of a day. FROM and TO are relative to today's midnight.
day() {
	midnight="'$(bogota +%Y-%m-%d)T05:00:00Z'"
	query "SELECT sum(calls), sum(minutes) FROM wolkvox_ivr WHERE time >= $midnight$1 AND time < $midnight$2 GROUP BY hour" |
		sed -n "s/^wolkvox_ivr,hour=/$3,/p"
}

table() {
	echo "Today and the same weekday last week (InfluxDB holds $(hours) hours):"
	echo
	{ day '' ' + 1d' today; day ' - 7d' ' - 6d' past; } | awk -F, -v now="$(bogota +%H)" '
		{ calls[$1, $2] = $4; minutes[$1, $2] = sprintf("%.1f", $5) }
		END {
			print "        today             last week"
			print "hour    calls  minutes    calls  minutes"
			for (i = 0; i < 24; i++) {
				hour = sprintf("%02d", i)
				printf "%s %11s %8s %8s %8s%s\n", hour, calls["today", hour], minutes["today", hour],
					calls["past", hour], minutes["past", hour], hour == now ? "   current" : ""
			}
		}'
}

# explain shows the latest row and its parts.
explain() {
	echo
	echo "The latest row in line protocol, as Telegraf sends it to every output:"
	echo
	tail -n 1 "$LINES_FILE" | tee "$dir/line"
	echo
	sed 's/ /,/g' "$dir/line" | awk -F, '{
		for (i = 1; i <= NF; i++) {
			text = i == 1 ? "measurement" : "timestamp: the start of the hour, in nanoseconds since 1970 (UTC)"
			if ($i ~ /^hour=/) text = "tag: hour of the day in the operation\047s time zone"
			if ($i ~ /^source=/) text = "tag: host name of the operation\047s server"
			if ($i ~ /^calls=/) text = "field: calls that began in the hour and have ended"
			if ($i ~ /^minutes=/) text = "field: minutes that these calls consumed"
			printf "  %-28s %s\n", $i, text
		}
	}'
}

show() {
	# The history is complete when no more hours arrive. On a real operation that takes hours, so the script doesn't wait for it.
	last=none same=0
	until [ "$same" -ge 3 ]; do
		kill -0 "$influxd" 2>/dev/null || return 0
		sleep 0.5
		now=$(hours)
		if [ -n "$now" ] && [ "$now" = "$last" ]; then same=$((same + 1)); else same=0; fi
		last=$now
	done
	echo
	table
	explain
	echo
	echo "To query more: bin/influx -port ${INFLUX_URL##*:} -database telegraf -precision rfc3339. Press Ctrl-C to stop."
}

echo "Running Telegraf, the plugin and InfluxDB against $what. Press Ctrl-C to stop."
# Shows Telegraf's log until the stop. At Ctrl-C, InfluxDB also ends, and Telegraf would log errors about it.
: >"$dir/log"
tail -f "$dir/log" >&2 &
shown=$!
bin/telegraf --quiet --strict-env-handling --config testdata/run/telegraf.conf --config testdata/outputs/influxdb.conf >"$dir/log" 2>&1 &
telegraf=$!
show &
started="$shown $telegraf $started"
wait "$telegraf"
