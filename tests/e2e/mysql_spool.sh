#!/usr/bin/env bash
# A purge that waits for its database outlives the daemon: it stands in a file, and
# the next start writes it, once.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$ROOT/tests/e2e/netflow5.sh"
e2e_begin mysql_spool
command -v mariadbd >/dev/null || e2e_skip "no mariadbd"
mariadb_start --innodb-flush-log-at-trx-commit=1
sql "create database spool"
sql_file spool "$ROOT/sql/pmacct-create-table_v1.mysql"
sql_file spool "$ROOT/sql/flow_ledger.mysql"
# Rows of an older table without a key: they go through other statements.
sql "create table spool.keyless as select * from spool.acct"
port=$(free_udp_port)
cat >"$TMP/n.conf" <<END
plugins: mysql[a], mysql[b]
aggregate: src_host
sql_table[b]: keyless
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
nfacctd_time_new: true
sql_host: unix:$DB_SOCKET
sql_user: root
sql_passwd:
sql_db: spool
sql_refresh_time: 1
sql_history: 1M
sql_history_roundoff: M
sql_recovery_logfile: $TMP/spool
END
sums() { # WANT
	[ "$(sql 'select (select coalesce(sum(bytes), 0) from spool.acct), (select coalesce(sum(bytes), 0) from spool.keyless)' \
		2>/dev/null | tr '\t' ' ')" = "$1" ]
}
files() { # NUMBER
	[ "$(find "$TMP" -maxdepth 1 -name 'spool.*.sql' | wc -l)" -eq "$1" ]
}
die() { # NAME
	kill -9 "${PID[$1]}"
	wait "${PID[$1]}" 2>/dev/null
	unset "PID[$1]"
}

must start_daemon one "$port" "$NFACCTD" -f "$TMP/n.conf"
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 1000)"
check "a purge is written, and leaves no file" wait_for 20 sums "1000 1000"
check "no file" files 0
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 200)" "$(v5_record 192.0.2.2 192.0.2.9 1 2 1 34)"
check "with the database away both plugins' purges stand in files" wait_for 30 files 2
mkdir "$TMP/kept"
cp "$TMP"/spool.*.sql "$TMP/kept"
die one
mariadb_start --innodb-flush-log-at-trx-commit=1
check "the daemon died, the database has not got it" sums "1000 1000"
must start_daemon two "$port" "$NFACCTD" -f "$TMP/n.conf"
check "the next start writes it" wait_for 20 sums "1234 1234"
check "and removes the files" wait_for 20 files 0
check "and says so" wait_for 20 grep -q '2 rows of an earlier run written, 0 refused' "$TMP/two.log"

# The database comes back under the same run: from memory, and the files go.
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 6)"
check "away again" wait_for 30 files 2
mariadb_start --innodb-flush-log-at-trx-commit=1
check "back: written once" wait_for 60 sums "1240 1240"
check "the files go" wait_for 10 files 0

# Replayed by hand while the daemon still holds the purge: it counts once.
die mariadb
v5_send "$port" "$(v5_record 192.0.2.1 192.0.2.9 1 2 1 60)"
check "and again" wait_for 30 files 2
kill -STOP "${PID[two]}"
mariadb_start --innodb-flush-log-at-trx-commit=1
for file in "$TMP"/spool.*.sql; do
	check "a file is SQL for the client" sql_file spool "$file"
done
kill -CONT "${PID[two]}"
check "the daemon finds it there" wait_for 60 files 0
check "counted once" sums "1300 1300"
check "stops" stop_daemon two 20

# Old files once more, and one that is damaged.
cp "$TMP"/kept/spool.* "$TMP/"
for file in "$TMP"/kept/spool.a.*.sql; do
	sed 's/192\.0\.2\.2/192.0.2.3/' "$file" >"$TMP/spool.a.7.7.sql"
done
must start_daemon three "$port" "$NFACCTD" -f "$TMP/n.conf"
check "what is in the database already stays single" sums "1300 1300"
check "and that is said" grep -q 'is in the database already' "$TMP/three.log"
check "a damaged file is named and left" grep -q 'spool.a.7.7.sql: checksum is wrong or missing; it is left as it is' "$TMP/three.log"
check "left" files 1
check "stops at the end" stop_daemon three 20
mariadb_stop
e2e_end
