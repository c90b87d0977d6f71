#!/bin/bash
# replicator_life.sh - start, start-up errors, signals, reload and end of
# replicator as its user sees them: the one line and the exit status.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
e2e_begin replicator_life

IN=$(free_udp_port) ONE=$(free_udp_port) TWO=$(free_udp_port)
STATS=$TMP/stats.tsv
UNPRIVILEGED=()

# Status and last line of a start that fails, or ends by itself.
ends() { # NAME STATUS REGEX ARGUMENT...
	local name=$1 want=$2 regex=$3 status
	shift 3
	timeout 10 "${UNPRIVILEGED[@]}" "$REPLICATOR" "$@" >"$TMP/out" 2>&1
	status=$?
	check_equal "$name: status" "$want" "$status"
	check "$name: message" grep -Eq "$regex" "$TMP/out" || sed 's/^/     /' "$TMP/out"
}

datagram() { # TEXT
	printf '%s' "$1" >"/dev/udp/127.0.0.1/$IN"
}

received() { # NUMBER
	[ "$(stat_value "$STATS" received_datagrams)" = "$1" ] 2>/dev/null
}

sent_to() { # PORT
	stat_value "$STATS" "receiver_sent{receiver=\"127.0.0.1:$1\",pool=\"0.0.0.0\"}"
}

reloaded() { # NUMBER
	[ "$(stat_value "$STATS" reloads)" = "$1" ] 2>/dev/null
}

# ---- errors at the start ---------------------------------------------------------

printf '10.0.0.0/8 127.0.0.1\n' >"$TMP/bad"
ends "no receivers" 2 'no receivers: expected HOST'
ends "bad word" 2 'command line: receiver: "127.0.0.1/0": expected a port' 127.0.0.1/0
ends "bad file" 2 'bad:1: entry: "10.0.0.0/8 127.0.0.1": expected SRC' -c "$TMP/bad"
ends "missing file" 2 'none: No such file or directory' -c "$TMP/none"
ends "name that nobody has" 2 'receiver: "nobody.invalid/1": ' nobody.invalid/1
ends "itself" 2 "is this program's own socket" -p "$IN" "127.0.0.1/$IN"
ends "help" 0 '^usage: replicator' --help
ends "version" 0 '^replicator [0-9]' --version
ends "check" 0 '^2 receivers in 1 pools, 0 warnings' --check "127.0.0.1/$ONE+2"
ends "idle" 5 'nothing came in 50 ms' -p "$IN" -t 50 "127.0.0.1/$ONE"
ends "foreign address" 1 'listen on 192\.0\.2\.1:2000: Cannot assign' -s 192.0.2.1 127.0.0.1/9
[ "$(id -u)" -ne 0 ] || UNPRIVILEGED=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if "${UNPRIVILEGED[@]}" "$REPLICATOR" --version >/dev/null 2>&1; then
	ends "source kept without the right" 1 'needs CAP_NET_RAW' -S -p "$IN" "127.0.0.1/$ONE"
else
	echo "     source kept without the right: not tried, nobody may not read $BUILD"
fi
UNPRIVILEGED=()

# ---- the manual -------------------------------------------------------------------

options_in_manual() {
	local option missing=0
	for option in $("$REPLICATOR" --help | grep -o ' --[a-z0-9-]*' | sort -u); do
		grep -q "Fl -${option#--}" "$ROOT/replicator/replicator.8" && continue
		echo "     $option is not in replicator.8"
		missing=1
	done
	return "$missing"
}
check "the manual has every option" options_in_manual

# ---- a life ------------------------------------------------------------------------

echo "0.0.0.0: 127.0.0.1/$ONE" >"$TMP/receivers"
must start_daemon replicator "$IN" "$REPLICATOR" -p "$IN" --stats "$STATS" -m "$TMP/pid" \
	--control "$TMP/control" -c "$TMP/receivers"
check_equal "pid file" "${PID[replicator]}" "$(cat "$TMP/pid")"
ends "port in use" 1 "listen on \*:$IN: Address already in use" -p "$IN" "127.0.0.1/$ONE"
ends "pid file in use" 1 'pid: another process holds it' -p "$(free_udp_port)" -m "$TMP/pid" "127.0.0.1/$ONE"
for i in 1 2 3; do datagram "$i"; done
check "three datagrams" wait_for 5 received 3
check_equal "three sent" 3 "$(sent_to "$ONE")"

cp "$TMP/bad" "$TMP/receivers"
kill -HUP "${PID[replicator]}"
check "a bad file is refused" wait_for 5 grep -q 'the receivers stay as they were' "$TMP/replicator.log"
datagram 4
check "and changes nothing" wait_for 5 received 4
check_equal "four sent" 4 "$(sent_to "$ONE")"

echo "0.0.0.0: 127.0.0.1/$TWO 127.0.0.1/$ONE/2" >"$TMP/receivers"
kill -HUP "${PID[replicator]}"
check "a good file is taken" wait_for 5 reloaded 1
datagram 5
datagram 6
check "six datagrams" wait_for 5 received 6
check_equal "the new one has two" 2 "$(sent_to "$TWO")"
check_equal "the old one goes on, every second" 5 "$(sent_to "$ONE")"

