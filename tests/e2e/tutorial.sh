#!/usr/bin/env bash
# The two configurations of the tutorial, word for word (paths, password, address
# and port changed), fed with the datagram of which the reference's rows are known
# (they were observed with pmacct 1.7.7 and MariaDB 10.11, and are literals here).
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$here/netflow5.sh"

e2e_begin tutorial
mariadb_start --skip-networking
port=$(free_udp_port)
export MYSQL_UNIX_PORT=$DB_SOCKET # "sql_host: localhost" means the default socket
export TZ=UTC
sql "ALTER USER root@localhost IDENTIFIED BY 'xxxxxxxxxxxx'"
export MYSQL_PWD=xxxxxxxxxxxx

cat >"$TMP/nfacctd.networks" <<'EOF'
111.222.1.0/24
111.222.2.0/24
111.222.3.0/24
EOF

a=$(v5_record 111.222.1.2 8.8.8.8 5 7 10 1000)
b=$(v5_record 8.8.8.8 111.222.1.2 7 5 50 5000)
c=$(v5_record 111.222.1.2 111.222.2.3 5 5 1 100)
d=$(v5_record 10.0.0.1 10.0.0.2 1 2 1 7)
e=$(v5_record 111.222.3.9 111.222.3.9 5 5 1 11)

# The tutorial's own table, as printed there.
sql "drop database if exists pmacct; create database pmacct; use pmacct;
create table acct (
mac_src CHAR(17) NOT NULL,
mac_dst CHAR(17) NOT NULL,
ip_src CHAR(15) NOT NULL,
ip_dst CHAR(15) NOT NULL,
src_port INT(2) UNSIGNED NOT NULL,
dst_port INT(2) UNSIGNED NOT NULL,
ip_proto CHAR(6) NOT NULL,
packets INT UNSIGNED NOT NULL,
bytes BIGINT UNSIGNED NOT NULL,
stamp_inserted DATETIME NOT NULL,
stamp_updated DATETIME,
PRIMARY KEY (mac_src, mac_dst, ip_src, ip_dst, src_port, dst_port, ip_proto, stamp_inserted)
); create view acct_v1 as select * from acct"

tutorial_one() { # networks_file line or nothing
	cat >"$TMP/nfacctd.conf" <<EOF
daemonize: true
pidfile: $TMP/nfacctd.pid
plugins: mysql
sql_db: pmacct
sql_host: localhost
sql_user: root
sql_passwd: xxxxxxxxxxxx
aggregate: sum_host
nfacctd_port: $port
sql_refresh_time: 120
sql_history: 10m
sql_history_roundoff: mh
sql_table_version: 1
EOF
	printf '%s' "$1" >>"$TMP/nfacctd.conf"
	sql "delete from pmacct.acct"
	check "config 1 starts (${2})" "$NFACCTD" -f "$TMP/nfacctd.conf"
	pid=$(cat "$TMP/nfacctd.pid")
	v5_send "$port" "$a" "$b" "$c" "$d" "$e"
	wait_udp_drained "$port"
	# kill -INT `cat /var/run/nfacctd.pid`: flushed and gone; how fast, nfacctd_life.sh measures.
	kill -INT "$pid"
	check "config 1 stops on INT (${2})" wait_gone "$pid" 10
	check "config 1 removes its pid file (${2})" test ! -e "$TMP/nfacctd.pid"
}

same_rows() { # NAME QUERY, expected on stdin
	sql "$2" >"$TMP/got"
	cat >"$TMP/want"
	if ! check "$1" cmp -s "$TMP/want" "$TMP/got"; then
		diff "$TMP/want" "$TMP/got" | sed 's/^/    /'
	fi
}

rows_one="select ip_src, bytes, packets from pmacct.acct_v1 order by inet_aton(ip_src)"
tutorial_one "" "no networks_file"
same_rows "config 1: every host" "$rows_one" <<'EOF'
8.8.8.8	6000	60
10.0.0.1	7	1
10.0.0.2	7	1
111.222.1.2	6100	61
111.222.2.3	100	1
111.222.3.9	22	2
EOF
same_rows "config 1: fillers, aligned bin, stamp_updated set" \
	"select distinct mac_src, mac_dst, ip_dst, src_port, dst_port, ip_proto,
	minute(stamp_inserted) % 10, second(stamp_inserted), stamp_updated is null from pmacct.acct" <<'EOF'
0:0:0:0:0:0	0:0:0:0:0:0	0.0.0.0	0	0	0	0	0	0
EOF
check "stamp_inserted is the bin of the flow's start" test "$(sql "select count(*) from pmacct.acct
	where stamp_inserted <= now() and now() < stamp_inserted + interval 11 minute")" = 6

for filter in "" "networks_file_filter: true
"; do
	tutorial_one "networks_file: $TMP/nfacctd.networks
$filter" "networks_file ${filter:+and filter}"
	same_rows "config 1: only our subnets and the others row ${filter:+(filter said)}" "$rows_one" <<'EOF'
0.0.0.0	6014	62
111.222.1.2	6100	61
111.222.2.3	100	1
111.222.3.9	22	2
EOF
done

