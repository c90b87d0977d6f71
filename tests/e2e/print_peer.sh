#!/usr/bin/env bash
# The print plugin beside Debian's nfacctd: one capture, the same configuration, the
# same files; twice, so that they are appended to, or replaced.  And a FIFO.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_begin print_peer
[ -x /usr/sbin/nfacctd ] || e2e_skip "no Debian nfacctd"
export TZ=UTC
# No flow starts on the edge of a bin: there ours is in the next one, on purpose.
cat >"$TMP/s.yaml" <<END
seed: 11
start: 2026-01-01T00:05:00Z
rate: 20 records/s
duration: 3s
exporters:
  - address: 127.0.0.1
    port: 40001
    protocol: netflow5
customers:
  - prefix: 100.64.0.0/12
    hosts: 4
remotes:
  - prefix: 198.18.0.0/15
    hosts: 5
END
must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --write "$TMP/flows.pcap" >/dev/null

# Plugins: name, then its keys.
plugins() {
	cat <<'END'
csv print_output: csv|aggregate: src_host,dst_host,proto,tos,tcpflags,flows
bins print_output: csv|aggregate: src_host,proto|print_history: 10m|print_history_roundoff: mh
json print_output: json|aggregate: src_host,proto,src_port|print_history: 10m|print_history_roundoff: mh
eventcsv print_output: event_csv|aggregate: src_host,proto,tcpflags
event print_output: event_formatted|aggregate: src_host,proto,tcpflags
table print_output: formatted|aggregate: src_host,dst_host,proto,tos,tcpflags,flows,src_mac,vlan,in_iface,src_as
marks print_output: csv|aggregate: src_host|print_markers: true
jsonmarks print_output: json|aggregate: src_host|print_markers: true
tab print_output: csv|aggregate: src_host,dst_host|print_output_separator: \t
append print_output: csv|aggregate: src_host|print_output_file_append: true
appendmarks print_output: csv|aggregate: src_host|print_output_file_append: true|print_markers: true
numbers print_output: csv|aggregate: src_host,proto|print_num_protos: true
latest print_output: csv|aggregate: src_host|print_history: 10m|print_history_roundoff: mh|print_output_file: @/latest-%Y%m%d-%H%M.txt|print_latest_file: @/latest-now
peer print_output: csv|aggregate: src_host,peer_src_ip|print_history: 10m|print_history_roundoff: mh|print_output_file: @/peer-$peer_src_ip-%H%M.txt|print_latest_file: @/peer-now-$peer_src_ip
END
}
config() { # WHO
	local name keys
	echo "plugins: $(plugins | sed 's/^\([a-z]*\) .*/print[\1]/' | paste -sd,)"
	echo "pcap_savefile: $TMP/flows.pcap"
	echo "print_refresh_time: 86400"
	echo "print_cache_entries: 101" # of the reference, which zeroes them at its start
	while read -r name keys; do
		[[ $keys == *print_output_file:* ]] || keys="$keys|print_output_file: @/$name.txt"
		tr '|' '\n' <<<"$keys" | sed "s/^\\([a-z_]*\\):/\\1[$name]:/; s#@#$TMP/$1#"
	done < <(plugins)
}
run() { # WHO PROGRAM: both times
	rm -rf "${TMP:?}/$1"
	mkdir "$TMP/$1"
	config "$1" >"$TMP/$1.conf"
	for _ in 1 2; do
		setsid "$2" -f "$TMP/$1.conf" >>"$TMP/$1.log" 2>&1 &
		PID[peer-$1]=$!
		wait "${PID[peer-$1]}"
		wait_for 30 peer_group_gone "${PID[peer-$1]}"
		unset "PID[peer-$1]"
	done
}
must run ours "$NFACCTD"
# On a busy machine the reference's core may end before its plugins have heard of the records.
for _ in 1 2 3 4; do
	rm -f "$TMP/theirs.log"
	run theirs /usr/sbin/nfacctd
	[ "$(grep -c 'Purging cache - END' "$TMP/theirs.log")" -lt $((2 * $(plugins | wc -l))) ] || break
done
names() { # WHO: files, and where links lead
	find "$TMP/$1" -mindepth 1 -printf '%f %l\n' | sed "s#$TMP/$1/##" | sort
}
check_equal "the same files and links" "$(names theirs)" "$(names ours)"
# Rows come in any order; process numbers and the time of writing differ.
content() { # FILE
	sed 's/([0-9]*)--$/(N)--/; s#/[0-9]*", "#/N", "#; s#/[0-9]*"}#/N"}#; s/"stamp_updated": "[^"]*"//' "$1" | sort
}
head_of() { # FILE: the first line, unless its rows are all there is
	head -n 1 "$1" | sed 's/([0-9]*)--$/(N)--/; /^{/d'
}
for path in "$TMP"/theirs/*; do
	name=$(basename "$path")
	content "$path" >"$TMP/want"
	content "$TMP/ours/$name" >"$TMP/got"
	check "$name: the same lines" cmp "$TMP/want" "$TMP/got"
	check_equal "$name: the same heading" "$(head_of "$path")" "$(head_of "$TMP/ours/$name")"
done

mkfifo "$TMP/fifo"
timeout 20 cat "$TMP/fifo" >"$TMP/read" &
PID[cat]=$!
"$NFACCTD" -P print -O csv -c src_host -o "$TMP/fifo" -I "$TMP/flows.pcap" >"$TMP/fifo.log" 2>&1
check_equal "a FIFO is written" 0 $?
wait "${PID[cat]}"
unset 'PID[cat]'
content "$TMP/ours/numbers.txt" | cut -d, -f1 | sort -u >"$TMP/want"
cut -d, -f1 "$TMP/read" | sort -u >"$TMP/got"
check "and its reader has the rows" cmp "$TMP/want" "$TMP/got"
e2e_end
