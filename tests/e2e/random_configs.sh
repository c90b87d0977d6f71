#!/usr/bin/env bash
# random_configs.sh [N [SEED]] - the differential test: N random configurations
# (6 unless said) over crafted captures, ours against Debian's nfacctd and
# sfacctd, whose rows are the expected values.  Rows are compared as sums by key.
# One in four is of plugin memory: the same questions to both, each by its client.
#
# Where the two differ on purpose (nfacctd.conf(5), DIFFERENT FROM PMACCT) the
# generator keeps away, one law a place: look for "law:".  The corpus' captures
# take part when they are there, without those captures of random_configs-laws.tsv
# whose every row differs by the law named there, and without the primitives that
# differ in the others.
#
# A seed repeats a run; a run that fails leaves what differs in its output.  Without
# one it is always the same run, so that a change fails for what it changed; "-" draws.
#
# Without a difference, 100 each with the corpus, 2026-11-24: 5150 (234 checks), 424242 (237), 271828 (229),
# 60601 (228, twice), 8088 (229; on a busier machine 1.7.7's plugin memory once answered nothing).
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

e2e_begin random_configs
[ -x /usr/sbin/nfacctd ] && [ -x /usr/sbin/sfacctd ] || e2e_skip "Debian's nfacctd and sfacctd are not installed"
N=${1:-6}
SEED=${2:-2026}
[ "$SEED" != - ] || SEED=$(($(date +%s) % 32768))
ABREAST=6	# the reference waits four seconds at its end
export TZ=UTC
echo "random_configs: seed $SEED"
RANDOM=$SEED

# ---- drawing: results in $R, for a subshell would draw for itself ---------------

below() { # N
	R=$(((RANDOM * 32768 + RANDOM) % $1))
}

one_of() { # WORD...
	below $#
	shift "$R"
	R=$1
}

chance() { # PERCENT
	below 100
	[ "$R" -lt "$1" ]
}

some_of() { # MOST WORD...: at least one, each at most once, with commas
	local most=$1 n out="" left=("${@:2}")
	below "$most"
	n=$((R + 1))
	while [ "$n" -gt 0 ] && [ "${#left[@]}" -gt 0 ]; do
		below "${#left[@]}"
		out="$out${out:+,}${left[R]}"
		unset "left[R]"
		left=("${left[@]}")
		n=$((n - 1))
	done
	R=$out
}

# ---- captures -------------------------------------------------------------------

# law: a flow that starts in the first second of a bin (the reference puts it one
# bin too early, or rounds v5 clocks to it): segments of 50 s keep off full minutes.
craft() { # FILE PROTOCOLS FAMILY SEED
	local file=$1 protocols=$2 family=$3 n=0 start protocol
	rm -f "$file"
	for start in 2026-01-05T11:59:05Z 2026-01-05T12:00:05Z 2026-01-05T12:07:05Z 2026-01-05T23:59:05Z \
		2026-01-12T00:00:05Z 2026-02-01T03:10:05Z; do
		{
			echo "seed: $(($4 + n))"
			echo "start: $start"
			echo "duration: 50s"
			echo "rate: 6 records/s"
			echo "exporters:"
			for protocol in $protocols; do
				case $protocol in
				netflow5) [ "$family" = 4 ] && echo "  - { address: 127.0.0.5, port: 50005, protocol: netflow5, domain: 3, sampling: 64 }" ;;
				netflow9) echo "  - { address: 127.0.0.9, port: 50009, protocol: netflow9, domain: 9, sampling: 100 }
  - { address: 127.0.0.19, port: 50019, protocol: netflow9, domain: 19 }" ;;
				ipfix) echo "  - { address: 127.0.0.10, port: 50010, protocol: ipfix, domain: 10, sampling: 16, sampling_says: record }
  - { address: 127.0.0.20, port: 50020, protocol: ipfix, domain: 20 }" ;;
				sflow5) echo "  - { address: 127.0.0.6, port: 50006, protocol: sflow5, domain: 1, sampling: 512, counters_every: 5 }" ;;
				esac
			done
			echo "customers:"
			if [ "$family" = 4 ]; then
				echo "  - { prefix: 10.1.0.0/24, hosts: 5, as: 64501, interface: 11, next_hop: 10.1.0.254 }
  - { prefix: 10.2.0.0/16, hosts: 700, as: 64502, interface: 12 }
remotes:
  - { prefix: 198.51.100.0/24, hosts: 4, as: 65010, interface: 1, next_hop: 192.0.2.1 }
  - { prefix: 203.0.113.0/24, hosts: 3, as: 65011, interface: 2, next_hop: 192.0.2.2 }"
			else
				echo "  - { prefix: 2001:db8:1::/48, hosts: 5, as: 64501, interface: 11, next_hop: 2001:db8:1::fe }
  - { prefix: 2001:db8:2::/48, hosts: 40, as: 64502, interface: 12 }
