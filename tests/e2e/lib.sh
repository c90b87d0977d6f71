# shellcheck shell=bash
# lib.sh - what the end-to-end tests share.  A test sources it, calls e2e_begin,
# then checks, and ends with e2e_end, which gives the exit status (77: skipped).
#
# Nothing here waits for a fixed time: wait_for polls a condition until a limit.
# Every process is started as a simple background command, so that $! is the
# process itself and not a subshell, and is killed by that number only.

E2E_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$E2E_HERE/../.." && pwd)
BUILD=$(cd "${B:-$ROOT/build}" 2>/dev/null && pwd || echo "$ROOT/build")
# For the tests that source this file.
export NFACCTD=$BUILD/nfacctd REPLICATOR=$BUILD/replicator PCAPGEN=$BUILD/pcapgen
PATH=$PATH:/usr/sbin:/sbin

declare -A PID=()	# of what start_* started, by name
E2E_PASSED=0 E2E_FAILED=0

# ---- the frame of a test ----------------------------------------------------

e2e_begin() { # NAME
	E2E_NAME=$1
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/flowledger-$1.XXXXXX")
	DB_SOCKET=$TMP/db/s
	mkdir "$TMP/db"
	# What a program leaves beside it, as a core or a purge that it saved, is left here.
	cd "$TMP" || exit 1
	trap e2e_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

e2e_cleanup() {
	local name
	trap - EXIT
	cd /
	for name in "${!PID[@]}"; do
		kill -9 "${PID[$name]}" 2>/dev/null
		# Debian's nfacctd runs its plugins as processes of its own group.
		[ "${name#peer}" != "$name" ] && kill -9 -- "-${PID[$name]}" 2>/dev/null
		wait "${PID[$name]}" 2>/dev/null
	done
	if [ -n "${E2E_KEEP:-}" ]; then
		echo "kept: $TMP"
	else
		rm -rf "$TMP"
	fi
}

e2e_end() {
	echo "$E2E_NAME: $E2E_PASSED passed, $E2E_FAILED failed"
	[ "$E2E_FAILED" -eq 0 ] && [ "$E2E_PASSED" -gt 0 ]
	exit
}

e2e_skip() { # REASON
	echo "$E2E_NAME: skipped, $*"
	exit 77
}

# Run COMMAND; one line says how it went.  Its status is the status.
check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		E2E_PASSED=$((E2E_PASSED + 1))
		echo "ok   $E2E_NAME: $name"
		return 0
	fi
	E2E_FAILED=$((E2E_FAILED + 1))
	echo "FAIL $E2E_NAME: $name"
	return 1
}

check_equal() { # NAME WANT GOT
	check "$1" test "$2" = "$3" || echo "     want: $2
     got:  $3"
}

# For what the rest of the test cannot do without.
must() { # COMMAND...
	"$@" && return
	local status=$?
	echo "FAIL $E2E_NAME: cannot go on: $* (status $status)"
	exit 1
}

# ---- waiting ----------------------------------------------------------------

# Until COMMAND succeeds; fails after SECONDS.
wait_for() { # SECONDS COMMAND...
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || return 1
		sleep .02
	done
}

# A process that is gone, or dead and only not yet waited for.
is_gone() { # PID
	local state
	state=$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null) || return 0
	[ -z "$state" ] || [ "$state" = Z ]
}

wait_gone() { # PID SECONDS
	wait_for "$2" is_gone "$1"
}

wait_file() { # PATH SECONDS
	wait_for "$2" test -s "$1"
}

# ---- UDP --------------------------------------------------------------------

# Sockets bound to PORT as /proc/net/udp shows them: "rx_queue drops" in hex and decimal.
udp_sockets() { # PORT
	awk -v port="$(printf ':%04X' "$1")" \
		'FNR > 1 && substr($2, length($2) - 4) == port { split($5, q, ":"); print q[2], $NF }' \
		/proc/net/udp /proc/net/udp6 2>/dev/null
}

is_bound() { # PORT
	[ -n "$(udp_sockets "$1")" ]
}

# A port that nobody has, below the range that the kernel hands out; each once a test, and none
# of another lane's, where a test may be about to bind what it has chosen.
free_udp_port() {
	local port share=$((10000 / ${E2E_LANES:-1}))
	while :; do
		port=$((20000 + ${E2E_LANE:-0} % ${E2E_LANES:-1} * share + (RANDOM * 32768 + RANDOM) % share))
		is_bound "$port" && continue
		grep -qx "$port" "$TMP/ports" 2>/dev/null && continue
		echo "$port" >>"$TMP/ports"
		echo "$port"
		return
	done
}

