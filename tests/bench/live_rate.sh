#!/usr/bin/env bash
# live_rate.sh - the highest rate of datagrams at which nothing is lost, live, into
# MariaDB: ours and Debian's nfacctd with the same file, on the same private server.
#
# A trial sends v5 datagrams of 30 flows for a second or two on a schedule, gives
# the collector a tenth of that to finish, stops it, and compares the sum of the
# octets in the table with what was sent: to the octet, so one lost datagram fails a
# trial, as does a backlog, whatever buffer holds it.  A second of purging lies in
# it.  Rates go up by two fifths until one fails three times, then the gap is
# halved until it is a twentieth.  The collector has one core; generator and
# database have another.  The buffers between the peer's two processes are those
# with which it did best here.
#
# Beside them stands what the kernel allows: a loop of recvmmsg that reads datagrams
# with their senders' addresses, counts them and does nothing else, with the same
# socket buffer on the same core.
#
# Datagrams arrive one by one, and then as UDP GRO: joined, as many a network
# card's driver hands them to a socket that asked for it (ours did).
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != --inside ]; then
	if unshare -n true 2>/dev/null; then
		exec unshare -n "$0" --inside
	elif unshare -rn true 2>/dev/null; then
		exec unshare -rn "$0" --inside
	fi
	echo "live_rate: this kernel gives a user no network namespaces"
	exit 1
fi
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/lib.sh
. "$here/../e2e/lib.sh"
MS_EACH=${MS_EACH:-1500} TRIES=${TRIES:-3}
# No rate above is tried: one core of the generator gives no more.
LIMIT=${LIMIT:-1600000}

e2e_begin bench_live_rate
collector_core=() other_core=()
if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
	collector_core=(taskset -c 0) other_core=(taskset -c 1)
	taskset -pc 1 $$ >/dev/null	# the server inherits it
fi
must ip link set lo up
mariadb_start --innodb-flush-log-at-trx-commit=1
port=$(free_udp_port)

cat >"$TMP/s.yaml" <<END
seed: 3
duration: ${MS_EACH}ms
rate: 1000 datagrams/s
cycle: 256
exporters:
  - { address: 127.0.0.9, port: 0, protocol: netflow5, families: 4 }
customers: [ { prefix: 10.0.0.0/24, hosts: 100 } ]
remotes: [ { prefix: 198.51.100.0/24, hosts: 100 } ]
END
cat >"$TMP/both.conf" <<END
daemonize: false
plugins: mysql
nfacctd_port: $port
nfacctd_ip: 127.0.0.1
nfacctd_pipe_size: 67108864
plugin_pipe_size: 134217728
plugin_buffer_size: 10240
sql_db: bench
sql_host: unix:$DB_SOCKET
sql_user: root
sql_passwd:
sql_table: acct_v9
sql_table_version: 9
aggregate: src_host
sql_refresh_time: 1
sql_history: 1h
sql_history_roundoff: h
END

start_ours() {
	start_daemon ours "$port" "${collector_core[@]}" "$BUILD/nfacctd" -f "$TMP/both.conf"
	pid=${PID[ours]}
}

stop_ours() {
	stop_daemon ours 30
}

start_peer() {
	# A process group of its own; taskset is that process.
	setsid "${collector_core[@]}" /usr/sbin/nfacctd -f "$TMP/both.conf" >"$TMP/peer.log" 2>&1 &
	PID[peer-live]=$! pid=$!
	wait_for 10 is_listening peer-live "$port" && ! is_gone "$pid"
}

stop_peer() {
	peer_stop live "$port"
}

start_bare() {
	start_daemon bare "$port" "${collector_core[@]}" "$BUILD/bench-udp" whole 2 "$port"
	pid=${PID[bare]}
}

# Its count is what arrived; octets as the generator's: all datagrams are alike.
stop_bare() {
	wait_gone "$pid" 10
	wait "$pid"
	unset 'PID[bare]'
	awk -F'\t' -v sent="$(stat_value "$TMP/craft" datagrams)" -v octets="$(stat_value "$TMP/craft" octets)" \
		'$1 ~ /^port/ { printf "%.0f\n", octets * $2 / sent }' "$TMP/bare.out" >"$TMP/bare.octets"
}

