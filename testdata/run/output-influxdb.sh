# The InfluxDB of `make run OUTPUT=influxdb`, read by run.sh: a server on a free port, whose database ends with it, and what to show of it.
export INFLUXDB_META_DIR="$dir/influxdb/meta" INFLUXDB_DATA_DIR="$dir/influxdb/data" INFLUXDB_DATA_WAL_DIR="$dir/influxdb/wal"
export INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:0 INFLUXDB_BIND_ADDRESS=127.0.0.1:0 INFLUXDB_REPORTING_DISABLED=true
: >"$dir/influxd"
bin/influxd run >"$dir/influxd" 2>&1 &
influxd=$!
started="$influxd $started"
address() { sed -n 's/.*msg="Listening on HTTP".* addr=\([^ ]*\) .*/\1/p' "$dir/influxd"; }
until [ -n "$(address)" ]; do
	kill -0 "$influxd" 2>/dev/null || { cat "$dir/influxd" >&2; exit 1; }
	sleep 0.1
done
export INFLUX_URL="http://$(address)" WOLKVOX_BACKFILL=744h
result="a month of it goes into InfluxDB"
# History comes with every second gather.
if [ -n "${simulator:-}" ]; then WOLKVOX_INTERVAL=1s what="a simulated wolkvox, asked every second"; fi

ask() { bin/influx -host 127.0.0.1 -port "${INFLUX_URL##*:}" -database telegraf "$@"; }

show() {
	# The month is in when no more hours come.
	hours=''
	until [ -n "$hours" ] && [ "$hours" = "$before" ]; do
		kill -0 "$influxd" 2>/dev/null || return 0
		before=$hours
		sleep 5
		hours=$(ask -format csv -execute 'SELECT count("calls") FROM "wolkvox_ivr"' 2>/dev/null | sed -n 's/^wolkvox_ivr,0,//p')
	done
	# The operation's day, in Bogota, where it is UTC-5 all year, whatever this machine knows of time zones.
	midnight="'$(TZ='<-05>5' date +%Y-%m-%d)T05:00:00Z'"
	day() {
		ask -format csv -execute "SELECT sum(calls), sum(minutes) FROM wolkvox_ivr WHERE time >= $midnight$1 AND time < $midnight$2 GROUP BY hour" |
			sed -n "s/^wolkvox_ivr,hour=/$3,/p"
	}
	echo
	echo "$hours hours are in the database. Today against the same weekday last week:"
	echo
	{ day '' ' + 1d' today; day ' - 7d' ' - 6d' past; } | awk -F, -v now="$(TZ='<-05>5' date +%H)" '
		{ calls[$1, $2] = $4; minutes[$1, $2] = sprintf("%.1f", $5) }
		END {
			print "        today             last week"
			print "hour    calls  minutes    calls  minutes"
			for (i = 0; i < 24; i++) {
				hour = sprintf("%02d", i)
				printf "%s %11s %8s %8s %8s%s\n", hour, calls["today", hour], minutes["today", hour],
					calls["past", hour], minutes["past", hour], hour == now ? "   running" : ""
			}
		}'
	echo
	echo "To ask more: bin/influx -port ${INFLUX_URL##*:} -database telegraf -precision rfc3339. Stop with Ctrl-C."
}
