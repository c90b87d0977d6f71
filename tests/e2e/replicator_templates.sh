#!/bin/bash
# replicator_templates.sh - a collector that starts long after the only
# template decodes records within a second: ours and Debian's, with the
# exporter's address kept and without, v9 and IPFIX.
#
# An exporter, the tee and the collectors have a network namespace each, so
# that the sources that the tee keeps are nobody's here.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/netns.sh
. "$HERE/netns.sh"
netns_enter replicator_templates "$@"
e2e_begin replicator_templates

ip link set lo up
if ! { namespace exporter && namespace far && link exporter 10.8.0.1 10.8.0.2 &&
	link far 10.9.0.1 10.9.0.2; } 2>"$TMP/links"; then
	e2e_skip "no veth: $(head -1 "$TMP/links")"
fi

# Templates and options once, at the start; 6 seconds of records.
cat >"$TMP/scenario.yaml" <<-END
	seed: 3
	duration: 6s
	rate: 2000 records/s
	exporters:
	  - { name: a, address: 10.8.0.2, port: 50011, protocol: netflow9, domain: 1, sampling: 100, refresh: 0s, refresh_datagrams: 0 }
	  - { name: b, address: 10.8.0.2, port: 50012, protocol: ipfix, domain: 2, sampling: 10, refresh: 0s, refresh_datagrams: 0 }
	customers:
	  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }
	remotes:
	  - { prefix: 198.51.100.0/24, interface: 1 }
	applications:
	  - { proto: tcp, port: 443 }
END

ours() { # NAME PORT
	cat >"$TMP/$1.conf" <<-END
		nfacctd_ip: 10.9.0.2
		nfacctd_port: $2
		nfacctd_stats_file: $TMP/$1.tsv
		nfacctd_renormalize: true
		plugins: print
		aggregate: peer_src_ip
		print_refresh_time: 60
		print_output: csv
		print_output_file: $TMP/$1.csv
	END
}

in_far() { # NAME PORT CONFIGURATION: our nfacctd in the far namespace; PID is its own
	nsenter -t "${PID[far]}" -n "$NFACCTD" -f "$3" >"$TMP/$1.log" 2>&1 &
	PID[$1]=$!
}

has_records() { # NAME
	kill -USR1 "${PID[$1]}" 2>/dev/null
	[ "$(stat_value "$TMP/$1.tsv" records_decoded 2>/dev/null || echo 0)" -gt 0 ]
}

has_csv() { # NAME: Debian's has written a row
	[ -e "$TMP/$1.csv" ] && [ "$(wc -l <"$TMP/$1.csv")" -gt 1 ]
}

received() { # COUNT
	[ "$(stat_value "$TMP/tee.tsv" received_datagrams 2>/dev/null || echo 0)" -ge "$1" ]
}

is_ready() { # NAME: a stats file is there only once the socket is
	grep -qs 'listening' "$TMP/$1.log"
}

cat >"$TMP/tee.conf" <<-END
	plugins: tee[plain], tee[kept]
	nfacctd_port: 2055
	tee_receivers[plain]: $TMP/plain.map
	tee_receivers[kept]: $TMP/kept.map
	tee_transparent[kept]: true
	stats_file: $TMP/tee.tsv
	control: $TMP/control
END
echo 'id=1 ip=10.9.0.2:3000,10.9.0.2:3002,10.9.0.2:3003' >"$TMP/plain.map"
echo "id=3 ip=10.9.0.2:3004 spool=$TMP/spool spool_rate=100000" >>"$TMP/plain.map"
mkdir "$TMP/spool"
echo 'id=2 ip=10.9.0.2:3001' >"$TMP/kept.map"
ours always 3003
ours plain 3000
ours kept 3001
ours spooled 3004
cat >"$TMP/debian.conf" <<-END
	nfacctd_ip: 10.9.0.2
	nfacctd_port: 3002
	plugins: print
	aggregate: src_host
	print_refresh_time: 1
	print_output: csv
	print_output_file: $TMP/debian.csv
END