# Nanoseconds of CPU that the process and what it started had.
cpu_ns() {
	local p
	for p in $pid $(cat "/proc/$pid/task/$pid/children"); do
		cat "/proc/$p"/task/*/schedstat
	done 2>/dev/null | awk '{ n += $1 } END { printf "%.0f", n }'
}

# Nothing waits in the kernel and next to no CPU was used since the last look.
is_idle() {
	local last=$busy
	busy=$(cpu_ns)
	is_drained "$port" && [ $((busy - last)) -lt 2000000 ]
}

# True when all came into the table; what did not, in $lost.
trial() { # WHO DATAGRAMS-A-SECOND
	local before busy=0
	sql "drop database if exists bench; create database bench"
	sql_file bench "$here/../../sql/pmacct-create-table_v9.mysql"
	must "start_$1"
	wait_for 10 is_idle
	before=$(cpu_ns)
	"${other_core[@]}" "$BUILD/pcapgen" craft --scenario "$TMP/s.yaml" --rate "$2 datagrams/s" --late 50 --to "127.0.0.1:$port" >"$TMP/craft" 2>"$TMP/craft.err"
	late=$?
	[ "$late" = 0 ] || [ "$late" = 4 ] || { cat "$TMP/craft.err"; must false; }
	sleep "$(awk -v ms="$MS_EACH" 'BEGIN { print ms / 10000 }')"
	busy=$(cpu_ns)
	sleep .05
	is_idle && backlog="" || backlog=", a backlog"
	wait_for 60 is_idle
	cpu=$(awk -F'\t' -v c="$((busy - before))" '$1 == "datagrams" { printf "%.2f", c / $2 / 1000 }' "$TMP/craft")
	drops=$(udp_drops "$port")
	"stop_$1" >/dev/null
	if [ "$1" = bare ]; then
		stored=$(cat "$TMP/bare.octets")
	else
		stored=$(sql "select coalesce(sum(bytes), 0) from bench.acct_v9")
	fi
	sent=$(stat_value "$TMP/craft" octets)
	lost="lost $((sent - stored)) of $sent octets, $drops datagrams at the socket$backlog"
	[ "$late" = 0 ] || lost="the generator was late"
	[ "$stored" = "$sent" ] && [ -z "$backlog" ] && [ "$late" = 0 ]
}

# One that failed may have been unlucky on a busy machine.
passes() { # WHO RATE
	local n
	for ((n = 0; n < TRIES; n++)); do
		trial "$1" "$2" && return
	done
	return 1
}

# The next rate to try between $best and $top; false: they are close.
between() {
	rate=$(((best + top) / 2))
	[ $((top - best)) -gt $((best / 20)) ]
}

highest() { # WHO FIRST-RATE -> $best $best_cpu, $why the next failed
	local rate=$2 top=0
	best=0 best_cpu=- why="more was not tried"
	while [ "$rate" -le "$LIMIT" ]; do
		if passes "$1" "$rate"; then
			best=$rate best_cpu=$cpu rate=$((rate * 7 / 5))
		else
			top=$rate why="at $rate: $lost"
			[ "$best" -gt 0 ] && break
			rate=$((rate * 5 / 7))
			[ "$rate" -gt 100 ] || return
		fi
	done
	while [ "$top" -gt 0 ] && between; do
		if passes "$1" "$rate"; then
			best=$rate best_cpu=$cpu
		else
			top=$rate why="at $rate: $lost"
		fi
	done
}

said() { # WHO
	echo "  $input: $1 $best, $best_cpu us of CPU each; $why"
}

contest() { # INPUT SEGMENTS
	local input=$1 ours limit
	must ip link set lo gso_max_segs "$2"
	highest ours "${FIRST_OURS:-500000}"
	ours=$best
	said ours
	highest bare "${FIRST_BARE:-900000}"
	limit=$best
	said "bare loop"
	bench_line "loss-free a second, $1" "$ours" "bare loop $limit" "$(ratio "$ours" "$limit")" none
	if [ ! -x /usr/sbin/nfacctd ]; then
		bench_line "loss-free a second, $1" "$ours" "no Debian nfacctd" - 10
		return
	fi
	highest peer "${FIRST_PEER:-60000}"
	said peer
	bench_line "loss-free a second, $1" "$ours" "nfacctd $best" "$(ratio "$ours" "$best")" 10
}

echo "nfacctd: highest loss-free rate of datagrams of 30 flows, live into MariaDB ($MS_EACH ms each)"
contest "one by one" 1
contest "input as UDP GRO" 65535
