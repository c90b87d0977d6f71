#!/usr/bin/env bash
# replicator_upgrade.sh [SECONDS] - 20,000 datagrams a second through ten reloads
# and one hand-over to a new process: what the receivers counted is what was
# sent, double entry holds in both processes, and the counters of the second go on
# where those of the first ended.  Without SECONDS the traffic ends a while after that.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_upgrade
LENGTH=${1:-}
RATE=20000 RELOADS=10

IN=$(free_udp_port) ONE=$(free_udp_port) TWO=$(free_udp_port) HALF=$(free_udp_port) TENANT=$(free_udp_port)
METRICS=$(free_udp_port)

replicator_scenario "${LENGTH:-60}" "$RATE" netflow9 8 "cycle: 64" >"$TMP/scenario.yaml"

for name in one two half tenant; do
	port=${name^^}
	start_collector "$name" "${!port}"
done

receivers() { # ROUND: what is in force alternates, the two stay
	local more=
	[ $(($1 % 2)) -eq 0 ] || more=127.0.0.1/9
	echo "0.0.0.0: 127.0.0.1/$ONE 127.0.0.1/$TWO $more" >"$TMP/receivers.new"
	mv "$TMP/receivers.new" "$TMP/receivers"
}
receivers 0
# The scenario's customers are 10.0.0.0/16.
cat >"$TMP/map" <<-END
	id=1 ip=127.0.0.1:$HALF sample=2
	id=2 ip=127.0.0.1:$TENANT networks=10.0.0.0/17
END
cat >"$TMP/tee.conf" <<-END
	listen_port: $IN
	receive_buffer: 67108864
	receivers: $TMP/receivers
	tee_receivers: $TMP/map
	control: $TMP/control
	workers: 2
	pidfile: $TMP/pid
END
options=(--config "$TMP/tee.conf")
must start_daemon old "$IN" "$REPLICATOR" "${options[@]}" --stats "$TMP/old.tsv"

reloaded() { # FILE NUMBER
	[ "$(stat_value "$1" reloads)" -ge "$2" ] 2>/dev/null
}
log_counts() { # FILE TEXT NUMBER
	[ "$(grep -c "$2" "$1")" -ge "$3" ]
}

# ---- what a hand-over refuses, while nothing is disturbed -------------------------

ends() { # NAME STATUS REGEX ARGUMENT...
	local name=$1 want=$2 regex=$3 status
	shift 3
	timeout 10 "$REPLICATOR" "$@" >"$TMP/out" 2>&1
	status=$?
	check_equal "$name: status" "$want" "$status"
	check "$name: message" grep -Eq "$regex" "$TMP/out" || sed 's/^/     /' "$TMP/out"
}
echo "10.0.0.0/8 127.0.0.1" >"$TMP/bad"
ends "without a socket for commands" 2 'take-over: expected --control' --take-over -p "$IN" "127.0.0.1/$ONE"
ends "another port" 1 "listens on \*:$IN, not on \*:$ONE: nothing to take over" --take-over --control "$TMP/control" \
	-p "$ONE" "127.0.0.1/$TWO"
ends "nobody there" 1 'none: No such file or directory' --take-over --control "$TMP/none" -p "$IN" "127.0.0.1/$ONE"
ends "an error in the new receivers" 2 'expected SRC' --take-over --control "$TMP/control" -p "$IN" -c "$TMP/bad"

# ---- the run ----------------------------------------------------------------------

"$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" --late 5000 >"$TMP/craft.tsv" 2>"$TMP/craft.log" &
PID[craft]=$!
must wait_for 10 has_received "$TMP/old.tsv" 1
for ((i = 1; i <= RELOADS; i++)); do
	receivers $i
	kill -HUP "${PID[old]}"
	wait_for 10 log_counts "$TMP/old.log" 'reload: . receivers' $i
done
check_equal "reloads" "$RELOADS" "$(grep -c 'reload: [45] receivers in 3 pools' "$TMP/old.log")"

