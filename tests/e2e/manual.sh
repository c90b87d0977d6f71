#!/usr/bin/env bash
# The pages say what the table of keys says, and every key that pmacct documents
# is one of ours: equal, different on purpose, accepted or later.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"

e2e_begin manual
page=$ROOT/nfacctd/nfacctd.conf.5

"$NFACCTD" --keys-roff >"$TMP/keys"
sed -n '/^\.SH KEYS$/,/^\.SH EXAMPLE/p' "$page" | sed '1d;$d' >"$TMP/page"
check "nfacctd.conf(5) has the keys of the table (else: ci/pages)" diff "$TMP/page" "$TMP/keys"
"$NFACCTD" --compat-roff >"$TMP/compat"
check "nfacctd-compat(7) has them, too (else: ci/pages)" diff "$ROOT/nfacctd/nfacctd-compat.7" "$TMP/compat"

documented() { # the words of KEY: lines, without [VALUES]
	zcat /usr/share/doc/pmacct/CONFIG-KEYS.gz | sed -n 's/^KEY:[[:space:]]*//p' |
		sed 's/\[[A-Z_, ]*\]//g' | tr -d '[](),|' | tr ' \t' '\n\n' | grep -E '^[a-z][a-z0-9]*_[a-z0-9_]+$' | sort -u
}
if [ -f /usr/share/doc/pmacct/CONFIG-KEYS.gz ]; then
	documented >"$TMP/documented"
	{
		echo "plugins: print"
		sed 's/$/: 1/' "$TMP/documented"
	} >"$TMP/all.conf"
	"$NFACCTD" -f "$TMP/all.conf" --dump-config >"$TMP/said" 2>&1
	check "pmacct documents some hundred keys" test "$(wc -l <"$TMP/documented")" -gt 300
	if ! check "none of them is unknown" eval '! grep "unknown key" "$TMP/said" >"$TMP/unknown"'; then
		head -n 5 "$TMP/unknown"
	fi
else
	echo "manual: pmacct's CONFIG-KEYS is not installed: not compared"
fi

# The replicator's comparison names the test that shows each thing.
named() {
	awk -F'|' 'NF > 6 { print $6 }' "$ROOT/replicator/comparison.md" | grep -o '`[^`]*`' | tr -d '`' | sort -u
}
missing() {
	named | while read -r name; do
		[ -f "$ROOT/$name" ] || [ -f "$E2E_HERE/$name.sh" ] || ls "$ROOT"/tests/*/check_"$name".c >/dev/null 2>&1 ||
			grep -qx "$name" <<<'make bench' || echo "     no test is named $name"
	done
}
check "the comparison names some tests" test "$(named | wc -l)" -gt 20
check_equal "each of them exists" "" "$(missing)"
e2e_end