remotes:
  - { prefix: 2001:db8:f000::/36, hosts: 6, as: 65010, interface: 1, next_hop: 2001:db8::1 }
  - { prefix: 2001:db8:e000::/40, hosts: 3, as: 4200000010, interface: 2 }"
			fi
			echo "applications:
  - { proto: tcp, port: 443, weight: 50 }
  - { proto: udp, port: 53, tos: 8, weight: 30 }
  - { proto: icmp, port: 769, tos: 184, weight: 5 }
flows:
  octets: { kind: pareto, min: 60, max: 100M, alpha: 0.6 }
  lasting_ms: { kind: uniform, min: 0, max: 1500 }
  delay_ms: { kind: uniform, min: 0, max: 900 }"
		} >"$TMP/scenario.yaml"
		must "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --write "$TMP/segment.pcap" >"$TMP/craft.log" 2>&1
		if [ -s "$file" ]; then
			tail -c +25 "$TMP/segment.pcap" >>"$file"
		else
			cp "$TMP/segment.pcap" "$file"
		fi
		n=$((n + 1))
	done
}

craft "$TMP/all4.pcap" "netflow5 netflow9 ipfix" 4 "$SEED"
craft "$TMP/all6.pcap" "netflow9 ipfix" 6 "$SEED"
craft "$TMP/sflow4.pcap" sflow5 4 "$SEED"
craft "$TMP/sflow6.pcap" sflow5 6 "$SEED"

# The primitives by which a capture's rows differ by law, all, or nothing.
law_of() { # CAPTURE
	awk -F '\t' -v capture="$1" '$1 == capture { gsub(/ /, "|", $2); print $2 }' "$here/random_configs-laws.tsv"
}

corpus=${FLOWLEDGER_CORPUS:-$ROOT/../shared/corpus}
CORPUS=() RARE_ONES=()
# Those whose records hold MAC addresses, VLANs, MPLS labels, NAT or forwarding; drawn more often.
RARE="IPFIX-akvorado-mpls IPFIX-akvorado-srv6 IPFIX-bitkeks-a IPFIX-bitkeks-b IPFIX-gen-softflowd-ether
	IPFIX-gen-softflowd-psamp IPFIX-ipfixcol-04-odid256-512 IPFIX-ipfixcol-bad-setlen IPFIX-ipfixcol-missing-template
	IPFIX-netflowparser-a IPFIX-netflowparser-b IPFIX-netflowparser-c IPFIX-sonicwall IPFIX-stormshield-trailingpadding
	IPFIX-vflow-hammer IPFIX-vflow-test IPFIX-vmware-vds NFv9-akvorado-basic NFv9-akvorado-multisampling NFv9-akvorado-nat
	NFv9-cisco-aci NFv9-cisco-asr9k-260 NFv9-fluent-as2 NFv9-fluent-mpls NFv9-fluent-ms NFv9-fluent
	NFv9-fortigate-542-appid NFv9-gen-softflowd NFv9-netflowparser-a NFv9-paloalto-81 NFv9-paloalto-panos NFv9-sonicwall
	NFv9-ubnt-edgerouter sFlowv5-overflowd-hp sFlowv5-goflow sFlowv5-pktvisor-keyed"
