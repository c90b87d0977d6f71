#!/usr/bin/env bash
# Plugin memory and the client pmacct: the same datagrams to ours and to Debian's
# nfacctd, the same questions with either client, the same output (rows sorted:
# a table has no order).
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/netflow5.sh
. "$ROOT/tests/e2e/netflow5.sh"
e2e_begin memory_client
CLIENT=$BUILD/pmacct

config() { # NAME PORT
	cat >"$TMP/$1.conf" <<-END
		plugins: memory[a], memory[b]
		aggregate[a]: src_host, dst_host, src_port, dst_port, proto
		aggregate[b]: src_host, in_iface, tos, tcpflags, flows
		imt_path[a]: $TMP/$1.a
		imt_path[b]: $TMP/$1.b
		nfacctd_ip: 127.0.0.1
		nfacctd_port: $2
	END
}
feed() { # PORT
	v5_send "$1" "$(v5_record 10.0.0.1 192.0.2.9 1 2 10 1000)" "$(v5_record 10.0.0.2 192.0.2.9 1 2 5 5000 6)" \
		"$(v5_record 10.0.0.1 198.51.100.77 3 2 1 40)" "$(v5_record 10.0.0.3 10.0.0.1 4 1 7 777 89)"
	v5_send "$1" "$(v5_record 10.0.0.2 192.0.2.9 1 2 1 60 6)"
}
has_all() { # CLIENT NAME
	[ "$("$1" -p "$TMP/$2.a" -c dst_host -N '192.0.2.9;198.51.100.77;10.0.0.1' -S -n packets 2>/dev/null)" = 24 ]
}

port=$(free_udp_port)
config ours "$port"
must start_daemon ours "$port" "$NFACCTD" -f "$TMP/ours.conf"
feed "$port"
check "all is in the table within two seconds" wait_for 5 has_all "$CLIENT" ours
check_equal "top by bytes" "10.0.0.2,192.0.2.9,0,0,tcp,6,5060" \
	"$("$CLIENT" -p "$TMP/ours.a" -s -O csv -T bytes,1 | tail -n 1)"
check_equal "counters of two hosts" "11 1040 0 2
6 5060 0 1" "$("$CLIENT" -p "$TMP/ours.a" -c src_host -N '10.0.0.1;10.0.0.2' -n all)"
printf '10.0.0.1\n10.0.0.3\n' >"$TMP/hosts"
check_equal "there are no classifiers" "CLASS_ID	CLASS_NAME" "$("$CLIENT" -p "$TMP/ours.a" -C)"
check_equal "all columns: the table's own among them" "10.0.0.2 192.0.2.9 tcp 1970-01-01 5060" \
	"$("$CLIENT" -p "$TMP/ours.a" -s -a -0 -O csv -T bytes,1 | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		NR == 2 { print $at["SRC_IP"], $at["DST_IP"], $at["PROTOCOL"], substr($at["TIMESTAMP_END"], 1, 10), $NF }')"
check_equal "questions from a file, summed" 1817 "$("$CLIENT" -p "$TMP/ours.a" -c src_host -N "file:$TMP/hosts" -S)"