is_drained() { # PORT
	local sockets
	sockets=$(udp_sockets "$1")
	[ -n "$sockets" ] && ! grep -qv '^00000000 ' <<<"$sockets"
}

# Everything that was sent to PORT has left the kernel's queue.
wait_udp_drained() { # PORT
	wait_for 20 is_drained "$1"
}

# What the kernel dropped at the sockets of PORT.
udp_drops() { # PORT
	udp_sockets "$1" | awk '{ n += $2 } END { print n + 0 }'
}

# ---- MariaDB ----------------------------------------------------------------

mariadb_answers() {
	is_gone "${PID[mariadb]}" && return 0	# stop waiting; mariadb_start looks
	sql 'select 1' >/dev/null 2>&1
}

# A private server behind DB_SOCKET; root without a password.  Arguments are given to it.
mariadb_start() { # [OPTION...]
	local as_root=()
	[ "$(id -u)" -eq 0 ] && as_root=(--user=root)
	if ! [ -d "$TMP/db/data" ]; then
		# --force: without it a machine whose own name has no address is refused.
		# --tmpdir: a server that starts clears other servers' temporary tables out of a shared one.
		if ! mariadb-install-db --no-defaults "${as_root[@]}" --datadir="$TMP/db/data" --force \
			--tmpdir="$TMP/db" \
			--auth-root-authentication-method=normal --skip-test-db --skip-name-resolve \
			--innodb-log-file-size=4M >"$TMP/db/install.log" 2>&1; then
			grep -B 2 ERROR "$TMP/db/install.log" || tail -n 5 "$TMP/db/install.log"
			must false
		fi
	fi
	mariadbd --no-defaults "${as_root[@]}" --datadir="$TMP/db/data" --socket="$DB_SOCKET" \
		--tmpdir="$TMP/db" --pid-file="$TMP/db/pid" --skip-networking --skip-name-resolve \
		--innodb-log-file-size=4M --innodb-flush-log-at-trx-commit=0 \
		--innodb-buffer-pool-size=64M --performance-schema=OFF "$@" >>"$TMP/db/log" 2>&1 &
	PID[mariadb]=$!
	if ! wait_for 30 mariadb_answers || is_gone "${PID[mariadb]}"; then
		tail -n 5 "$TMP/db/log"
		must false
	fi
}

mariadb_stop() {
	kill "${PID[mariadb]}" && wait_gone "${PID[mariadb]}" 10
	wait "${PID[mariadb]}" 2>/dev/null
	unset 'PID[mariadb]'
}

# Rows as TSV without a heading.
sql() { # [OPTION...] STATEMENTS
	mariadb --no-defaults -S "$DB_SOCKET" -uroot -N -B "${@:1:$#-1}" -e "${!#}"
}

sql_file() { # DATABASE FILE
	mariadb --no-defaults -S "$DB_SOCKET" -uroot "$1" <"$2"
}

# ---- PostgreSQL ---------------------------------------------------------------

# The server's programs are not in PATH; fails when there are none.
pgsql_find() {
	PG_BIN=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
	[ -x "$PG_BIN/postgres" ] && command -v psql >/dev/null
}

# The server refuses to run as root.  setpriv becomes the program, so that $! is the program.
PG_AS=()
[ "$(id -u)" -ne 0 ] || PG_AS=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

# A private server behind the socket in PG_HOST; postgres without a password.
pgsql_start() { # [OPTION...]
	PG_HOST=$TMP/pg
	if ! [ -d "$PG_HOST/data" ]; then
		chmod 711 "$TMP"
		mkdir "$PG_HOST"
		[ "$(id -u)" -ne 0 ] || chown nobody "$PG_HOST"
		cd "$PG_HOST" || exit 1
		must "${PG_AS[@]}" "$PG_BIN/initdb" -D "$PG_HOST/data" -A trust -U postgres -N --no-instructions >"$TMP/initdb.log" 2>&1
		cd "$TMP" || exit 1
	fi
	"${PG_AS[@]}" "$PG_BIN/postgres" -D "$PG_HOST/data" -k "$PG_HOST" -c port=5432 -c listen_addresses= \
		-c shared_buffers=32MB -c max_connections=20 -c timezone=UTC "$@" >>"$TMP/pg.log" 2>&1 &
	PID[pgsql]=$!
	if ! wait_for 30 pgsql_answers || is_gone "${PID[pgsql]}"; then
		tail -n 5 "$TMP/pg.log"
		must false
	fi
}

