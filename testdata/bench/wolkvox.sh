#!/bin/sh
# The script that inputs.exec would need in place of the plugin. make bench compares the two. It prints the current hour
# and the LOOKBACK hours (3) before it. Where the bench simulates a day, NOW is the simulated time.
set -eu
: "${WOLKVOX_URL:?is not set}" "${WOLKVOX_SOURCE:?is not set}" "${WOLKVOX_TOKEN:?is not set}"
export TZ="${WOLKVOX_TIMEZONE:-America/Bogota}" # must have an offset in whole hours and no daylight saving time
now=${NOW:-$(date +%s)}
from=$(date -d "@$((now - ${LOOKBACK:-3} * 3600))" +%Y%m%d%H0000)
to=$(date -d "@$now" '+%Y%m%d%H5959 %z')
zone=${to#* } to=${to% *}

# The token goes by stdin, since anybody may see the arguments of a process.
response=$(printf 'header = "wolkvox-token: %s"\n' "$WOLKVOX_TOKEN" |
	curl --config - --silent --show-error --max-time 60 ${WOLKVOX_CA:+--cacert "$WOLKVOX_CA"} \
		"$WOLKVOX_URL/api/v2/reports_manager.php?api=diagram_1_2&date_ini=$from&date_end=$to")

printf '%s' "$response" | jq --raw-output --arg source "$WOLKVOX_SOURCE" --arg zone "$zone" '
	"\(.error // "") \(.msg // "")" as $text |
	if (.code | tostring) == "200" then (.data // [])[]
	elif ($text | test("validate dates"; "i")) then empty # no records
	else error($text) end |
	(.date | strptime("%Y%m%d%H") | mktime - ($zone[0:3] | tonumber) * 3600) as $time |
	"wolkvox_ivr,hour=\(.date[8:10]),source=\($source) calls=\(.calls)i,minutes=\(.ivr_minutes) \($time)000000000"'