PEER_CLIENT=/usr/bin/pmacct # ours, installed, stands before it in PATH
if [ -x /usr/sbin/nfacctd ] && [ -x "$PEER_CLIENT" ]; then
	peer=$(free_udp_port)
	config peer "$peer"
	must peer_start memory "$peer" nfacctd "$TMP/peer.conf"
	feed "$peer"
	wait_for 20 has_all "$PEER_CLIENT" peer
	ask() { # -> the same question to both
		# shellcheck disable=SC2086
		"$PEER_CLIENT" -p "$TMP/peer.$table" $question 2>&1 | sort >"$TMP/want"
		# shellcheck disable=SC2086
		"$CLIENT" -p "$TMP/ours.$table" $question 2>&1 | sort >"$TMP/got"
		# Its client may read on behind the answer, and print noughts for what is there.
		[[ $question != *" -r" ]] || sed -i '/^0$/d' "$TMP/want"
	}
	same() { # seconds since the table was emptied: two clocks read one after the other
		if [ "$question" = -i ]; then
			awk '{ v[NR] = $1 } END { exit !(NR == 2 && v[1] - v[2] <= 3 && v[2] - v[1] <= 3) }' \
				"$TMP/want" "$TMP/got"
		else
			cmp -s "$TMP/want" "$TMP/got"
		fi
	}
	asked_again() {
		ask
		same
	}
	while read -r table question; do
		ask
		# A peer that is busy may give up: what changes nothing is asked again.
		if [[ " $question " != *" -e "* && " $question " != *" -r "* ]] && ! same; then
			wait_for 10 asked_again
		fi
		if ! check "as the reference prints it: $table $question" same; then
			diff "$TMP/want" "$TMP/got"
		fi
	done <<-END
		a -s
		a -s -O csv
		a -s -O json
		a -s -O event_csv
		a -s -O event_formatted
		a -s -u -O csv
		a -s -O csv -E ;
		a -s -T packets
		a -s -T bytes,2
		a -c src_host -M 10.0.0.1
		a -c src_host,proto -M 10.0.0.2,tcp -O csv
		a -c src_host -N 10.0.0.1
		a -c src_host -N 10.0.0.1;10.0.0.2;10.9.9.9
		a -c src_host -N 10.0.0.1;10.0.0.2 -S -n all
		a -c dst_host -N 192.0.2.9 -n packets
		a -c src_host,dst_host,src_port,dst_port,proto -N 10.0.0.1,192.0.2.9,0,0,udp
		a -c src_host,tos -M 10.0.0.1,0
		a -c nonsense -N 1
		a -U
		b -s
		b -s -O csv
		b -s -O json
		b -c src_host -N 10.0.0.2 -n all
		b -s -e -O csv
		b -s -O csv
		b -i
		a -c src_host -N 10.0.0.1 -r
		a -s -O csv
		a -e
		a -s
		a -i
	END
	peer_stop memory "$peer" 5
fi

"$CLIENT" -p "$TMP/ours.a" -c src_host -N x >"$TMP/said" 2>&1
check_equal "a value that is none" 1 $?
check "and its message" grep -qx 'ERROR: src_host: invalid value: "x"' "$TMP/said"
"$CLIENT" -p "$TMP/ours.a" -O bogus -s >"$TMP/said" 2>&1
check_equal "a format that is none" 2 $?
check "stops at once" stop_daemon ours 5

# A capture that has ended and waits: all of it is in the table.  And keys of the process.
must "$PCAPGEN" craft --scenario "$ROOT/conf/scenario-protocols.yaml" --write "$TMP/all.pcap" --truth "$TMP/all.tsv" >/dev/null
cat >"$TMP/ended.conf" <<-END
	plugins: memory
	aggregate: none
	imt_path: $TMP/ended
	pcap_savefile: $TMP/all.pcap
	pcap_savefile_wait: true
	log_stderr_tstamp: true
	proc_priority: 7
END
"$NFACCTD" -f "$TMP/ended.conf" 2>"$TMP/ended.log" &
PID[ended]=$!
truth=$(awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { p += $at["packets"]; o += $at["octets"] }
	END { printf "PACKETS,BYTES %.0f,%.0f", p, o }' "$TMP/all.tsv")
has_ended() {
	[ "$("$CLIENT" -p "$TMP/ended" -s -O csv 2>/dev/null | paste -sd' ')" = "$truth" ]
}
check "a capture's rows are there when it has ended" wait_for 10 has_ended || echo "want $truth"
check_equal "proc_priority" 7 "$(cut -d' ' -f19 "/proc/${PID[ended]}/stat")"
check "stops" stop_daemon ended 5
check "log_stderr_tstamp" grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z INFO .* nfacctd stopped' "$TMP/ended.log"
"$CLIENT" -p "$TMP/ours.a" -s >"$TMP/said" 2>&1
check_equal "nobody there" 1 $?
check "and its message" grep -q "ours.a\": No such file or directory; is nfacctd running" "$TMP/said"
e2e_end