must start_daemon tee 2055 "$REPLICATOR" --config "$TMP/tee.conf"
in_far always 3003 "$TMP/always.conf"
must wait_for 5 is_ready always
in_namespace exporter ip link set lo up
in_namespace exporter "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to 10.8.0.1:2055 \
	--truth "$TMP/truth.tsv" >"$TMP/craft.log" 2>&1 &
PID[craft]=$!
check "records flow, nobody listens" wait_for 5 received 60

late() { # NAME PORT
	local start now
	in_far "$1" "$2" "$TMP/$1.conf"
	wait_for 5 is_ready "$1"
	start=$(date +%s%N)
	check "$1: records" wait_for 3 has_records "$1"
	now=$(date +%s%N)
	check "$1: within a second, $(((now - start) / 1000000)) ms" test $(((now - start) / 1000000)) -lt 1000
}
in_far spooled 3004 "$TMP/spooled.conf"
late plain 3000
late kept 3001
if [ -x /usr/sbin/nfacctd ]; then
	nsenter -t "${PID[far]}" -n setsid /usr/sbin/nfacctd -f "$TMP/debian.conf" >"$TMP/debian.log" 2>&1 &
	PID[peer-debian]=$!
	check "Debian's: rows" wait_for 6 has_csv debian
else
	echo "     Debian's nfacctd is not installed: not tried"
fi

check_equal "by command" "ok: 1 receivers" "$("$REPLICATOR" --control "$TMP/control" --tell 10.9.0.2:3000)"
"$REPLICATOR" --control "$TMP/control" --tell 10.9.0.2:1 >"$TMP/tell" 2>&1
check_equal "an unknown receiver: status" 1 $?
check "an unknown receiver: message" grep -q 'expected a receiver as the statistics name it' "$TMP/tell"

wait "${PID[craft]}"
check_equal "generator" 0 $?
unset 'PID[craft]'
is_empty() {
	[ "$(stat_sum "$TMP/tee.tsv" '^receiver_spool_waiting.*:3004"')" = 0 ] 2>/dev/null
}
check "the spool is empty in the end" wait_for 10 is_empty
for name in always plain kept spooled; do
	check "$name ends in order" stop_daemon $name
done
check "tee ends in order" stop_daemon tee

# Who listened from the start was not told and lost nothing; what the late ones
# could not read came in the quarter of a second before they were told.
told() { stat_sum "$TMP/tee.tsv" "^receiver_told.*10.9.0.2:$1\""; }
check_equal "always there: never told" 0 "$(told 3003)"
check "late: told" test "$(told 3000)" -gt 0
check_equal "always there: every record" "$(($(wc -l <"$TMP/truth.tsv") - 1))" "$(stat_value "$TMP/always.tsv" records_decoded)"
for name in plain kept; do
	check "$name: no more than 0.3 s without templates" test \
		"$(stat_sum "$TMP/$name.tsv" 'no_template"}$' || echo 0)" -lt 25
	check_equal "$name: every record has its sampling interval" "$(stat_value "$TMP/$name.tsv" records_decoded)" \
		"$(stat_value "$TMP/$name.tsv" records_rescaled)"
done
check "spooled: there was something" test "$(stat_sum "$TMP/tee.tsv" '^receiver_replayed.*:3004"')" -gt 100
check_equal "spooled: all of it could be read" 0 "$(stat_value "$TMP/spooled.tsv" 'damaged{cause="no_template"}')"
check_equal "spooled: and none had to wait for its template" 0 "$(stat_value "$TMP/spooled.tsv" held_sets)"
check "spooled: told once a stream and quarter of a second" test \
	"$(stat_sum "$TMP/tee.tsv" '^receiver_told.*:3004"')" -lt 60
check "kept: the exporter's address" grep -q '^10\.8\.0\.2,' "$TMP/kept.csv"
check_equal "kept: and no other" 1 "$(grep -c '^[0-9]' "$TMP/kept.csv")"
check "plain: the tee's" grep -q '^10\.9\.0\.1,' "$TMP/plain.csv"

e2e_end
