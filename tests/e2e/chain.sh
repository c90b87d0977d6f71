#!/usr/bin/env bash
# The whole chain for each protocol: pcapgen craft -> replicator -> two nfacctd and
# Debian's -> MariaDB -> pcapgen verify.
#
# Proved for each: our rows equal the truth; the second collector behind the tee has
# the same rows; Debian's nfacctd (sfacctd for sFlow) has the same sums by key; and
# in every program what came in is what went out plus named losses.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

e2e_begin chain
export TZ=UTC
# shellcheck disable=SC2119 # its arguments are the server's
mariadb_start

keys="src_host, dst_host, proto, tos, tcpflags, in_iface, out_iface"
columns="ip_src, ip_dst, ip_proto, tos, iface_in, iface_out"
for db in one two debian; do
	sql "create database $db; use $db; create table flows (
		ip_src CHAR(45) NOT NULL, ip_dst CHAR(45) NOT NULL, ip_proto CHAR(20) NOT NULL,
		tos INT UNSIGNED NOT NULL, tcp_flags INT UNSIGNED NOT NULL,
		iface_in INT UNSIGNED NOT NULL, iface_out INT UNSIGNED NOT NULL,
		packets BIGINT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL, flows BIGINT UNSIGNED NOT NULL,
		stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME,
		PRIMARY KEY ($columns, stamp_inserted)) CHARACTER SET latin1"
done

# Two exporters, one of them sampling, so that options or headers must be understood,
# and understood for this one only: behind the tee both have one address.
scenario() { # PROTOCOL FAMILIES SAMPLING
	cat <<-END
	seed: 20
	duration: 2s
	rate: 1500 records/s
	exporters:
	  - { name: a, address: 127.0.0.21, protocol: $1, domain: 1, families: $2, weight: 2 }
	  - { name: b, address: 127.0.0.22, protocol: $1, domain: 2, families: $2, sampling: $3 }
	customers:
	  - { prefix: 111.222.1.0/24, hosts: 20, interface: 11, weight: 3 }
	  - { prefix: 111.222.2.0/24, hosts: 10, interface: 12 }
	  - { prefix: 2001:db8:1::/48, hosts: 10, interface: 11 }
	remotes:
	  - { prefix: 198.51.100.0/24, hosts: 10, interface: 1, next_hop: 192.0.2.1 }
	  - { prefix: 2001:db8:f000::/36, hosts: 5, interface: 2, next_hop: 2001:db8::1 }
	applications:
	  - { proto: tcp, port: 443, weight: 60 }
	  - { proto: udp, port: 53, tos: 8, weight: 10 }
	  - { proto: icmp, weight: 2 }
	flows:
	  octets: { kind: pareto, min: 64, max: 10M, alpha: 1.1 }
	END
}

collector() { # DATABASE PORT
	cat <<-END
	plugins: mysql[x]
	aggregate: $keys, flows
	sql_db: $1
	sql_host: unix:$DB_SOCKET
	sql_user: root
	sql_passwd:
	sql_table: flows
	sql_table_version: 7
	sql_optimize_clauses: true
	sql_refresh_time: 1
	sql_history: 10m
	sql_history_roundoff: mh
	nfacctd_ip: 127.0.0.1
	nfacctd_port: $2
	nfacctd_renormalize: true
	nfacctd_stats_file: $TMP/$1.tsv
	END
}

# Debian's: no plugin_buffer_size (it would hold records back), bins by arrival (it
# dates some flows wrongly, which is not what is compared here), one purge, at the end
# (on a busy machine its writers overtake each other, and a flow was there twice).
debian() { # PORT PREFIX
	cat <<-END
	plugins: mysql[x]
	aggregate: $keys, flows
	sql_db: debian
	sql_host: unix:$DB_SOCKET
	sql_user: root
	sql_passwd:
	sql_table: flows
	sql_table_version: 7
	sql_optimize_clauses: true
	sql_refresh_time: 3600
	sql_history: 1h
	sql_history_roundoff: h
	plugin_pipe_size: 20000000
	${2}_ip: 127.0.0.1
	${2}_port: $1
	${2}_renormalize: true
	${2}_time_new: true
	END
}

rows_of() { # DATABASE -> what two collectors must agree on
	sql "select $columns, tcp_flags, packets, bytes, flows, stamp_inserted from $1.flows
		order by $columns, stamp_inserted"
}

# Without bins.  sfacctd 1.7.7 does not read the traffic class of a sampled IPv6 header.
sums_of() { # DATABASE PEER
	local keys=$columns
	[ "$2" = sfacctd ] && keys=${columns/tos/"if(ip_src like '%:%', 0, tos)"}
	sql "select $keys, bit_or(tcp_flags), sum(packets), sum(bytes), sum(flows) from $1.flows
		group by $keys order by $keys"
}

same_file() { # NAME A B
	if ! check "$1" cmp -s "$2" "$3"; then
		diff "$2" "$3" | head -n 10 | sed 's/^/     /'
	fi
}

# Every counter that must be 0 and is not.
unexplained() { # FILE
	awk -F'\t' '$1 ~ /unexplained/ && $2 != 0 { print $1 "=" $2 }' "$1"
}