"$REPLICATOR" "${options[@]}" --take-over --stats "$TMP/new.tsv" --metrics "127.0.0.1:$METRICS" 2>"$TMP/new.log" &
PID[new]=$!
check "the old process ends" wait_gone "${PID[old]}" 10
wait "${PID[old]}"
check_equal "with status 0" 0 $?
unset 'PID[old]'
cp "$TMP/old.tsv" "$TMP/then.tsv"
check "the new one has the pid file" wait_for 5 grep -qx "${PID[new]}" "$TMP/pid"
check "traffic still runs" kill -0 "${PID[craft]}"
if [ -n "$LENGTH" ]; then
	wait "${PID[craft]}"
	check_equal "the generator kept its schedule" 0 $?
else
	check "the new one receives" wait_for 20 has_received "$TMP/new.tsv" \
		$(($(stat_value "$TMP/then.tsv" received_datagrams) + 20000))
	kill -INT "${PID[craft]}"
	wait "${PID[craft]}"
fi
unset 'PID[craft]'

sent=$(stat_value "$TMP/craft.tsv" datagrams)
wait_udp_drained "$IN"
wait_for 5 has_received "$TMP/one.tsv" "$sent"
wait_for 5 has_received "$TMP/two.tsv" "$sent"
wait_udp_drained "$HALF"
wait_udp_drained "$TENANT"
exec 3<>"/dev/tcp/127.0.0.1/$METRICS"
printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
tr -d '\r' <&3 | sed '1,/^$/d' >"$TMP/metrics"
exec 3>&-
for name in new one two half tenant; do
	check "$name ends in order" stop_daemon "$name"
done
drops=$(dropped new one two half tenant)
unless_dropped "$drops" "the new one has counted on to all" "$sent" "$(stat_value "$TMP/new.tsv" received_datagrams)"
unless_dropped "$drops" "the first has all" "$sent" "$(stat_value "$TMP/one.tsv" received_datagrams)"
unless_dropped "$drops" "the second has all" "$sent" "$(stat_value "$TMP/two.tsv" received_datagrams)"
echo "     $sent datagrams, $(stat_value "$TMP/old.tsv" received_datagrams) by the old process"

for file in old new; do
	check "$file: every receiver adds up" adds_up "$TMP/$file.tsv" 4
done
check "nothing counts backwards" awk -F'\t' '
	$1 !~ /^(received_datagrams|receiver_(received|sent|sampled|merged|records|told)\{|exporter_datagrams|replicated|reloads$)/ { next }
	NR == FNR { was[$1] = $2; next }
	{ n += $1 in was; if ($2 + 0 < was[$1] + 0) { print "     " $1 " was " was[$1] ", is " $2; bad = 1 } }
	END { exit bad || n < 30 }' "$TMP/then.tsv" "$TMP/new.tsv"
check_equal "reloads too" "$RELOADS" "$(stat_value "$TMP/new.tsv" reloads)"
check "the new one says so" grep -q 'of the process before: [0-9]* counters, [0-9]* streams' "$TMP/new.log"

# ---- metrics ------------------------------------------------------------------------

check "metrics: a receiver" grep -qE "^replicator_datagrams_sent_total\{receiver=\"127.0.0.1:$ONE\",pool=\"0.0.0.0\"\} [0-9]+$" \
	"$TMP/metrics"
# name{labels} value, each metric once behind its TYPE.
check "metrics: the format" awk '
	/^# TYPE / { if ($3 in type) bad = 1; type[$3] = $4; next }
	/^# HELP / { next }
	{ name = $1; sub(/\{.*/, "", name); n++
	  if (!(name in type) || $0 !~ /^[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? [0-9]+$/) { print "     " $0; bad = 1 }
	  if (type[name] == "counter" && name !~ /_total$/) { print "     " $0; bad = 1 } }
	END { exit bad || n < 20 }' "$TMP/metrics"

e2e_end
