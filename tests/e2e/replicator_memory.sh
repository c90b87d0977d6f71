#!/usr/bin/env bash
# replicator_memory.sh - templates that came once outlive an upgrade and a
# restart: a tenant's records are read to the last one, and a collector that is
# new behind them decodes its first.  Behind an upgrade, collectors that get a
# part of a stream see its numbers go on.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_memory

IN=$(free_udp_port) ONE=$(free_udp_port) LATE=$(free_udp_port) HALF=$(free_udp_port)
{
	printf 'seed: 7\nduration: 30s\nrate: 3000 records/s\nexporters:\n'
	i=0
	for protocol in netflow9 ipfix netflow5 sflow5; do
		i=$((i + 1))
		echo "  - { name: e$i, address: 127.0.5.$i, port: $(free_udp_port), protocol: $protocol, domain: $i, refresh: 0s, refresh_datagrams: 0 }"
	done
	printf 'customers:\n  - { prefix: 10.1.0.0/24, hosts: 20, interface: 11 }\n'
	printf 'remotes:\n  - { prefix: 198.51.100.0/24, interface: 1 }\n'
	printf 'applications:\n  - { proto: tcp, port: 443 }\n'
} >"$TMP/scenario.yaml"
# The customer's records, and half of the datagrams.
printf 'id=1 ip=127.0.0.1:%s networks=10.1.0.0/24\nid=3 ip=127.0.0.1:%s sample=2\n' "$ONE" "$HALF" >"$TMP/map"
start_collector one "$ONE"
start_collector half "$HALF"
cat >"$TMP/tee.conf" <<-END
	listen_ip: 127.0.0.1
	listen_port: $IN
	tee_receivers: $TMP/map
	control: $TMP/control
	workers: 2
	template_file: $TMP/templates
END
tee_start() { # NAME OPTION...
	must start_daemon "$1" "$IN" "$REPLICATOR" --config "$TMP/tee.conf" --stats "$TMP/$1.tsv" "${@:2}"
}
tenant() { # NAME COUNTER
	stat_value "$TMP/$1.tsv" "receiver_$2{receiver=\"127.0.0.1:$ONE\",pool=\"pool 1\"}"
}
has_read() { # NAME RECORDS
	[ "$(tenant "$1" records)" -gt "$2" ] 2>/dev/null
}
in_log() { # NAME TEXT
	grep -q "$2" "$TMP/$1.log"
}

tee_start old
"$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" >"$TMP/craft.log" 2>&1 &
PID[craft]=$!
check "records are read" wait_for 5 has_read old 200

"$REPLICATOR" --config "$TMP/tee.conf" --stats "$TMP/new.tsv" --take-over 2>"$TMP/new.log" &
PID[new]=$!
check "an upgrade: the old process ends" wait_gone "${PID[old]}" 10
wait "${PID[old]}"
unset 'PID[old]'
check "the templates are handed over" wait_for 5 in_log new 'templates of the process before: [0-9]* messages'
at_least() { # NAME COUNTER NUMBER
	[ "$(stat_value "$TMP/$1.tsv" "$2")" -ge "$3" ] 2>/dev/null
}
check "and records are read" wait_for 5 has_read new "$(($(tenant old records) + 200))"
check "an end" stop_daemon new
for name in one half; do
	port=${name^^}
	check "$name has all that was sent" wait_for 5 at_least $name received_datagrams \
		"$(stat_sum "$TMP/new.tsv" "^receiver_sent[{]receiver=\"127.0.0.1:${!port}\"")"
	for what in lost gaps restarts late; do
		check_equal "$name: sequence_$what" 0 "$(stat_value "$TMP/$name.tsv" sequence_$what)"
	done
done
check "leaves a file" test -s "$TMP/templates"

# The next one has another number of workers, and a collector that has heard nothing yet.
sed -i 's/^workers:.*/workers: 3/' "$TMP/tee.conf"
echo "id=2 ip=127.0.0.1:$LATE" >>"$TMP/map"
cat >"$TMP/late.conf" <<-END
	nfacctd_ip: 127.0.0.1
	nfacctd_port: $LATE
	nfacctd_stats_file: $TMP/late.tsv
	plugins: memory[none]
	aggregate: none
	imt_path: $TMP/late.imt
END
must start_daemon late "$LATE" "$NFACCTD" -f "$TMP/late.conf"
tee_start next
check "a restart: templates are in the file" wait_for 5 in_log next 'templates of the process before: [0-9]* messages'
check "and records are read again" wait_for 5 has_read next 200
kill "${PID[craft]}"
wait "${PID[craft]}" 2>/dev/null
unset 'PID[craft]'
wait_udp_drained "$IN"
check "the last one ends" stop_daemon next
for name in old new next; do
	check_equal "$name: nothing was unreadable for the tenant" 0 "$(tenant $name unread_octets)"
	check_equal "$name: all of it was the tenant's" "$(tenant $name records)" "$(tenant $name records_kept)"
done
wait_udp_drained "$LATE"
check "the collector ends" stop_daemon late
check "the new collector has datagrams" test "$(stat_value "$TMP/late.tsv" datagrams_received)" -gt 5
check_equal "and could read everything" 0 "$(stat_value "$TMP/late.tsv" 'damaged{cause="no_template"}')"

# A file that is none, or cut, is no reason not to start.
head -c 100 "$TMP/templates" >"$TMP/cut" && mv "$TMP/cut" "$TMP/templates"
tee_start cut
check "a cut file is told" wait_for 5 in_log cut 'expected a file that replicator wrote'
check "and the program ends in order" stop_daemon cut
echo "something else" >"$TMP/templates"
tee_start other
check "another file is told" wait_for 5 in_log other 'expected a file that replicator wrote'
check "here too" stop_daemon other

e2e_end