# The double entry, from what was sent to what stands in the table.
ledger() { # PROTOCOL RECEIVER-PORT DATABASE
	local stats=$TMP/$3.tsv tee=$TMP/replicator.tsv receiver="{receiver=\"127.0.0.1:$2\",pool=\"*\"}"
	local sent lost

	sent=$(stat_value "$TMP/craft.tsv" datagrams)
	check_equal "$1 $3: sent = what the tee received and the kernel dropped there" "$sent" \
		$(($(stat_value "$tee" received_datagrams) + $(stat_value "$tee" kernel_drops)))
	check_equal "$1 $3: the tee offered each to this receiver" \
		"$(stat_value "$tee" replicated_datagrams)" "$(stat_value "$tee" "receiver_received$receiver")"
	lost=0
	for cause in filtered balanced sampled family eagain emsgsize refused unreachable other; do
		lost=$((lost + $(stat_value "$tee" "receiver_$cause$receiver")))
	done
	check_equal "$1 $3: offered = sent and named losses" \
		"$(stat_value "$tee" "receiver_received$receiver")" \
		$(($(stat_value "$tee" "receiver_sent$receiver") + lost))
	check_equal "$1 $3: nothing is lost on loopback" 0 "$lost"
	check_equal "$1 $3: sent = what nfacctd received and the kernel dropped there" \
		"$(stat_value "$tee" "receiver_sent$receiver")" \
		$(($(stat_value "$stats" datagrams_received) + $(stat_value "$stats" kernel_drops)))
	check_equal "$1 $3: received = accepted, denied, refused" "$(stat_value "$stats" datagrams_received)" \
		$(($(stat_value "$stats" datagrams_accepted) + $(stat_value "$stats" datagrams_denied) +
			$(stat_sum "$stats" '^datagrams_refused\{')))
	check_equal "$1 $3: records decoded = records of the truth" "$truth_records" \
		"$(stat_value "$stats" records_decoded)"
	check_equal "$1 $3: octets exported = octets of the truth" "$truth_octets" \
		"$(stat_value "$stats" octets_exported)"
	check_equal "$1 $3: octets into the plugin = octets written" \
		"$(stat_value "$stats" 'plugin_octets_in{plugin="x"}')" \
		"$(stat_value "$stats" 'plugin_octets_written{plugin="x"}')"
	check_equal "$1 $3: octets written = octets in the table" \
		"$(stat_value "$stats" 'plugin_octets_written{plugin="x"}')" \
		"$(sql "select sum(bytes) from $3.flows")"
	check_equal "$1 $3: unexplained is 0 everywhere" "" "$(unexplained "$stats")"
}

run_protocol() { # PROTOCOL FAMILIES SAMPLING PEER
	local p=$1 peer=$4 tee_port port_one port_two peer_port receivers=() name
	tee_port=$(free_udp_port)
	port_one=$(free_udp_port)
	port_two=$(free_udp_port)
	peer_port=$(free_udp_port)
	sql "delete from one.flows; delete from two.flows; delete from debian.flows"
	scenario "$p" "$2" "$3" >"$TMP/scenario.yaml"
	collector one "$port_one" >"$TMP/one.conf"
	collector two "$port_two" >"$TMP/two.conf"
	debian "$peer_port" "$peer" >"$TMP/debian.conf"

	start_daemon one "$port_one" "$NFACCTD" -f "$TMP/one.conf" || return
	start_daemon two "$port_two" "$NFACCTD" -f "$TMP/two.conf" || return
	receivers=("127.0.0.1/$port_one" "127.0.0.1/$port_two")
	if [ -x "/usr/sbin/$peer" ]; then
		check "$p: Debian's $peer starts" peer_start "$p" "$peer_port" "$peer" "$TMP/debian.conf" || return
		receivers+=("127.0.0.1/$peer_port")
	fi
	start_daemon replicator "$tee_port" "$REPLICATOR" --stats "$TMP/replicator.tsv" -p "$tee_port" \
		"${receivers[@]}" || return

	# A busy machine may send late: that is not what is tested here.
	check "$p: pcapgen craft sends" "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$tee_port" \
		--late 60000 --truth "$TMP/truth.tsv" >"$TMP/craft.tsv" || return
	wait_udp_drained "$tee_port"
	check "$p: replicator stops" stop_daemon replicator
	wait_udp_drained "$port_one"
	wait_udp_drained "$port_two"
	for name in one two; do
		check "$p: nfacctd $name stops" stop_daemon $name 20
	done
	if [ -x "/usr/sbin/$peer" ]; then
		wait_udp_drained "$peer_port"
		peer_stop "$p" "$peer_port"
	fi

	truth_records=$(($(wc -l <"$TMP/truth.tsv") - 1))
	truth_octets=$(awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "octets") c = i; next }
		{ n += $c } END { printf "%.0f\n", n }' "$TMP/truth.tsv")
	check_equal "$p: the truth has what craft says" \
		"$(stat_value "$TMP/craft.tsv" records) $(stat_value "$TMP/craft.tsv" octets)" \
		"$truth_records $truth_octets"
	for name in one two; do
		check "$p: verify, collector $name" "$PCAPGEN" verify --truth "$TMP/truth.tsv" --conf "$TMP/$name.conf" \
			--collector-stats "$TMP/$name.tsv"
	done
	rows_of one >"$TMP/one.rows"
	rows_of two >"$TMP/two.rows"
	check "$p: there are rows" test -s "$TMP/one.rows"
	same_file "$p: both collectors have the same rows" "$TMP/one.rows" "$TMP/two.rows"
	if [ -x "/usr/sbin/$peer" ]; then
		sums_of one "$peer" >"$TMP/one.sums"
		sums_of debian "$peer" >"$TMP/debian.sums"
		same_file "$p: Debian's $peer has the same sums" "$TMP/debian.sums" "$TMP/one.sums"
	fi
	ledger "$p" "$port_one" one
	ledger "$p" "$port_two" two
}

run_protocol netflow5 4 16 nfacctd
run_protocol netflow9 both 100 nfacctd
run_protocol ipfix both 1000 nfacctd
run_protocol sflow5 both 512 sfacctd
e2e_end
