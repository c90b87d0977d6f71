#!/bin/bash
# verify.sh - expect and verify against the collector and a real MariaDB: many
# configurations over one crafted capture, a replay whose truth comes from the
# witness, and every kind of failure with its exit status.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e2e_begin verify
mariadb_start --default-time-zone=+05:30

SCENARIO=$ROOT/conf/scenario-protocols.yaml
must "$PCAPGEN" craft --scenario "$SCENARIO" --write "$TMP/x.pcap" --truth "$TMP/x.tsv" >"$TMP/craft" 2>&1
FLOWS=$(($(wc -l <"$TMP/x.tsv") - 1))
cat >"$TMP/nets" <<-'X'
	10.1.0.0/24
	65000,10.2.0.0/18
	! a hole, and a part that is longer
	64512_65500,2001:db8:1::/48
	10.2.3.0/24
X

# A database with the default table of VERSION; "t" has the columns that no default table has.
make_db() { # NAME VERSION
	must sql "create database $1"
	must sql_file "$1" "$ROOT/sql/pmacct-create-table_v$2.mysql"
	must sql_file "$1" "$ROOT/sql/flow_ledger.mysql"
	must sql "create table $1.t (net_src char(45) not null default '', net_dst char(45) not null default '',
		mask_src int not null default 0, mask_dst int not null default 0, peer_ip_src char(45) not null default '',
		iface_in bigint not null default 0, iface_out bigint not null default 0, sampling_rate int not null default 0,
		ip_src char(45) not null default '', ip_proto char(20) not null default '',
		flows bigint not null default 0, packets bigint not null, bytes bigint unsigned not null,
		stamp_inserted datetime not null, stamp_updated datetime)"
}

# The configuration of one run: made here, read by both.
make_conf() { # NAME VERSION AGGREGATE LINE...
	local name=$1 version=$2 aggregate=$3
	shift 3
	{
		printf '%s\n' "plugins: mysql[p]" "sql_host: unix:$DB_SOCKET" "sql_user: root" "sql_passwd:" \
			"sql_db: $name" "sql_refresh_time: 60" "sql_history: 1m" "sql_history_roundoff: mh" \
			"aggregate[p]: $aggregate" "sql_table_version: $version" "nfacctd_stats_file: $TMP/$name.stats"
		printf '%s\n' "$@"
	} >"$TMP/$name.conf"
}

# shellcheck disable=SC2317 # called through check
verified() { # NAME STATUS WORDS [OPTION...]
	local name=$1 status=$2 words=$3 got=0
	shift 3
	"$PCAPGEN" verify --truth "${TRUTH:-$TMP/x.tsv}" --conf "$TMP/$name.conf" "$@" >"$TMP/$name.out" 2>&1 || got=$?
	[ "$got" -eq "$status" ] && grep -qF -- "$words" "$TMP/$name.out" && return
	echo "     exit $got, expected $status with \"$words\":"
	head -5 "$TMP/$name.out" | sed 's/^/     /'
	return 1
}

N=0
# The capture through nfacctd, then verify.
one() { # WHAT VERSION AGGREGATE LINE...
	local what=$1 name=c$((N += 1))
	shift
	make_db "$name" "$1"
	make_conf "$name" "$@"
	check "$what: nfacctd reads the capture" "$NFACCTD" -f "$TMP/$name.conf" -I "$TMP/x.pcap" >"$TMP/$name.log" 2>&1 ||
		sed 's/^/     /' "$TMP/$name.log"
	check "$what: verified" verified "$name" 0 "0 wrong, 0 unexplained: verified"
}

EXTRA="sql_optimize_clauses: true
sql_table: t"

one "hosts" 1 sum_host
one "the whole tuple" 7 "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, flows, src_as, dst_as"
one "pro-rating" 7 "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, flows" "nfacctd_pro_rating: true" \
	"sql_history: 10s"