RARE=${RARE//[$'\n\t']/ }
if [ -d "$corpus" ]; then
	for c in "$corpus"/*.pcap; do
		c_name=$(basename "$c" .pcap)
		[ "$(law_of "$c_name")" != all ] || continue
		CORPUS+=("$c")
		[[ " $RARE " != *" $c_name "* ]] || RARE_ONES+=("$c")
	done
else
	echo "random_configs: without the corpus: no $corpus"
fi

# ---- configurations ---------------------------------------------------------------

# Nested prefixes, host bits, both families, AS numbers with and without peers, next hops.
draw_networks() { # FILE
	local p
	: >"$1"
	for p in 10.1.0.0/24 10.1.0.0/30 10.2.0.0/16 10.2.1.0/24 10.0.0.0/8 198.51.100.0/24 198.51.100.2/32 203.0.113.0/24 \
		2001:db8:1::/48 2001:db8::/32 2001:db8:1::1/128 2001:db8:f000::/36; do
		chance 55 || continue
		below 65000
		one_of "" "" "$((R + 1))," "$((R + 1))_$((R / 2 + 1))," "192.0.2.7,$((R + 1)),"
		# law: a next hop of the other family
		[ "${p#*:}" != "$p" ] && R=${R/192.0.2.7/2001:db8::7}
		echo "$R$p" >>"$1"
	done
	# law: an empty file matches all in the reference without filter
	[ -s "$1" ] || echo "10.2.0.0/16" >"$1"
}

draw_condition() {
	one_of flowset_id=256 flowset_id=-257 sample_type=flow fwdstatus=64 is_multicast=false in=11 in=-2 out=1 out=-12 src_as=64501 dst_as=65011 src_as=-64502 nexthop=192.0.2.1 \
		"filter='tcp'" "filter='src net 10.2.0.0/16'" "filter='udp port 53'" ip=127.0.0.9 ip=127.0.0.0/28 ip=0.0.0.0/0
	# law: next hops of sFlow and of IPv6 (1.7.7 lets any next hop match there)
	# law: sfacctd passes over what it has no key for, and the rule holds without it
	[[ $R == flowset_id* || $R == fwdstatus* || $R == sample_type* ]] && [[ $CAPTURE == *[Ss][Ff]low* ]] && R=in=1
	[[ $R == nexthop* ]] && [[ $CAPTURE == *[Ss][Ff]low* || $FAMILY = 6 ]] && R=in=1
}

# Tags, labels, jumps of both kinds, sums; a rule sets one thing, as 1.7.7 demands.
draw_tags() { # FILE
	local i set where
	: >"$1"
	for ((i = 1; i < 8; i++)); do
		below 40
		# law: a label that begins with one of the filter's (1.7.7 compares no further)
		one_of set_tag=$R set_tag2=$R set_label=l$((R + 10)) set_tag=$R
		set=$R
		draw_condition
		where=$R
		if chance 40; then
			draw_condition
			[ "${where%%=*}" != "${R%%=*}" ] && where="$where $R"
		fi
		# law: 1.7.7 wants ip= in each rule
		[[ $where == *ip=* ]] || where="$where ip=0.0.0.0/0"
		chance 30 && where="$where jeq=next"
		[ "$i" -lt 4 ] && chance 30 && where="${where/ jeq=next/} jeq=down"
		[ "$i" -gt 4 ] && chance 25 && [ "${set%%=*}" != set_label ] && where="$where stack=sum"
		[ "$i" = 5 ] && where="$where label=down"
		echo "$set $where" >>"$1"
	done
	# law: jeq=next in the last rule (1.7.7 goes round for ever)
	sed -i '$s/ jeq=next//' "$1"
}

# One row's worth; draw_plugin takes a few.
# law: timestamp_arrival of a capture (1.7.7's own clock), _start and _end of uptimes (its seconds)
PRIMITIVES="src_host dst_host src_net dst_net src_mask dst_mask src_port dst_port proto tos tcpflags src_as dst_as
	in_iface out_iface tag tag2 label peer_src_ip src_mac dst_mac vlan sampling_rate flows export_proto_version
	export_proto_sysid export_proto_seqno timestamp_export cos etype peer_dst_ip nat_event post_nat_src_host post_nat_dst_port
	mpls_label_top mpls_label_bottom mpls_stack_depth own_src own_if own_proto own_raw own_start"
RARE_PRIMITIVES="src_mac dst_mac vlan cos etype sampling_direction nat_event post_nat_src_host post_nat_dst_host
	post_nat_src_port post_nat_dst_port mpls_label_top mpls_label_bottom mpls_stack_depth mpls_vpn_rd mpls_pw_id
	peer_src_as peer_dst_as peer_dst_ip own_mac own_vlan own_post own_event src_host proto dst_port"
# law: fw_event, which is nat_event in 1.7.7
# Of a user's own, by the lengths that crafted captures have.
# law: values of another length are read, and an Element may be named twice
cat >"$TMP/own" <<-END
	name=own_src field_type=8 len=4 semantics=ip
	name=own_if field_type=10 len=4 semantics=u_int
	name=own_proto field_type=4 len=1 semantics=hex
	name=own_raw field_type=12 len=4 semantics=raw
	name=own_start field_type=152 len=8 semantics=u_int
	name=own_mac field_type=56 len=6 semantics=mac
	name=own_vlan field_type=58 len=2 semantics=u_int
	name=own_post field_type=225 len=4 semantics=ip
	name=own_event field_type=230 len=1 semantics=hex
END

draw_plugin() { # NAME
	local name=$1 set law
	if chance 20; then
		# law: sum_net counts both ends here
		one_of sum_host sum_port sum_as sum_host,flows
		# law: plugin memory of 1.7.7 has no sum of AS 0
		[ "$KIND" = print ] || R=${R/sum_as/sum_host}
		set=$R
	elif chance 5; then
		# law: plugin memory of 1.7.7 has no row of nothing
		[ "$KIND" = print ] && set=none || set=src_port
	else
		# law: the traffic class of sampled IPv6 headers (1.7.7 shifts it by four bits)
		# shellcheck disable=SC2086
		some_of 6 ${DRAW_FROM/ $NO_TOS / }
		set=$R
		# law: packets and ICMP in sFlow have labels and Ethernet types of their own in 1.7.7
		[[ $CAPTURE != *[Ss][Ff]low* ]] || set=$(tr , '\n' <<<"$set" |
			grep -vxE 'own_.*|cos|etype|peer_dst_ip|mpls_.*|nat_event|post_nat_.*|export_proto_sysid|sampling_direction' | paste -sd,)
		law=$(law_of "$(basename "$CAPTURE" .pcap)")
		[ -z "$law" ] || set=$(tr , '\n' <<<"$set" | grep -vxE "$law" | paste -sd,)
		set=${set:-export_proto_version}
		# law: where nobody named an address, its memory plugin prints nothing
		# law: its client prints the lower 32 bits of a user's own numbers
		[ "$KIND" = print ] || set=$(sed -E 's/(post_nat_(src|dst)_host|peer_dst_ip)/src_host/g; s/own_start/own_if/' \
			<<<"$set" | tr , '\n' | sort -u | paste -sd,)
	fi
	echo "aggregate[$name]: $set"
	one_of csv json formatted
	FORMAT=$R
	# law: 1.7.7 has no formatted labels
	# law: what 1.7.7 prints as nothing or :: where nobody named an address
	[[ $set =~ label|own_raw|peer_dst_ip|post_nat_(src|dst)_host && $FORMAT == formatted ]] && FORMAT=csv
	# law: 1.7.7's writer of JSON ends by a signal at mpls_pw_id
	[[ $set =~ mpls_pw_id && $FORMAT == json ]] && FORMAT=csv
	# law: JSON of 1.7.7's client names nothing of a sum
	[[ $KIND$set == memorysum* && $FORMAT == json ]] && FORMAT=csv
	if [ "$KIND" = memory ]; then
		echo "$FORMAT" >"$TMP/$ID.$name.format"
	else
		echo "print_output[$name]: $FORMAT"
	fi
	if [ -z "$NO_HISTORY" ] && [ "$KIND" = print ] && chance 60; then
		# law: months (1.7.7 writes nothing for bins of months that are over)
		one_of 1m 5m 10m 1h 1d 2h 1w
		echo "print_history[$name]: $R"
		# law: without roundoff bins count from the start of the daemon
		case $R in
		*m) one_of m h mh d ;;
		*h) one_of h mh d ;;
		# law: weeks from the first of the month count from the month of the start
		*w) R=w ;;
		*) R=d ;;
		esac
		echo "print_history_roundoff[$name]: $R"
	fi
	[ "$KIND" = print ] && chance 40 && echo "print_num_protos[$name]: true"
	# law: IPv6 prefixes of a networks_file (1.7.7 matches none of them, or all)
	if [ "$FAMILY" = 4 ] && chance 60; then
		draw_networks "$TMP/$ID.$name.networks"
		echo "networks_file[$name]: $TMP/$ID.$name.networks"
		# law: without this key the reference never filters
		one_of true false
		echo "networks_file_filter[$name]: $R"
		chance 20 && echo "networks_file_no_lpm[$name]: true"
	fi
	if chance 15; then
		printf '53\n443\n' >"$TMP/$ID.$name.ports"
		echo "ports_file[$name]: $TMP/$ID.$name.ports"
	fi
	# law: protos_file, tos_file and tos_encode_as_dscp came after 1.7.7
	if chance 35; then
		draw_tags "$TMP/$ID.$name.tags"
		echo "pre_tag_map[$name]: $TMP/$ID.$name.tags"
		if chance 40; then
			one_of 10-30 0 -5,-6 1-20,0 -10-20
			echo "pre_tag_filter[$name]: $R"
		fi
		if chance 20; then
			one_of -null null l11,l12,l13,null
			echo "pre_tag_label_filter[$name]: $R"
		fi
		chance 15 && echo "post_tag[$name]: 77"
	fi
	if chance 25; then
		one_of "tcp" "udp port 53" "src net 10.0.0.0/8" "dst net 198.51.100.0/24" "ip6" "not port 443" "icmp or icmp6" \
			"host 10.1.0.3 or net 2001:db8:1::/48" "src portrange 1024-30000 and tcp"
		echo "aggregate_filter[$name]: $R"
	fi
	return 0
}

# law: a sampling_map that multiplies makes 1.7.7 forget labels, and sfacctd tags, too
draw_sampling() {
	if [ -n "$RENORMALIZE" ]; then
		[[ $CAPTURE != *[Ss][Ff]low* ]] || ! grep -q '^pre_tag_map' "$TMP/$ID.plugins" || return 0
		sed -i '/^pre_tag_label_filter/d; /^aggregate\[/{ s/\([ ,]\)label\(,\|$\)/\1tag\2/ }' "$TMP/$ID.plugins"
		grep -h -l 'set_label' "$TMP/$ID".*.tags 2>/dev/null |
			xargs -r sed -i 's/set_label=l\([0-9]*\)/set_tag=\1/'
	fi
	printf 'id=77 ip=127.0.0.0/28 in=11\nid=7 ip=0.0.0.0/0 out=2\n' >"$TMP/$ID.sampling"
	echo "sampling_map: $TMP/$ID.sampling"
}

draw() { # -> $TMP/$ID.conf, $TMP/$ID.capture
	local plugins=one name
	FAMILY=4 NO_TOS=- EXT='' RENORMALIZE='' NO_HISTORY='' KIND=print DRAW_FROM=$PRIMITIVES
	chance 25 && KIND=memory
	if [ "${#CORPUS[@]}" -gt 0 ] && chance 40; then
		# What the laws keep out of the crafted ones may be in any of these.
		one_of "${CORPUS[@]}"
		CAPTURE=$R
		if [ "${#RARE_ONES[@]}" -gt 0 ] && chance 50; then
			one_of "${RARE_ONES[@]}"
			CAPTURE=$R
			DRAW_FROM=$RARE_PRIMITIVES
		fi
		R=$CAPTURE
		FAMILY=6 NO_TOS=tos NO_HISTORY=yes
	else
		one_of all4 all4 all4 all6 all6 sflow4 sflow6
		FAMILY=${R: -1}
		[ "$R" = sflow6 ] && NO_TOS=tos
		R=$TMP/$R.pcap
	fi
	CAPTURE=$R
	echo "$CAPTURE" >"$TMP/$ID.capture"
	chance 30 && plugins="one two"
	for name in $plugins; do
		draw_plugin "$name"
	done >"$TMP/$ID.plugins"
	{
		echo "plugins: ${KIND}[${plugins/ /],${KIND}[}]"
		if [ "$KIND" = print ]; then
			echo "print_refresh_time: 86400"
		else
			echo "pcap_savefile_wait: true"
			echo "imt_mem_pools_number: 0" # of the reference: as many as it needs
		fi
		# law: 1.7.7 reads no nanoseconds of v5 headers
		echo "timestamps_secs: true"
		echo "aggregate_primitives: $TMP/own"
		# law: sFlow's rate by the pool, differently for each plugin; a rate of 0 makes 1.7.7 count nothing
		if chance 50 && [[ $CAPTURE == "$TMP"/* ]]; then
			RENORMALIZE=yes
			echo "nfacctd_renormalize: true"
			chance 30 && EXT=1000 && echo "nfacctd_ext_sampling_rate: $EXT"
		fi
		if [ -z "$EXT" ] && chance 20; then
			draw_sampling
		fi
		one_of netflow netflow mask
		# law: a source "file" without a file ends the start here
		if [ "$(grep -c '^networks_file\[' "$TMP/$ID.plugins")" = "$(wc -w <<<"$plugins")" ]; then
			one_of netflow file file longest
			# law: of an AS number with a mask of 0 and no entry the reference makes 0
			[[ $CAPTURE == *[Ss][Ff]low* ]] && R="file"
			echo "nfacctd_as: $R"
			# law: src_as= and dst_as= of maps ask the file, too, in 1.7.7
			[ "$R" = netflow ] || sed -i 's/ *\(src\|dst\)_as=[^ ]*//' "$TMP/$ID".*.tags 2>/dev/null
			if [ "$R" = longest ]; then
				one_of netflow longest
			else
				one_of netflow file longest mask
			fi
		fi
		echo "nfacctd_net: $R"
		NET=$R
		# law: next hops of a file under longest (1.7.7 looks at the mask for some primitives only)
		[ "$NET" = longest ] && sed -i 's/^192.0.2.7,//; s/^2001:db8::7,//' "$TMP/$ID".*.networks 2>/dev/null
		[ "$NET" = mask ] && below 32 && echo "networks_mask: $((R + 1))"
		# law: peer_dst_ip where no primitive makes 1.7.7 ask the file; its v5 has no next hops of a file
		if [ "$NET" = file ] || [ "$NET" = longest ]; then
			sed -i '/^aggregate\[/{ /dst_mask/!s/peer_dst_ip/&,dst_mask/ }' "$TMP/$ID.plugins"
			[[ $CAPTURE != */all4.pcap ]] || for name in $(sed -n 's/^aggregate.\([a-z]*\).*peer_dst_ip.*/\1/p' \
				"$TMP/$ID.plugins"); do
				sed -i 's/^192.0.2.7,//' "$TMP/$ID.$name.networks"
			done
		fi
		# law: a fixed mask without the primitive *_mask (nets are 0.0.0.0 in 1.7.7)
		[ "$NET" = mask ] && sed -i '/^aggregate\[/{
			/src_mask/!s/src_net/&,src_mask/
			/dst_mask/!s/dst_net/&,dst_mask/
		}' "$TMP/$ID.plugins"
		# law: sampling_rate is 1 where nfacctd_ext_sampling_rate was multiplied in
		[ -n "$EXT" ] && sed -i '/^aggregate\[/s/,*sampling_rate//; s/: ,/: /; s/^aggregate\[\(.*\)\]: $/aggregate[\1]: tos/' \
			"$TMP/$ID.plugins"
		cat "$TMP/$ID.plugins"
		echo "pcap_savefile: $(cat "$TMP/$ID.capture")"
	} >"$TMP/$ID.conf"
}

