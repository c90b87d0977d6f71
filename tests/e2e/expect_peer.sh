#!/usr/bin/env bash
# What pcapgen expects of tags, filters and sampling maps, against the rows of
# Debian's nfacctd, and of ours: one capture, a plugin a case, all of them in one run.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_begin expect_peer
export TZ=UTC

cat >"$TMP/s.yaml" <<END
seed: 21
start: 2026-01-05T12:00:05Z
duration: 20s
rate: 20 records/s
exporters:
  - { address: 127.0.0.5, port: 50005, protocol: netflow5, domain: 3, sampling: 64 }
  - { address: 127.0.0.9, port: 50009, protocol: netflow9, domain: 9, sampling: 100 }
  - { address: 127.0.0.10, port: 50010, protocol: ipfix, domain: 10, sampling: 16, sampling_says: record }
  - { address: 127.0.0.20, port: 50020, protocol: ipfix, domain: 20 }
customers:
  - { prefix: 10.1.0.0/24, hosts: 5, as: 64501, interface: 11, next_hop: 10.1.0.254 }
  - { prefix: 10.2.0.0/16, hosts: 70, as: 64502, interface: 12 }
remotes:
  - { prefix: 198.51.100.0/24, hosts: 4, as: 65010, interface: 1, next_hop: 192.0.2.1 }
  - { prefix: 203.0.113.0/24, hosts: 3, as: 65011, interface: 2, next_hop: 192.0.2.2 }
applications:
  - { proto: tcp, port: 443, weight: 50 }
  - { proto: udp, port: 53, tos: 8, weight: 30 }
  - { proto: icmp, port: 769, tos: 184, weight: 5 }
END
must "$PCAPGEN" craft --scenario "$TMP/s.yaml" --write "$TMP/flows.pcap" --truth "$TMP/flows.tsv" >/dev/null

# Rules have an ip=, and set one thing each: 1.7.7 demands it.
ANY=ip=0.0.0.0/0
cat >"$TMP/tags" <<END
! the first that holds; jumps; sums
set_tag=10 ip=127.0.0.5 in=11
set_tag=20 ip=127.0.0.0/28 out=-12 jeq=down
set_tag=3 $ANY src_net=10.2.0.0/16 jeq=next
set_tag2=7 $ANY filter='udp port 53' jeq=down
set_tag=99 $ANY in=1
set_tag=5 $ANY src_as=-64502 label=down stack=sum
set_tag=1 $ANY dst_as=65011 stack=or
set_tag=8 $ANY source_id=20
END
cat >"$TMP/labels" <<END
set_label=tcp $ANY filter='tcp and dst net 198.51.100.0/24' jeq=next
set_label=far $ANY nexthop=192.0.2.1 jeq=next
set_label=rest $ANY out=-11
END
echo "set_tag=1 ip=127.0.0.9 in=1" >"$TMP/few"
printf 'set_tos=%s %s\n' 40 "$ANY in=11" 16 "ip=127.0.0.9" >"$TMP/tos"
printf 'id=77 %s in=11\nid=7 %s out=2\n' ip=127.0.0.0/28 "$ANY" >"$TMP/sampling"
printf '%s\n' 64999_64501,10.1.0.0/24 64502,10.2.0.0/16 10.0.0.9,65000_65010,198.51.100.0/24 >"$TMP/networks"

# Plugins: name, then its keys.
plugins() {
	cat <<-'END'
		tags aggregate: src_host,tag,tag2|pre_tag_map: @/tags
		labels aggregate: label,in_iface,flows|pre_tag_map: @/labels
		tos aggregate: tos,peer_src_ip|pre_tag_map: @/tos
		some aggregate: src_host,tag|pre_tag_map: @/tags|pre_tag_filter: 5,20-30,-3
		untagged aggregate: dst_host|pre_tag_map: @/few|pre_tag_filter: 0
		second aggregate: src_net,tag2|pre_tag_map: @/tags|pre_tag2_filter: 7
		named aggregate: proto,label|pre_tag_map: @/labels|pre_tag_label_filter: rest,null
		posted aggregate: in_iface,tag,tag2|pre_tag_map: @/tags|pre_tag_filter: -99|post_tag: 4|post_tag2: 6
		web aggregate: src_host,tcpflags|aggregate_filter: tcp port 443 and src net 10.0.0.0/8
		dns aggregate: dst_host,src_port|aggregate_filter: udp and (host 10.1.0.3 or portrange 50-60)
		ping aggregate: dst_port,proto|aggregate_filter: icmp or dst port 53
		syn aggregate: dst_host|aggregate_filter: tcp[tcpflags] & tcp-syn != 0
		dscp aggregate: sum_host|aggregate_filter: ip[1] == 8 or not ip proto 17
		ases aggregate: src_as,dst_as,peer_src_as,peer_dst_as|networks_file: @/networks
	END
}
# What a replay's truth has beside: of crafted samples the MAC addresses of their frames; the
# captures of the corpus add VLANs, directions and NAT.
cat >"$TMP/frames.yaml" <<END
seed: 22
start: 2026-01-05T12:00:05Z
duration: 5s
rate: 20 records/s
exporters:
  - { address: 127.0.0.6, port: 50006, protocol: sflow5, domain: 1, sampling: 512 }
