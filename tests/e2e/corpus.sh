#!/usr/bin/env bash
# Every capture of the corpus, read by `nfacctd -I`, gives the totals of its truth file.
#
# The truth was decoded by others (tshark, cross-checked with nfdump and pmacct).
# Where we differ on purpose, the capture has a line in corpus-exceptions.tsv
# that says why and what we give.  Without the corpus the test is skipped.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${B:-$here/../../build}
corpus=${FLOWLEDGER_CORPUS:-$here/../../../shared/corpus}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if [ ! -r "$corpus/MANIFEST.tsv" ]; then
	echo "corpus.sh: skipped, no corpus (set FLOWLEDGER_CORPUS)"
	exit 77
fi

# Totals of a truth file: octets and packets, both directions of a biflow.
# sFlow: a sample is one packet; octets are the frame length, or the IP length
# where a sampled IPv4/IPv6 record (3, 4) is in the sample.
truth_totals() {
	awk -F'\t' '
	NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
	"frame_length" in col {
		n++
		ip = ("," $col["records"] ",") ~ /,[34],/
		octets += ip ? $col["ip_len"] : $col["frame_length"]
		packets++
		next
	}
	{
		packets += $col["packets"] + ("rev_packets" in col ? $col["rev_packets"] : 0)
		octets += $col["octets"] + ("rev_octets" in col ? $col["rev_octets"] : 0)
	}
	END { printf "%.0f %.0f\n", packets, octets }'
}

printed_totals() {
	awk -F, '
	NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
	$col["BYTES"] == "BYTES" { next }
	{ packets += $col["PACKETS"]; octets += $col["BYTES"] }
	END { printf "%.0f %.0f\n", packets, octets }'
}

cat >"$tmp/nfacctd.conf" <<EOF
plugins: print
print_output: csv
aggregate: src_host, dst_host, src_port, dst_port, proto
EOF

passed=0 failed=0 excepted=0
while IFS= read -r capture; do
	name=$(basename "$capture")
	stem=${name%.pcap}
	if [ -r "$corpus/truth/$stem.tsv" ]; then
		want=$(truth_totals <"$corpus/truth/$stem.tsv")
	elif [ -r "$corpus/truth/$stem.tsv.gz" ]; then
		want=$(gzip -dc "$corpus/truth/$stem.tsv.gz" | truth_totals)
	else
		continue
	fi
	if ! timeout 60 "$build/nfacctd" -f "$tmp/nfacctd.conf" -I "$capture" >"$tmp/out.csv" 2>"$tmp/err"; then
		echo "FAIL $name: nfacctd exits $?: $(tail -n 1 "$tmp/err")"
		failed=$((failed + 1))
		continue
	fi
	got=$(printed_totals <"$tmp/out.csv")
	ours=$(awk -F'\t' -v f="$name" '$1 == f { print $2, $3 }' "$here/corpus-exceptions.tsv")
	if [ -n "$ours" ] && [ "$got" = "$ours" ]; then
		excepted=$((excepted + 1))
	elif [ "$got" = "$want" ] && [ -z "$ours" ]; then
		passed=$((passed + 1))
	else
		echo "FAIL $name: packets and octets are $got, should be ${ours:-$want}"
		failed=$((failed + 1))
	fi
done < <(find "$corpus" -maxdepth 1 -name '*.pcap' | LC_ALL=C sort)
echo "corpus.sh: $passed equal to their truth, $excepted as listed in corpus-exceptions.tsv, $failed wrong"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
