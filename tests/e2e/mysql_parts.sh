#!/usr/bin/env bash
# Large purges, which go over two connections in a part each: the unit suite; a server
# that is killed again and again while somebody reads; daemon and server killed between
# the commits of two parts.  Every octet is there once, and each reader sees whole parts.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_begin mysql_parts
command -v mariadbd >/dev/null || e2e_skip "no mariadbd"
must make -s -C "$ROOT" B="$BUILD" "$BUILD/bench-mysql" "$BUILD/check-nfacctd"
durable="--innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=128M"
# shellcheck disable=SC2086 # words
mariadb_start $durable
HOST=unix:$DB_SOCKET
sql "set global innodb_flush_log_at_trx_commit=0"
FLOWLEDGER_MYSQL=$HOST CK_RUN_SUITE=mysql_parts check "purges in parts, unit tests" "$BUILD/check-nfacctd"

new_database() { # NAME
	sql "create database $1"
	sql_file "$1" "$ROOT/sql/pmacct-create-table_v1.mysql"
	sql_file "$1" "$ROOT/sql/flow_ledger.mysql"
}
die() { # NAME
	kill -9 "${PID[$1]}"
	wait "${PID[$1]}" 2>/dev/null
	unset "PID[$1]"
}

sql "set global innodb_flush_log_at_trx_commit=1"
# ---- the server is killed, somebody reads -------------------------------------------
# One snapshot of both tables: the ledger's lines are those of the rows.
read_once() {
	local seen
	seen=$(sql "start transaction with consistent snapshot;
		select coalesce(sum(bytes), 0) from killed.acct;
		select coalesce(sum(purge_octets), 0) from killed.flow_ledger;
		select coalesce(sum(worker >= 2147483648), 0) from killed.flow_ledger" \
		2>/dev/null | tr '\n\t' '  ') || return
	read -r rows lines parts <<<"$seen"
	[ -n "${parts:-}" ] || return
	reads=$((reads + 1))
	[ "$rows" = "$lines" ] || torn=$((torn + 1))
}
new_database killed
"$BUILD/bench-mysql" --feed mysql "$HOST" killed 10 9000 >"$TMP/feed.out" 2>"$TMP/feed.log" &
PID[feed]=$!
said() { # WORD: the number behind WORD=
	sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p" "$TMP/feed.out"
}
kills=0 reads=0 torn=0 parts=0
while ! is_gone "${PID[feed]}"; do
	read_once
	if [ "$kills" -lt 3 ] && [ "$parts" -gt $((kills * 5 + RANDOM % 4)) ]; then
		die mariadb
		kills=$((kills + 1))
		# shellcheck disable=SC2086 # words
		mariadb_start $durable
	fi
done
wait "${PID[feed]}"
check_equal "the feed outlives $kills kills of the server" 0 $?
unset 'PID[feed]'
read_once
check "the server was killed in mid-work" test "$(said reconnects)" -ge 2
check_equal "every octet once" "$(said packets)	$(said octets)" \
	"$(sql 'select sum(packets), sum(bytes) from killed.acct')"
check_equal "the ledger has every part once" "10 20 90000 $(said octets)" \
	"$(sql 'select sum(worker = 0), sum(worker >= 2147483648), sum(purge_rows), sum(purge_octets) from killed.flow_ledger' | tr '\t' ' ')"
check_equal "nothing refused, nothing in doubt" "0 0" "$(said rejected) $(said ambiguous)"
check "somebody read meanwhile" test "$reads" -ge 5
check_equal "and saw rows and ledger agree each time" 0 "$torn"

# ---- a binary log of statements: no arrays of rows, no parts ---------------------------
mariadb_stop
mariadb_start --log-bin="$TMP/binlog" --binlog-format=STATEMENT --server-id=1
new_database statements
"$BUILD/bench-mysql" --feed mysql "$HOST" statements 2 9000 >"$TMP/feed.out" 2>"$TMP/feed.log" &
PID[feed]=$!
check "binlog_format=STATEMENT: written" wait "${PID[feed]}"
unset 'PID[feed]'
check_equal "every octet once, each purge whole" "$(said octets)	2" \
	"$(sql 'select (select sum(bytes) from statements.acct), (select count(*) from statements.flow_ledger)')"
mariadb_stop
# shellcheck disable=SC2086 # words
mariadb_start $durable

# ---- daemon and server die between two commits ----------------------------------------
new_database halves
sql "set global innodb_lock_wait_timeout=1"
port=$(free_udp_port)
cat >"$TMP/n.conf" <<END
plugins: mysql[a]
aggregate: src_host, dst_host, src_port, dst_port
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_pipe_size: 16000000
nfacctd_time_new: true
sql_host: $HOST
sql_user: root
sql_passwd:
sql_db: halves
sql_refresh_time: 3
sql_history: 1M
sql_history_roundoff: M
sql_recovery_logfile: $TMP/spool
END
# As many as make a purge of 8192 rows even when a deadline falls between them.  (A --rate would
# make more of them, not the same sooner.)
cat >"$TMP/s.yaml" <<END
seed: 11
start: 2026-01-01T00:00:00Z
rate: 20000 records/s
duration: 1s
exporters:
  - address: 127.0.0.1
    port: 40001
    protocol: netflow5
customers:
  - prefix: 100.64.0.0/12
    hosts: 1000000
remotes:
  - prefix: 198.18.0.0/15
    hosts: 100000
END
must start_daemon one "$port" "$NFACCTD" -f "$TMP/n.conf"
must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --to "127.0.0.1:$port" \
	--late 60000 --truth "$TMP/truth.tsv" >/dev/null
truth=$(awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { n++; o += $at["octets"] } END { print n, o }' "$TMP/truth.tsv")
all_in() {
	[ "$(sql 'select sum(packets > 0), sum(bytes) from halves.acct' 2>/dev/null | tr '\t' ' ')" = "$truth" ]
}
check "20000 rows, written" wait_for 30 all_in
check "in parts" test "$(sql 'select count(*) from halves.flow_ledger where worker >= 2147483648')" -ge 2

# The same again, while a report holds one row: the part that has it waits, the other is in.
sql "set transaction isolation level read committed; start transaction;
	select 1 from halves.acct where bytes > 0 limit 1 for update; select sleep(120)" >/dev/null 2>&1 &
PID[report]=$!
# innodb_trx does not tell: who asks it more often than each 0.1 s is given the same answer for ever.
held() {
	[ "$(sql "select count(*) from information_schema.processlist where state = 'User sleep'")" -ge 1 ]
}
check "a report holds a row" wait_for 10 held
must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --to "127.0.0.1:$port" --late 60000 >/dev/null
half_in() {
	[ "$(sql 'select count(*) from (select purge_id from halves.flow_ledger where worker >= 2147483648
		group by purge_id having count(*) < max(batch)) half' 2>/dev/null)" = 1 ]
}
spooled() {
	[ -n "$(find "$TMP" -maxdepth 1 -name 'spool.*.spool' -print -quit)" ]
}
check "a purge is in by one part" wait_for 30 half_in
check "and stands in a file" wait_for 30 spooled
die one
die mariadb
die report 2>/dev/null
# shellcheck disable=SC2086 # words
mariadb_start $durable
check "daemon and server died in between" half_in
must start_daemon two "$port" "$NFACCTD" -f "$TMP/n.conf"
truth=$(awk '{ print $1, 2 * $2 }' <<<"$truth")
no_files() {
	! spooled
}
check "the next start writes the part that is missing" wait_for 60 all_in
check "and removes the file" wait_for 30 no_files
check_equal "the ledger has each part" 0 "$(half_in && echo 1 || echo 0)"
check_equal "and its sums are the table's" "$(sql 'select sum(bytes) from halves.acct')" \
	"$(sql 'select sum(purge_octets) from halves.flow_ledger')"
check "it says which part was there" grep -q 'part [12] of 2 of purge .* is in the database already' "$TMP/two.log"
check "stops at the end" stop_daemon two 20
e2e_end