customers:
  - { prefix: 10.1.0.0/24, hosts: 5, as: 64501, interface: 11 }
remotes:
  - { prefix: 198.51.100.0/24, hosts: 4, as: 65010, interface: 1 }
END
must "$PCAPGEN" craft --scenario "$TMP/frames.yaml" --write "$TMP/sflow-frames.pcap" >/dev/null
CORPUS=${FLOWLEDGER_CORPUS:-$ROOT/../shared/corpus}
wide_captures() {
	local c
	echo "$TMP/sflow-frames.pcap"
	echo "$TMP/flows.pcap"
	for c in IPFIX-akvorado-mpls NFv9-ubnt-edgerouter NFv9-pmacct101-cisco-asr9k NFv9-fortigate-300d NFv9-cisco-asr9k-260 IPFIX-gen-softflowd-ether sFlowv5-akvorado-discard-if; do
		[ ! -f "$CORPUS/$c.pcap" ] || echo "$CORPUS/$c.pcap"
	done
}
wide_sets() { # CAPTURE
	printf '%s\n' src_mac,dst_mac sum_mac vlan post_nat_src_host,post_nat_dst_host post_nat_src_port,post_nat_dst_port
	# 1.7.7 leaves the column empty in sFlow: nfacctd-compat(7); of its frames the truth does not tell the rest
	[[ $1 == *[sS][fF]low-* || $1 == *[sS][fF]lowv5* ]] ||
		printf '%s\n' sampling_direction mpls_label_top,mpls_label_bottom,peer_dst_ip,flows \
			proto,own_dir,own_tos,own_as,own_end,own_hop4,own_hop6,own_mac,own_label,own_if,own_vendor
}
cat >"$TMP/own" <<'END'
name=own_dir field_type=61 len=1 semantics=u_int
name=own_tos field_type=5 len=1 semantics=hex
name=own_as field_type=16 len=4 semantics=u_int
name=own_end field_type=136 len=1 semantics=u_int
name=own_hop4 field_type=15 len=4 semantics=ip
name=own_hop6 field_type=62 len=16 semantics=ip
name=own_mac field_type=56 len=6 semantics=mac
name=own_label field_type=70 len=3 semantics=raw
name=own_if field_type=82 len=32 semantics=str
name=own_vendor field_type=25461:56701 len=32 semantics=str
END
wide_config() { # WHO CAPTURE
	local set n=0 names=()
	for set in $(wide_sets "$2"); do
		n=$((n + 1))
		names+=("print[p$n]")
		printf '%s\n' "aggregate[p$n]: $set" "print_output_file[p$n]: $TMP/$1.$(basename "$2")/p$n"
	done
	printf '%s\n' "plugins: $(IFS=,; echo "${names[*]}")" "pcap_savefile: $2" "print_refresh_time: 86400" \
		"print_output: json" "print_cache_entries: 101" "aggregate_primitives: $TMP/own"
}
wide_compare() { # WHO CAPTURE PLUGIN
	touch "$TMP/$1.$2/$3"
	expected_once "$2" "$1.$2" "$3" || return 1
	same_rows "$2.$3.want" "$1.$2/$3"
}
# The rows of a plugin, which every program has to have: in TRUTH.PLUGIN.want.
expected_once() { # TRUTH CONFIGURATION PLUGIN
	[ ! -f "$TMP/$1.$3.want" ] || return 0
	"$PCAPGEN" expect --truth "$TMP/$1.tsv" --conf "$TMP/$2.conf" --plugin "$3" >"$TMP/expected" || return 1
	canonical tsv <"$TMP/expected" >"$TMP/$1.$3.want"
}
same_rows() { # WANT GOT
	canonical json <"$TMP/$2" >"$TMP/got"
	[ -s "$TMP/$1" ] && cmp -s "$TMP/$1" "$TMP/got" && return
	diff "$TMP/$1" "$TMP/got" | head -n 6
	return 1
}