# ---- running --------------------------------------------------------------------------

is_memory() { # ID
	grep -q '^plugins: memory' "$TMP/$1.conf"
}

plugins_of() { # ID
	sed -n 's/^aggregate\[\([a-z]*\)\].*/\1/p' "$TMP/$1.conf"
}

# What the client says has not changed for half a second: the daemon has read its capture.
is_settled() { # ID SIDE PROGRAM CLIENT
	local was=$SETTLED
	SETTLED=$(for name in $(plugins_of "$1"); do
		"$4" -p "$TMP/$1.$2/$name.s" -s -O csv 2>&1 || echo $RANDOM
	done | md5sum)
	sleep .5
	[ "$SETTLED" = "$was" ]
}

has_read_all() { # LOG PID
	grep -qsE 'finished reading PCAP|read to its end' "$1" || is_gone "$2"
}

# All rows; then, of the first of them, the rows and counters of one of its values.
ask_daemon() { # ID SIDE PROGRAM CLIENT
	local name format pid at SETTLED=
	# --foreground: else our SIGINT would reach it twice.
	setsid timeout --foreground -s KILL 120 "$3" -f "$TMP/$1.$2.conf" >"$TMP/$1.$2.log" 2>&1 &
	pid=$!
	wait_for 60 has_read_all "$TMP/$1.$2.log" "$pid"
	echo 0 >"$TMP/$1.$2.status"
	is_gone "$pid" || wait_for 30 is_settled "$@"
	for name in $(plugins_of "$1"); do
		format=$(cat "$TMP/$1.$name.format")
		at=$TMP/$1.$2/$name
		"$4" -p "$at.s" -s -O "$format" 2>&1 | sed '/^For a total of/d; /^$/d' >"$at"
		"$4" -p "$at.s" -s -T bytes,5 -O csv 2>/dev/null | awk -F, '{ print $NF }' >"$at.top"
		question "$1" "$name" | while read -r primitive value; do
			"$4" -p "$at.s" -c "$primitive" -M "$value" -O csv 2>&1
			# law: behind packets, bytes and flows 1.7.7 prints what the memory held
			"$4" -p "$at.s" -c "$primitive" -N "$value" -n all 2>&1 | cut -d ' ' -f 1-3
		# law: rows of nothing may stand behind an answer of 1.7.7's client
		done | grep -vxE '((0|0\.0\.0\.0|::|)[ ,])*(0|)' | sort -u >"$at.asked"
	done
	if [ "$2" = our ]; then
		kill -INT "$pid"
		wait "$pid"
		echo $? >"$TMP/$1.our.status"
	fi
	kill -9 -- "-$pid"
	wait "$pid"
}

