#!/usr/bin/env bash
# What is wrong gives one clear line - file:line, key, value, what was expected -
# and the right exit status; nothing else is lost.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$here/netflow5.sh"

e2e_begin bad_input
export TZ=UTC
port=$(free_udp_port)
conf=$TMP/n.conf

# Run nfacctd with a configuration; status in $status, what it said in $TMP/said.
run_conf() { # CONFIGURATION [ARGUMENT...]
	printf '%s\n' "$1" >"$conf"
	shift
	timeout 10 "$NFACCTD" -f "$conf" "$@" >"$TMP/out" 2>"$TMP/said"
	status=$?
}

said() { # NAME STATUS PATTERN...
	local name=$1 want=$2 p ok=true
	shift 2
	[ "$status" = "$want" ] || ok=false
	for p in "$@"; do
		grep -qE -- "$p" "$TMP/said" || ok=false
	done
	if ! check "$name" "$ok"; then
		echo "     status $status, wanted $want; patterns: $*"
		sed 's/^/     /' "$TMP/said"
	fi
}

# One datagram of escaped bytes.  Through a file: printf alone would cut it at each 0x0a.
send_bytes() { # PORT BYTES
	# shellcheck disable=SC2059
	printf "$2" >"$TMP/dgram"
	cat "$TMP/dgram" >"/dev/udp/127.0.0.1/$1"
}

base="plugins: print
nfacctd_port: $port
print_output: csv"

# ---- configuration ----------------------------------------------------------
run_conf "$base
aggregate src_host" --check
said "missing colon" 2 "n.conf:4" "colon"
run_conf "$base
aggregat: src_host" --check
said "unknown key" 2 'n.conf:4.*aggregat' 'aggregate' 'check: problems: 0 errors, 1 warnings'
run_conf "$base
aggregate: src_hsot, dst_host"
said "unknown primitive is fatal" 2 'n.conf:4.*aggregate.*src_hsot' 'src_host'
run_conf "$base
daemonize: yes" --check
said "bad boolean" 2 'n.conf:4.*daemonize.*"yes"' 'true'
run_conf "$base
nfacctd_port: 70000" --check
said "number out of bounds" 2 'n.conf:4.*nfacctd_port.*"70000"' '65535'
run_conf "$base
networks_file: $TMP/nowhere"
said "missing networks file" 2 'networks_file.*nowhere' 'No such file'
printf '192.0.2.77/24\n10.0.0.0/40\nfoo/8\n' >"$TMP/nets"
run_conf "$base
networks_file: $TMP/nets" --check
said "host bits, mask too long, no address" 2 'nets:1.*192.0.2.77/24' 'nets:2.*10.0.0.0/40' 'nets:3.*foo/8'
run_conf "plugins: print[in]
nfacctd_port: $port
aggregate[inn]: src_host" --check
said "mistyped plugin name" 2 'n.conf:3.*inn' '\bin\b'
run_conf "plugins: prnt" --check
said "unknown plugin type" 2 'prnt' 'print'
run_conf "$base
syslog: demon" --check
said "no facility of syslog" 2 'n.conf:4: syslog "demon": expected .*daemon'
run_conf "$base
aggregate_filter[default]: net 10.0.0.0/33" --check
said "a filter of the plugin without a name" 2 'n.conf:4: aggregate_filter.default.: "net 10.0.0.0/33": mask'
mkdir "$TMP/folder"
run_conf "plugins: memory,print
aggregate: src_host
pidfile: $TMP/none/x.pid
logfile: $TMP/n.conf/log
nfacctd_stats_file: $TMP/folder
imt_path: $TMP/none/imt
print_trigger_exec: $TMP/n.conf
print_output_separator: ;;" --check
said "a file that has no place" 2 'n.conf:3: pidfile: .*none/x.pid": No such file' \
	'n.conf:4: logfile: .*n.conf/log": Not a directory' 'n.conf:5: nfacctd_stats_file: .*Is a directory' \
	'n.conf:6: imt_path: .*No such file'
