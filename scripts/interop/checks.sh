# shellcheck shell=bash disable=SC2154
# Sourced: counts checks. Each prints one line, `ok NAME` or `FAILED NAME` with the end of what the command said.
# The caller sets `work`, a folder for outputs; the last check's output is in $work/out (stdout) and $work/err.

passed=0 failed=0

pass() { passed=$((passed + 1)); echo "  ok      $1"; }

fail() { # NAME [WHY]
  failed=$((failed + 1)); echo "  FAILED  $1"
  [ -z "${2:-}" ] || sed 's/^/          /' <<<"$2"
}

check() { # NAME COMMAND…: exit 0
  exits 0 "$@"
}

exits() { # CODE NAME COMMAND…: exactly this exit code
  local expected=$1 name=$2 status=0; shift 2
  "$@" >"$work/out" 2>"$work/err" || status=$?
  if [ "$expected" = "$status" ]; then pass "$name"; else fail "$name" "expected exit $expected: $(told "$status" "$@")"; fi
}

refuses() { # REGEXP NAME COMMAND…: fails, and for the reason that its output names
  local reason=$1 name=$2 status=0; shift 2
  "$@" >"$work/out" 2>"$work/err" || status=$?
  if [ "$status" -ne 0 ] && tr '\n' ' ' <"$work/err" | tr -s ' ' | grep -qE "$reason"; then pass "$name"; return; fi
  fail "$name" "expected a refusal that says /$reason/: $(told "$status" "$@")"
}

told() { # STATUS COMMAND…: what was run and the end of what it said, without tokens
  local status=$1; shift
  {
    echo "exit $status of $(printf '%q ' "$@" | cut -c1-2000)"
    tail -c 3000 "$work/err"
    tail -c 1000 "$work/out"
  } | sed -E 's/eyJ[A-Za-z0-9_.-]{20,}/TOKEN/g' | cut -c1-500
}

same() { # NAME EXPECTED FOUND
  if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected: $2
found:    $3"; fi
}

at_most() { # NAME LIMIT FOUND
  if [ "$3" -le "$2" ]; then pass "$1 ($3 of at most $2)"; else fail "$1" "found $3, at most $2"; fi
}

totals() { # last line of the run; its exit code
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
