#!/usr/bin/env bash
# tests/conformance.tsv says where each of the 43 numbered cases is a test: each number is
# there, each test is where the list says, and, in C, is one that runs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

e2e_begin conformance_list
list=$ROOT/tests/conformance.tsv

listed() { # NUMBER
	grep -q "^$1	" "$list"
}

missing=
for number in $(seq 43); do
	listed "$number" || missing+=" $number"
done
check "every number is listed${missing:+, not:$missing}" test -z "$missing"
check "no other number is" test -z "$(awk -F'\t' '!/^#/ && !($1 >= 1 && $1 <= 43 && NF == 4)' "$list")"

lost=
while IFS=$'\t' read -r number _ file words; do
	[[ $number == \#* ]] && continue
	grep -qF -- "$words" "$ROOT/$file" || lost+=" $number:$file"
	# A libcheck test that nobody registers would never run.
	if [[ $words =~ ^START_TEST\((.*)\)$ ]]; then
		grep -qE "(tcase_add_(loop_)?test|LOOP)\([a-z]+, ${BASH_REMATCH[1]}[,)]" "$ROOT/$file" ||
			lost+=" $number:${BASH_REMATCH[1]}"
	fi
done <"$list"
check "every test is where the list says${lost:+, not:$lost}" test -z "$lost"
e2e_end
