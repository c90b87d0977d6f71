# lib.sh - what the benchmarks share: CPU of a command, medians, a line of the table.
# shellcheck shell=bash

bench_tmp=$(mktemp -d)
bench_pids=()
bench_cleanup() {
	local p
	for p in "${bench_pids[@]}"; do
		kill "$p" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$bench_tmp"
}
trap bench_cleanup EXIT

# CPU seconds (user + system, with children) that a command took; its exit status in $cpu_status.
cpu_of() { # OUTPUT-VARIABLE COMMAND...
	local -n _out=$1
	shift
	local TIMEFORMAT='%U %S' t
	t=$({ time "$@" >"$bench_tmp/out" 2>"$bench_tmp/err"; } 2>&1)
	export cpu_status=$?
	_out=$(awk '{ printf "%.3f", $1 + $2 }' <<<"$t")
}

median() { # VALUE...
	printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# For what other programs can only make longer: they are never told apart from it.
least() { # VALUE...
	printf '%s\n' "$@" | sort -g | head -1
}

ratio() { # A B -> A/B with two digits
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'
}

# One line of the table: what, ours, peer, ratio, goal.
bench_line() {
	printf '%-46s %18s %24s %9s  (goal %s)\n' "$1" "$2" "$3" "$4" "$5"
}