tutorial_one "networks_file: $TMP/nfacctd.networks
networks_file_filter: false
" "filter false"
check "config 1: an explicit false is obeyed" test "$(sql "select count(*) from pmacct.acct")" = 6

# Two purges of one bin add up (default mode), and so does a restart.
"$NFACCTD" -f "$TMP/nfacctd.conf"
v5_send "$port" "$a"
wait_udp_drained "$port"
pid=$(cat "$TMP/nfacctd.pid")
kill -TERM "$pid"
check "config 1 stops on TERM" wait_gone "$pid" 10
check "config 1: a restart adds to the bin" test "$(sql "select sum(bytes) from pmacct.acct where ip_src='8.8.8.8'")" = 7000

# ---- the reader's configuration -------------------------------------------------
for t in mx80_INTL_in mx80_INTL_out; do
	sql "use pmacct; create table $t (
	agent_id INT(4) UNSIGNED NOT NULL, class_id CHAR(16) NOT NULL, mac_src CHAR(17) NOT NULL,
	mac_dst CHAR(17) NOT NULL, vlan INT(2) UNSIGNED NOT NULL, ip_src CHAR(15) NOT NULL, ip_dst CHAR(15) NOT NULL,
	src_port INT(2) UNSIGNED NOT NULL, dst_port INT(2) UNSIGNED NOT NULL, ip_proto CHAR(6) NOT NULL,
	tos INT(4) UNSIGNED NOT NULL, iface_in INT(4) UNSIGNED NOT NULL, iface_out INT(4) UNSIGNED NOT NULL,
	packets INT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL, flows INT UNSIGNED NOT NULL,
	stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME,
	PRIMARY KEY (agent_id, class_id, mac_src, mac_dst, vlan, ip_src, ip_dst, src_port, dst_port, ip_proto, tos,
	iface_in, iface_out, stamp_inserted))"
done
cat >"$TMP/second.conf" <<EOF
daemonize:false
pidfile: $TMP/nfacctd.intl.pid
plugins: mysql[intl_in],mysql[intl_out]
sql_db: pmacct
sql_host: localhost
sql_user: root
sql_passwd: xxxxxxxxxxxx
aggregate[intl_in]: dst_host, in_iface, out_iface
aggregate[intl_out]: src_host, in_iface, out_iface
nfacctd_ip: 127.0.0.1
nfacctd_port: $port
sql_refresh_time: 300
sql_history: 5m
sql_history_roundoff: mh
sql_table_version: 5
sql_table[intl_in]: mx80_INTL_in
sql_table[intl_out]: mx80_INTL_out
plugin_pipe_size:102400000
plugin_buffer_size:1024000
sql_cache_entries:1048579
networks_file[intl_in]:$TMP/nfacctd.networks
networks_file[intl_out]:$TMP/nfacctd.networks
networks_file_filter: true
logfile:$TMP/nfacctd.intl
nfacctd_time_new:true
nfacctd_disable_checks:true
nfacctd_ext_sampling_rate:1000
nfacctd_renormalize:true
debug:false
EOF
start_second() {
	"$NFACCTD" -f "$TMP/second.conf" &
	pid=$!
	check "config 2 starts" wait_file "$TMP/nfacctd.intl.pid" 5
}
stop_second() {
	wait_udp_drained "$port"
	kill -INT "$pid"
	wait "$pid"
	check "config 2 ends with status 0" test $? -eq 0
}
rows_in="select ip_src, ip_dst, iface_in, iface_out, bytes, packets, flows, class_id, agent_id, vlan, tos
	from pmacct.mx80_INTL_in order by inet_aton(ip_dst), iface_in"
rows_out="select ip_src, ip_dst, iface_in, iface_out, bytes, packets, flows, class_id, agent_id, vlan, tos
	from pmacct.mx80_INTL_out order by inet_aton(ip_src), iface_in, iface_out"
for announced in 0 64; do # the header's own rate is overridden
	sql "delete from pmacct.mx80_INTL_in; delete from pmacct.mx80_INTL_out"
	start_second
	V5_SAMPLING=$announced v5_send "$port" "$a" "$b" "$c" "$d"
	stop_second
	same_rows "config 2: in (header rate $announced)" "$rows_in" <<'EOF'
0.0.0.0	0.0.0.0	1	2	7000	1000	0	unknown	0	0	0
0.0.0.0	0.0.0.0	5	7	1000000	10000	0	unknown	0	0	0
0.0.0.0	111.222.1.2	7	5	5000000	50000	0	unknown	0	0	0
0.0.0.0	111.222.2.3	5	5	100000	1000	0	unknown	0	0	0
EOF
	same_rows "config 2: out (header rate $announced)" "$rows_out" <<'EOF'
0.0.0.0	0.0.0.0	1	2	7000	1000	0	unknown	0	0	0
0.0.0.0	0.0.0.0	7	5	5000000	50000	0	unknown	0	0	0
111.222.1.2	0.0.0.0	5	5	100000	1000	0	unknown	0	0	0
111.222.1.2	0.0.0.0	5	7	1000000	10000	0	unknown	0	0	0
EOF
done
e2e_end