# Some values that the reference has, by primitive.
question() { # ID PLUGIN
	[ -s "$TMP/$1.$2.questions" ] || /usr/bin/pmacct -p "$TMP/$1.ref/$2.s" -s -O csv | awk -F, \
		-v sum="$(grep -c "^aggregate.$2.: sum_" "$TMP/$1.conf")" '
	BEGIN {
		n = split("SRC_IP src_host DST_IP dst_host SRC_PORT src_port DST_PORT dst_port PROTOCOL proto TOS tos " \
			"SRC_AS src_as DST_AS dst_as IN_IFACE in_iface OUT_IFACE out_iface VLAN vlan TAG tag SRC_MAC src_mac", word, " ")
		for (i = 1; i < n; i += 2) primitive[word[i]] = word[i + 1]
	}
	NR == 1 { for (i = 1; i <= NF; i++) of[i] = primitive[$i]; next }
	NR < 4 {
		for (i = 1; i <= NF; i++) {
			# law: a sum of hosts is asked for by its name, and not found of IPv6
			if (sum && $i ~ /:/) continue
			if (sum) sub(/^src_/, "sum_", of[i])
			if (of[i] != "") print of[i], $i
		}
	}
	# law: the answer to a question about more rows may end in what the memory held
	END { if (NR > 60) print "-" }' >"$TMP/$1.$2.questions"
	! grep -qx - "$TMP/$1.$2.questions" && cat "$TMP/$1.$2.questions"
}