said "a program that cannot be run" 2 'n.conf:7: print_trigger_exec: .*n.conf": Permission denied'
said "a separator of two characters" 2 'n.conf:8: print_output_separator ";;": .*expected one'
run_conf "$base
pidfile: $TMP/x.pid
logfile: $TMP/made/then/log
print_trigger_exec: /bin/true" --check
said "files that have one, directories that will be made" 0 'no problems'
run_conf "$base
[x: y" --check
said "bad brackets" 2 'n.conf:4'
timeout 10 "$NFACCTD" -f "$TMP/none.conf" >"$TMP/out" 2>"$TMP/said"
status=$?
said "no configuration file" 2 'none.conf' 'No such file'
timeout 10 "$NFACCTD" --no-such-option >"$TMP/out" 2>"$TMP/said"
status=$?
said "unknown option" 2 'no-such-option'

# ---- the world --------------------------------------------------------------
run_conf "plugins: mysql
nfacctd_port: $port
sql_host: unix:$TMP/no-server
sql_history: 10m
sql_user: pmacct
sql_passwd: secret-word
aggregate: src_host"
said "no database" 1 "no-server"
check "the password is in no message" bash -c "! grep -q secret-word '$TMP/said'"

mariadb_start --skip-networking
sql "create database pmacct"
sql_file pmacct "$ROOT/sql/pmacct-create-table_v1.mysql"
sql "create user pm@localhost identified by 'right'; grant select, insert, update on pmacct.* to pm@localhost"
mysql_conf() { # USER PASSWORD [LINES]
	printf '%s\n' "plugins: mysql
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
sql_host: unix:$DB_SOCKET
sql_db: pmacct
sql_user: $1
sql_passwd: $2
sql_history: 10m
sql_history_roundoff: mh
stats_file: $TMP/stats
${3:-}"
}
run_conf "$(mysql_conf pm wrong 'aggregate: src_host')"
said "wrong password" 1 'pm' 'Access denied'
run_conf "$(mysql_conf pm right 'aggregate: src_host
sql_table: nowhere')"
said "missing table" 1 'nowhere' '[Cc][Rr][Ee][Aa][Tt][Ee]'
run_conf "$(mysql_conf pm right 'aggregate: src_host, in_iface')"
said "missing column" 1 'ALTER TABLE.*iface_in'
run_conf "$(mysql_conf pm right 'aggregate: src_host, in_iface')" --check
said "missing column, by --check" 2 'ALTER TABLE.*iface_in'

run_conf "$(mysql_conf pm right 'aggregate: src_host')" --check
said "a good configuration passes --check" 0

# Port in use.
mysql_conf pm right 'aggregate: src_host' >"$TMP/first.conf"
start_daemon first "$port" "$NFACCTD" -f "$TMP/first.conf"
run_conf "$base
nfacctd_ip: 127.0.0.1"
said "port in use" 1 "$port" 'in use'
check "the first goes on" kill -0 "${PID[first]}"

# Datagrams that lie, between good ones: each is counted by its cause, the good ones are all there.
good=$(v5_record 192.0.2.1 192.0.2.2 1 2 3 400)
v5_send "$port" "$good"
send_bytes "$port" '\x00\x63hello'
send_bytes "$port" '\x00'
# v5 that announces 30 records and brings one
lie="$(v5_header 30 1)$good"
send_bytes "$port" "$lie"
# IPFIX data without a template, a template without fields, one of zero length
send_bytes "$port" '\x00\x0a\x00\x18\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x01\x00\x00\x08\x00\x00\x00\x00'
send_bytes "$port" '\x00\x0a\x00\x18\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x02\x00\x08\x01\x00\x00\x00'
send_bytes "$port" '\x00\x0a\x00\x1c\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x02\x00\x0c\x01\x00\x00\x01\x00\x01\x00\x00'
v5_send "$port" "$good"
wait_udp_drained "$port"
check "the collector lives" kill -0 "${PID[first]}"
check "INT ends it with status 0" stop_daemon first
check_equal "both good records are there, nothing else" "800	6" "$(sql "select sum(bytes), sum(packets) from pmacct.acct")"
check_equal "every datagram was received" 8 "$(stat_sum "$TMP/stats" '^datagrams_received')"
for cause in version short count; do
	check "refused and counted: $cause" test "$(stat_sum "$TMP/stats" "refused.*$cause" || echo 0)" -ge 1
done
check "data before its template is counted" test "$(stat_sum "$TMP/stats" 'no_template' || echo 0)" -ge 1
check_equal "unexplained" 0 "$(stat_sum "$TMP/stats" '^unexplained')"

# Disk full for print: an error, no row lost silently, status 1.
printf '%s\n' "$base
aggregate: src_host" >"$conf"
"$NFACCTD" -f "$conf" >/dev/full 2>"$TMP/said" &
PID[full]=$!
wait_for 10 is_bound "$port"
v5_send "$port" "$good"
wait_udp_drained "$port"
stop_daemon full
status=$?
said "disk full for print" 1 'No space left'

# IPv6 and a packet counter too large for old columns: those rows are named, the others stored.
sql "alter table pmacct.acct modify ip_src char(15) not null, modify packets int unsigned not null; delete from pmacct.acct"
mysql_conf pm right 'aggregate: src_host' >"$TMP/first.conf"
"$NFACCTD" -f "$TMP/first.conf" --check >"$TMP/out" 2>"$TMP/said"
status=$?
said "--check names the narrow columns" "$status" 'ALTER TABLE.*ip_src' 'ALTER TABLE.*packets'
start_daemon first "$port" "$NFACCTD" -f "$TMP/first.conf"
v5_send "$port" "$good"
# IPFIX: template 256 (27/16 sourceIPv6Address, 1/8, 2/8) and one record of 2001:db8::1
printf '\x00\x0a\x00\x48\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x02\x00\x14\x01\x00\x00\x03\x00\x1b\x00\x10\x00\x01\x00\x08\x00\x02\x00\x08\x01\x00\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01' >"$TMP/v6"
# long enough an address for CHAR(15)
printf '\x20\x01\x0d\xb8\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66' | dd of="$TMP/v6" bs=1 seek=40 conv=notrunc status=none
cat "$TMP/v6" >"/dev/udp/127.0.0.1/$port"
wait_udp_drained "$port"
stop_daemon first
check_equal "the IPv4 row is stored" "192.0.2.1" "$(sql "select ip_src from pmacct.acct where bytes = 400")"
check "the IPv6 row is named in the log" grep -q '2001:db8:1111:2222:3333:4444:5555:6666' "$TMP/first.log"
check "and counted" test "$(stat_sum "$TMP/stats" 'rejected' || echo 0)" -ge 1
check_equal "unexplained with a rejected row" 0 "$(stat_sum "$TMP/stats" '^unexplained')"
e2e_end