pgsql_answers() {
	is_gone "${PID[pgsql]}" && return 0	# stop waiting; pgsql_start looks
	pg postgres 'select 1' >/dev/null 2>&1
}

# "fast" ends it in order, "immediate" as a crash would.
pgsql_stop() { # [MODE]
	"${PG_AS[@]}" "$PG_BIN/pg_ctl" -D "$PG_HOST/data" -m "${1:-fast}" -w stop >/dev/null 2>&1
	wait_gone "${PID[pgsql]}" 10
	wait "${PID[pgsql]}" 2>/dev/null
	unset 'PID[pgsql]'
}

# Rows as TSV without a heading.
pg() { # DATABASE STATEMENTS
	psql -X -q -h "$PG_HOST" -p "${PG_PORT:-5432}" -U postgres -d "$1" -At -F '	' -v ON_ERROR_STOP=1 -c "$2"
}

pg_file() { # DATABASE FILE
	psql -X -q -h "$PG_HOST" -p "${PG_PORT:-5432}" -U postgres -d "$1" -v ON_ERROR_STOP=1 -f "$2"
}

# ---- our programs -----------------------------------------------------------

is_listening() { # NAME PORT
	is_gone "${PID[$1]}" || is_bound "$2"
}

# Start a program in the foreground of a background job; log in $TMP/NAME.log.
start_daemon() { # NAME PORT COMMAND...
	local name=$1 port=$2
	shift 2
	"$@" >"$TMP/$name.out" 2>"$TMP/$name.log" &
	PID[$name]=$!
	if ! wait_for 10 is_listening "$name" "$port" || is_gone "${PID[$name]}"; then
		echo "FAIL $E2E_NAME: $name does not listen on port $port:"
		sed 's/^/    /' "$TMP/$name.log"
		E2E_FAILED=$((E2E_FAILED + 1))
		return 1
	fi
}

# INT, wait, and give its exit status; 124 when it had to be killed.
stop_daemon() { # NAME [SECONDS]
	local pid=${PID[$1]} status
	kill -INT "$pid"
	if ! wait_gone "$pid" "${2:-10}"; then
		kill -9 "$pid"
		wait "$pid" 2>/dev/null
		unset "PID[$1]"
		return 124
	fi
	wait "$pid"
	status=$?
	unset "PID[$1]"
	return $status
}

# ---- counters: files of name<TAB>value ---------------------------------------

# The sum of all counters whose name matches the (awk) regular expression.
stat_sum() { # FILE REGEX
	awk -F'\t' -v re="$2" '$1 ~ re { n += $2; seen = 1 } END { if (!seen) exit 1; printf "%.0f\n", n }' "$1"
}

stat_value() { # FILE NAME
	awk -F'\t' -v name="$2" '$1 == name { print $2; seen = 1 } END { exit !seen }' "$1"
}

# ---- Debian's pmacct ---------------------------------------------------------

# PROGRAM is nfacctd or sfacctd of the package; its processes get a group of their own.
peer_start() { # NAME PORT PROGRAM CONFIGURATION
	setsid "/usr/sbin/$3" -f "$4" >"$TMP/peer-$1.log" 2>&1 &
	PID[peer-$1]=$!
	wait_for 10 is_listening "peer-$1" "$2" && ! is_gone "${PID[peer-$1]}"
}

peer_group_gone() { # PGID
	! kill -0 -- "-$1" 2>/dev/null
}

# It acts on a signal only when the next datagram comes, so it gets one that it
# throws away (version 0); killed after a grace time, when its rows are written.
peer_stop() { # NAME PORT [SECONDS]
	local pid=${PID[peer-$1]} end
	end=$(($(date +%s) + ${3:-20}))
	kill -INT "$pid"
	until is_gone "$pid" || [ "$(date +%s)" -ge "$end" ]; do
		printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >"/dev/udp/127.0.0.1/$2" 2>/dev/null
		sleep .2
	done
	wait_for 5 peer_group_gone "$pid"
	kill -9 -- "-$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	unset "PID[peer-$1]"
}