run_both() { # ID
	local program=nfacctd name
	case $(basename "$(cat "$TMP/$1.capture")") in
	[Ss][Ff][Ll][Oo][Ww]*) program=sfacctd ;;
	esac
	for side in ref our; do
		mkdir -p "$TMP/$1.$side"
		{
			cat "$TMP/$1.conf"
			for name in $(plugins_of "$1"); do
				if is_memory "$1"; then
					echo "imt_path[$name]: $TMP/$1.$side/$name.s"
				else
					echo "print_output_file[$name]: $TMP/$1.$side/$name"
				fi
			done
		} >"$TMP/$1.$side.conf"
	done
	# By the capture's clock several refreshes pass here, none in the reference.
	printf '%s: true\n' nfacctd_packet_sections account_events >>"$TMP/$1.our.conf"
	if is_memory "$1"; then
		ask_daemon "$1" ref "/usr/sbin/$program" /usr/bin/pmacct
		ask_daemon "$1" our "$NFACCTD" "$BUILD/pmacct"
		return
	fi
	echo "print_output_file_append: true" >>"$TMP/$1.our.conf"
	timeout -k 5 60 "/usr/sbin/$program" -f "$TMP/$1.ref.conf" >"$TMP/$1.ref.log" 2>&1
	echo $? >"$TMP/$1.ref.status"
	timeout -k 5 60 "$NFACCTD" -f "$TMP/$1.our.conf" >"$TMP/$1.our.log" 2>&1
	echo $? >"$TMP/$1.our.status"
}