# Runs: all but what asks the file for AS numbers, for which 1.7.7 asks it in maps, too;
# that alone; and with a sampling_map, which makes 1.7.7 forget labels.
names() { # RUN
	case $1 in
	plain) plugins | grep -v '^ases ' ;;
	ases) plugins | grep '^ases ' ;;
	rates) plugins | grep -vE '^(labels|named|ases) ' ;;
	esac | sed 's/ .*//'
}
config() { # WHO RUN
	local name keys
	echo "plugins: $(names "$2" | sed 's/.*/print[&]/' | paste -sd,)"
	printf '%s\n' "pcap_savefile: $TMP/flows.pcap" "print_refresh_time: 86400" "print_cache_entries: 101" "print_output: json"
	[ "$2" != ases ] || printf '%s\n' "nfacctd_as: file" "networks_file_filter: false"
	[ "$2" != rates ] || printf '%s\n' "nfacctd_renormalize: true" "sampling_map: $TMP/sampling"
	while read -r name keys; do
		tr '|' '\n' <<<"$keys|print_output_file: $TMP/$1.$2/$name" | sed "s/^\\([a-z0-9_]*\\):/\\1[$name]:/; s#@#$TMP#"
	done < <(plugins | grep -E "^($(names "$2" | paste -sd'|')) ")
}
# Rows as "name=value ...", names sorted, equal rows added up.
canonical() { # json or tsv
	awk -F'\t' -v format="$1" '
	function value(name, text) {
		gsub(/"/, "", text)
		# Where NAT or BGP made none, files have no address, tables one of zeros.
		if (name ~ /^(post_nat_ip|peer_ip_dst)/ && text ~ /^(0.0.0.0|::|::ffff:0.0.0.0)$/) text = ""
		if (name == "packets") packets = text
		else if (name == "bytes") bytes = text
		else if (name != "event_type") cell[name] = text
	}
	function done_row(    key, i, k, n, at, name) {
		for (name in cell) {
			for (k = ++n; k > 1 && at[k - 1] > name; k--) at[k] = at[k - 1]
			at[k] = name
		}
		for (i = 1; i <= n; i++) key = key at[i] "=" cell[at[i]] " "
		p[key] += packets; b[key] += bytes
		for (name in cell) delete cell[name]
	}
	format == "tsv" && NR == 1 { for (i = 1; i <= NF; i++) head[i] = $i; next }
	format == "tsv" { for (i = 1; i <= NF; i++) value(head[i], $i); done_row(); next }
	{
		line = $0
		while (match(line, /"[^"]*": ("[^"]*"|[^,}]*)/)) {
			pair = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
			match(pair, /": /); value(substr(pair, 2, RSTART - 2), substr(pair, RSTART + 3))
		}
		done_row()
	}
	END { for (key in b) printf "%spackets=%.0f bytes=%.0f\n", key, p[key], b[key] }' | sort
}
compare() { # WHO RUN PLUGIN
	touch "$TMP/$1.$2/$3"
	expected_once "flows.$2" "$1.$2" "$3" || return 1
	same_rows "flows.$2.$3.want" "$1.$2/$3"
}

programs=("ours $NFACCTD")
[ ! -x /usr/sbin/nfacctd ] || programs+=("peer /usr/sbin/nfacctd")
for program in "${programs[@]}"; do
	for run in plain ases rates; do
		ln -sf flows.tsv "$TMP/flows.$run.tsv"
		mkdir "$TMP/${program%% *}.$run"
		config "${program%% *}" "$run" >"$TMP/${program%% *}.$run.conf"
		timeout 60 "${program#* }" -f "$TMP/${program%% *}.$run.conf" >"$TMP/${program%% *}.$run.log" 2>&1 &
	done
done
for capture in $(wide_captures); do
	name=$(basename "$capture")
	for program in "${programs[@]}"; do
		who=${program%% *} run=${program#* }
		[[ $who$name != peer[sS][fF]low* ]] || run=/usr/sbin/sfacctd
		mkdir "$TMP/$who.$name"
		wide_config "$who" "$capture" >"$TMP/$who.$name.conf"
		timeout 60 "$run" -f "$TMP/$who.$name.conf" >"$TMP/$who.$name.log" 2>&1 &
	done
done
# To a port where somebody listens: what nobody takes is not in the truth.
PORT=$(free_udp_port)
printf '%s\n' "nfacctd_ip: 127.0.0.1" "nfacctd_port: $PORT" "plugins: print" "aggregate: none" >"$TMP/sink.conf"
must start_daemon sink "$PORT" "$NFACCTD" -f "$TMP/sink.conf"
for capture in $(wide_captures); do
	must "$PCAPGEN" replay "$capture" --to "127.0.0.1:$PORT" --speed max --elements --truth "$TMP/$(basename "$capture").tsv" >/dev/null
done
stop_daemon sink
wait
for capture in $(wide_captures); do
	for program in "${programs[@]}"; do
		n=0
		for set in $(wide_sets "$capture"); do
			n=$((n + 1))
			check "${program%% *}, $(basename "$capture"): the rows of $set" \
				wide_compare "${program%% *}" "$(basename "$capture")" "p$n"
		done
	done
done
for program in "${programs[@]}"; do
	for run in plain ases rates; do
		for name in $(names "$run"); do
			check "${program%% *}, $run: the rows of $name" compare "${program%% *}" "$run" "$name"
		done
	done
done
e2e_end