"$REPLICATOR" --top --control "$TMP/control" >"$TMP/top" 2>&1
check_equal "top: status" 0 $?
check "top: what was received" grep -q '^received 0/s, 6 in all; dropped by the kernel 0, denied 0' "$TMP/top"
check "top: a receiver" grep -Eq "^127.0.0.1:$ONE 0.0.0.0 +0 +0 +0 +[0-9]+" "$TMP/top"
check "top: the exporter" grep -Eq '^127.0.0.1 +0 +0 +0 +0$' "$TMP/top"
ends "top of nobody" 1 'none: No such file' --top --control "$TMP/none"
ends "top without a socket" 2 'top: expected --control' --top

kill -USR1 "${PID[replicator]}"
check "counters in the log" wait_for 5 grep -q "receiver 127.0.0.1:$TWO (0.0.0.0): received 2, sent 2" "$TMP/replicator.log"
datagram 7
start=$(date +%s%N)
kill -TERM "${PID[replicator]}"
check "ends" wait_gone "${PID[replicator]}" 5
end=$(date +%s%N)
check "within a second" test $(((end - start) / 1000000)) -lt 1000
wait "${PID[replicator]}"
check_equal "with status 0" 0 $?
unset 'PID[replicator]'
check_equal "the last datagram was not forgotten" 7 "$(stat_value "$STATS" received_datagrams)"
check "pid file is gone" test ! -e "$TMP/pid"

# ---- a socket that was handed over ----------------------------------------------------

# As a service manager does it: descriptor 3, on a port that no option names.
# shellcheck disable=SC2016 # for the shell that becomes the replicator
bash -c 'exec 3<>/dev/udp/127.0.0.1/9 && LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" 127.0.0.1/9' "$REPLICATOR" 2>"$TMP/handed.log" &
PID[handed]=$!
says_where() {
	local port
	port=$(sed -n 's/.*listening on 127.0.0.1:\([0-9]*\),.*/\1/p' "$TMP/handed.log")
	[ -n "$port" ] && [ "$port" != 2000 ] && is_bound "$port"
}
check "handed over: it says where it listens" wait_for 5 says_where
check "handed over: it ends" stop_daemon handed

# ---- a thousand receivers --------------------------------------------------------------

# Nobody listens at most of them: each loses for itself, and the account of each adds up.
if [ "$(ulimit -Hn)" -ge 1100 ]; then
	must start_daemon many "$IN" "$REPLICATOR" -p "$IN" --stats "$STATS" 127.0.0.1/30000+1000
	for i in 1 2 3 4 5; do datagram "$i"; done
	check "a thousand receivers: five datagrams" wait_for 5 received 5
	check "a thousand receivers: the process ends" stop_daemon many
	check_equal "a thousand receivers: each was accounted for" "1000 5000" "$(stat_value "$STATS" receivers) $(
		stat_sum "$STATS" '^receiver_(sent|refused|eagain|unreachable|other)[{]')"
else
	echo "     a thousand receivers: not tried, $(ulimit -Hn) files are allowed"
fi

# ---- an end under load -------------------------------------------------------------------

# More waits than most machines send in the time that the end takes: the rest is counted and told.
# That there is a rest is for check_worker.c, which gives the end no time at all.
if [ "$(ulimit -Hn)" -ge 600 ]; then
	must start_daemon loaded "$IN" "$REPLICATOR" -p "$IN" --stats "$STATS" 127.0.0.1/30000+500
	kill -STOP "${PID[loaded]}"
	for ((i = 0; i < 4000; i++)); do datagram "$i"; done
	dropped=$(udp_drops "$IN")
	kill -INT "${PID[loaded]}"
	kill -CONT "${PID[loaded]}"
	check "an end under load" wait_gone "${PID[loaded]}" 10
	wait "${PID[loaded]}"
	unset 'PID[loaded]'
	check_equal "what came is there" $((4000 - dropped)) "$(stat_value "$STATS" received_datagrams)"
	abandoned=$(stat_value "$STATS" abandoned_datagrams)
	echo "     an end under load: $abandoned were not sent"
	check_equal "and is accounted for" "$(stat_value "$STATS" received_datagrams)" \
		$(($(stat_value "$STATS" replicated_datagrams) + abandoned))
	check_equal "which is told" "$([ "$abandoned" = 0 ] || echo "$abandoned")" \
		"$(sed -n 's/.*warning: \([0-9]*\) datagrams waited when time was up.*/\1/p' "$TMP/loaded.log")"
fi

# ---- in the background ---------------------------------------------------------------

"$REPLICATOR" -f -p "$IN" -m "$TMP/pid" --stats "$STATS" "127.0.0.1/$ONE" 2>"$TMP/background.log"
check_equal "background: status" 0 $?
PID[background]=$(cat "$TMP/pid")
check "background: lives" kill -0 "${PID[background]}"
"$REPLICATOR" -f -p "$IN" "127.0.0.1/$ONE" 2>"$TMP/background.log"
check_equal "background: the port is in use" 1 $?
kill -INT "${PID[background]}"
check "background: ends" wait_gone "${PID[background]}" 5
unset 'PID[background]'

e2e_end