# Rows as "key TAB flags TAB packets TAB flows TAB bytes", equal keys added up, sorted.
canonical() { # FORMAT < output
	awk -v format="$1" -v LAWS="${2:-}" '
	function value(name, text) {
		gsub(/"/, "", text)
		if (name ~ /^(event_type|stamp_updated)$/) return
		# law: an address of zeros that an exporter sent is as one that nobody named; a mapped one is IPv4
		if (tolower(name) ~ /^(post_nat_(ip_)?(src|dst)(_ip)?|peer_(ip_dst|dst_ip))$/) {
			sub(/^::ffff:/, "", text)
			if (text == "0.0.0.0" || text == "::") text = ""
		}
		if (name ~ /^(packets|PACKETS)$/) packets = text
		else if (name ~ /^(flows|FLOWS)$/) flows = text
		else if (name ~ /^(bytes|BYTES)$/) bytes = text
		else if (name ~ /^(tcp_flags|TCP_FLAGS)$/) flags = text
		else pair[++pairs] = name "=" text " "
	}
	# JSON has no order: its pairs are sorted.
	function key_of(    i, k, x, out) {
		for (i = 2; format == "json" && i <= pairs; i++) {
			x = pair[i]
			for (k = i; k > 1 && pair[k - 1] > x; k--) pair[k] = pair[k - 1]
			pair[k] = x
		}
		for (i = 1; i <= pairs; i++) out = out pair[i]
		return out
	}
	function or_of(x, y,    out, bit) {
		for (bit = 1; x || y; bit *= 2) {
			if (x % 2 || y % 2) out += bit
			x = int(x / 2)
			y = int(y / 2)
		}
		return out + 0
	}
	function done_row() {
		key = key_of()
		p[key] += packets; f[key] += flows; b[key] += bytes
		t[key] = flags == "" ? "" : or_of(t[key] + 0, flags + 0)
	}
	{ pairs = 0; flags = ""; packets = flows = bytes = 0 }
	format == "json" {
		line = $0
		while (match(line, /"[^"]*": ("[^"]*"|[^,}]*)/)) {
			said = substr(line, RSTART, RLENGTH)
			line = substr(line, RSTART + RLENGTH)
			match(said, /": /)
			value(substr(said, 2, RSTART - 2), substr(said, RSTART + 3))
		}
		done_row()
		next
	}
	format == "csv" { n = split($0, cell, ",") }
	format == "formatted" {
		# a date and its time are one cell
		while (match($0, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:/))
			$0 = substr($0, 1, RSTART + 9) "T" substr($0, RSTART + 11)
		n = split($0, cell, " ")
	}
	NR == 1 { head = $0; gsub(/ +/, " ", head); sub(/ $/, "", head); for (i = 1; i <= n; i++) name[i] = cell[i]; next }
	n { for (i = 1; i <= n; i++) value(name[i], cell[i]); done_row() }
	END {
		if (head != "") print "head " head
		for (key in b) printf "%s\t%s\t%.0f\t%.0f\t%.0f\n", key, t[key], p[key], f[key], b[key]
	}' | sort
}