one "sampling" 2 sum_port "nfacctd_renormalize: true"
one "an external rate" 6 sum_as "nfacctd_renormalize: true" "nfacctd_ext_sampling_rate: 1000"
one "arrival" 4 "dst_host, flows" "nfacctd_time_new: true" "sql_history: 5s"
one "networks" 1 "src_host, dst_host" "networks_file: $TMP/nets"
one "no others" 1 sum_host "networks_file: $TMP/nets" "networks_drop_others: true"
one "AS by file, a day" 6 "src_as, dst_as" "networks_file: $TMP/nets" "nfacctd_as: longest" "sql_history: 1d"
one "UTC" 1 "proto" "timestamps_utc: true"
one "prefixes" 9 "src_net, dst_net, src_mask, dst_mask" "$EXTRA"
one "prefixes by file" 9 "src_net, dst_net, src_mask, dst_mask" "$EXTRA" "networks_file: $TMP/nets" "nfacctd_net: longest"
one "prefix sums" 9 sum_net "$EXTRA" "sql_num_protos: true"
one "interfaces" 9 "peer_src_ip, in_iface, out_iface, sampling_rate" "$EXTRA"

# ---- a zone with summer time, in the collector and in the session -------------------
export TZ=Europe/Berlin
one "a day in Berlin" 1 "src_host" "sql_history: 1d" "sql_history_roundoff: mh"
export TZ=UTC

# ---- wrong rows -----------------------------------------------------------------------
# c1 is "hosts".
row=$(sql "select ip_src, stamp_inserted from c1.acct order by bytes desc, ip_src limit 1")
ip=${row%%$'\t'*} stamp=${row#*$'\t'}
must sql "update c1.acct set bytes = bytes * 2, packets = packets * 2 where ip_src = '$ip' and stamp_inserted = '$stamp'"
check "a doubled row" verified c1 1 "1 wrong, 0 unexplained: wrong"
check "is called doubled" grep -q "^wrong: plugin p: ip_src=$ip bin $stamp: .*: doubled\$" "$TMP/c1.out"
must sql "update c1.acct set bytes = bytes div 2, packets = packets div 2 where ip_src = '$ip' and stamp_inserted = '$stamp'"
check "and right again" verified c1 0 "verified"
must sql "update c1.acct set bytes = bytes - 1 where ip_src = '$ip' and stamp_inserted = '$stamp'"
check "one octet less" verified c1 1 "1 wrong, 1 unexplained" --junit "$TMP/junit" --json "$TMP/json"
check "the JUnit report has one failure" grep -q 'failures="1"' "$TMP/junit"
check "the JSON report is one" jq -e '.verdict == "wrong" and .plugins[0].wrong == 1' "$TMP/json"
must sql "delete from c1.acct where ip_src = '$ip' and stamp_inserted = '$stamp'"
check "a missing row" verified c1 1 "(-"
check "is called missing" grep -q "ip_src=$ip bin $stamp: .*: missing\$" "$TMP/c1.out"
printf 'kernel_drops\t3\n' >"$TMP/drops"
check "the kernel dropped: loss outside" verified c1 5 "lost outside the collector" --collector-stats "$TMP/drops"
check "nothing dropped: a wrong row" verified c1 1 "the collector's losses: none" --collector-stats "$TMP/c1.stats"
check "no account: it died" verified c1 7 "not flushed" --collector-stats "$TMP/none"

# ---- a replay: the truth is what the witness reads in the capture ------------------------
port=$(free_udp_port)
make_db live 7
make_conf live 7 "src_host, dst_host, src_port, dst_port, proto, flows" "nfacctd_ip: 127.0.0.1" "nfacctd_port: $port" \
	"sql_refresh_time: 1" "nfacctd_time_limit: 0"
if start_daemon live "$port" "$NFACCTD" -f "$TMP/live.conf"; then
	check "replay" "$PCAPGEN" replay "$TMP/x.pcap" --to "127.0.0.1:$port" --speed 20 --truth "$TMP/live.tsv" \
		>"$TMP/replay" 2>&1 || sed 's/^/     /' "$TMP/replay"
	TRUTH=$TMP/live.tsv check "the replay, as the witness read it" verified live 0 "OK $FLOWS flows" --wait 20
	check "the collector stops" stop_daemon live
	TRUTH=$TMP/live.tsv check "and nothing came after" verified live 0 "0 wrong"
fi

# ---- the environment ----------------------------------------------------------------------
make_conf c1 1 sum_host "sql_table: nosuch"
check "no such table" verified c1 3 'sql_table: "nosuch": there is no such table'
make_conf c1 1 sum_host "sql_user: nobody" "sql_passwd: wrong"
check "a wrong password" verified c1 3 "Access denied"
make_conf c1 1 sum_host "sql_preprocess: minb=100"
check "what is not modelled" verified c1 2 "expect does not model sql_preprocess"
make_conf c1 1 sum_host
mariadb_stop
check "no server" verified c1 3 "$DB_SOCKET"

e2e_end