# law: some maps with jumps end 1.7.7 by a signal, before a row is written.
died() { # ID
	if is_memory "$1"; then
		! grep -q "waiting for data on" "$TMP/$1.ref.log"
		return
	fi
	! grep -q "OK, Exiting" "$TMP/$1.ref.log" && ! ls "$TMP/$1.ref"/* >/dev/null 2>&1
}

NOTHING='^([A-Za-z0-9_]+=(0*|1970-01-01T00:00:00[.0]*Z|0\.0\.0\.0|::|[0:]+|unknown) )*'$'\t'

compare() { # ID PLUGIN
	local format at side
	format=$(sed -n "s/^print_output\[$2\]: //p" "$TMP/$1.conf")
	format=${format:-$(cat "$TMP/$1.$2.format")}
	for side in ref our; do
		at=$TMP/$1.$side/$2
		{
			# No file: no rows.
			[ ! -f "$at" ] || canonical "$format" <"$at"
			[ ! -f "$at.asked" ] || sed 's/^/asked /' "$at.asked"
			[ ! -f "$at.top" ] || sed 's/^/top /' "$at.top"
		} >"$TMP/$1.$side.$2.rows"
	done
	# law: its client prints rows that nobody sent, of no bytes or beyond all reason
	! is_memory "$1" || sed -i -E '/\t(0|[0-9]{14,})$/d' "$TMP/$1".{ref,our}".$2.rows"
	# law: where keys are of more than its first primitives it finds nothing that it is asked for
	if is_memory "$1" && grep -qE "^aggregate.$2.: .*(own_|nat|mpls)" "$TMP/$1.conf"; then
		sed -i -E '/^(top|asked) /d' "$TMP/$1".{ref,our}".$2.rows"
	fi
	# law: plugin memory of 1.7.7 keeps no row of a key that is all zeros, whatever its bytes
	if is_memory "$1" && grep -qE "$NOTHING" "$TMP/$1.our.$2.rows"; then
		sed -i -E "/^(top|asked) /d; /$NOTHING/d" "$TMP/$1".{ref,our}".$2.rows"
	fi
	# law: questions find rows of all primitives: what it finds has to be found here
	if is_memory "$1"; then
		grep -v '^asked ' "$TMP/$1.our.$2.rows" >"$TMP/$1.$2.kept"
		grep -xFf <(grep '^asked ' "$TMP/$1.ref.$2.rows") "$TMP/$1.our.$2.rows" >>"$TMP/$1.$2.kept"
		LC_ALL=C sort "$TMP/$1.$2.kept" >"$TMP/$1.our.$2.rows"
		LC_ALL=C sort -o "$TMP/$1.ref.$2.rows" "$TMP/$1.ref.$2.rows"
	fi
	cmp -s "$TMP/$1.ref.$2.rows" "$TMP/$1.our.$2.rows" && return
	echo "     $(basename "$(cat "$TMP/$1.capture")"), plugin $2:"
	sed 's/^/       /' "$TMP/$1.conf"
	[ -s "$TMP/$1.ref.$2.rows" ] || tail -n 3 "$TMP/$1.ref.log"
	diff "$TMP/$1.ref.$2.rows" "$TMP/$1.our.$2.rows" | head -n ${LINES_SHOWN:-12} | sed 's/^/       /'
	return 1
}

# law: where an answer comes in pieces, as on a busy machine, its client reads rows from the middle of
# others: a difference of plugin memory has to be there a second time.
compare_again() { # ID PLUGIN
	compare "$@" >"$TMP/differs" && return
	if is_memory "$1"; then
		again=$((again + 1))
		rm -rf "$TMP/$1.ref" "$TMP/$1.our"
		run_both "$1" 2>/dev/null
		compare "$@" >"$TMP/differs" && return
	fi
	cat "$TMP/differs"
	return 1
}

for ((ID = 1; ID <= N; ID++)); do
	draw
	while [ "$(jobs -rp | wc -l)" -ge "$ABREAST" ]; do
		wait -n
	done
	run_both "$ID" 2>/dev/null &
done
wait

# On a busy machine the reference's core may end before its plugin has read a thing, or written all,
# or its plugin tire of the client: ask again, alone, up to three times.
gave_up() { # ID
	local name
	grep -sE "connection lost to|Timed out while processing" "$TMP/$1.ref.log" && return 0
	is_memory "$1" && return 1
	for name in $(plugins_of "$1"); do
		grep -q "( $name/print ): .*Purging cache - END" "$TMP/$1.ref.log" ||
			{ echo "plugin $name did not end" && return 0; }
	done
	return 1
}

wrote_less() { # ID: the reference has no row for a plugin for which we have some
	local name
	gave_up "$1" >/dev/null && return 0
	for name in $(plugins_of "$1"); do
		# A row of JSON is a line, one of CSV the second.
		[ "$(lines_of "$TMP/$1.ref/$name")" -lt 2 ] &&
			[ "$(lines_of "$TMP/$1.our/$name")" -gt "$(lines_of "$TMP/$1.ref/$name")" ] && return 0
	done
	return 1
}

lines_of() { # FILE
	[ -f "$1" ] && wc -l <"$1" || echo 0
}

rows=0 dead=0 again=0 silent=0
for ((ID = 1; ID <= N; ID++)); do
	for ((turn = 0; turn < 3; turn++)); do
		# Who did not come to an end will not the next time, either.
		wrote_less "$ID" || break
		[ "$(cat "$TMP/$ID.ref.status")" -lt 124 ] || break
		again=$((again + 1))
		rm -rf "$TMP/$ID.ref" "$TMP/$ID.our"
		run_both "$ID" 2>/dev/null
	done
	check_equal "$ID: ours ends well" 0 "$(cat "$TMP/$ID.our.status")" || cat "$TMP/$ID.our.log"
	if died "$ID"; then
		dead=$((dead + 1))
		echo "random_configs: $ID: the reference died: $(tail -n 1 "$TMP/$ID.ref.log")"
		continue
	fi
	if why=$(gave_up "$ID"); then
		silent=$((silent + 1))
		echo "random_configs: $ID: the reference did not answer: ${why##*$'\n'}"
		continue
	fi
	for name in $(plugins_of "$ID"); do
		check "$ID: the rows of $name" compare_again "$ID" "$name"
		rows=$((rows + $(wc -l <"$TMP/$ID.ref.$name.rows")))
	done
done
echo "random_configs: $rows rows of the reference compared, seed $SEED, $again configurations run twice"
# A comparison of nothing with nothing proves nothing.
check "there were rows" test "$rows" -gt 0
check "the reference lived, mostly" test "$(((dead + silent) * 4))" -le "$N"
e2e_end
