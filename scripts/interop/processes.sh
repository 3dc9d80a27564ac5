# shellcheck shell=bash disable=SC2154
# Sourced by the scripts that start servers. Every server listens on 127.0.0.1, logs to DIR/log/NAME.log and has its pid in
# DIR/pids.GROUP, one `pid name` per line; it is stopped by that pid and by nothing else. The caller sets `dir` and `group`.

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

free_ports() { # COUNT
  python3 - "$1" <<'PY'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in held))
PY
}

launch() { # NAME COMMAND…
  local name=$1; shift
  setsid "$@" </dev/null >>"$dir/log/$name.log" 2>&1 &
  echo "$! $name" >>"$dir/pids.$group"
}

await() { # NAME URL: at most 30 s, less if the process ends
  local name=$1 url=$2 pid
  pid=$(awk -v n="$name" '$2 == n { pid = $1 } END { print pid }' "$dir/pids.$group")
  for _ in $(seq 300); do
    curl -fs -o /dev/null --noproxy '*' --max-time 2 "$url" && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$dir/log/$name.log" | cut -c1-500 >&2
  die "$name does not answer at $url"
}

stop_group() { # last started, first stopped; what ignores a polite request for 5 s is killed
  local pid name
  [ -f "$dir/pids.$group" ] || return 0
  while read -r pid name; do
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
  done < <(tac "$dir/pids.$group")
  rm -f "$dir/pids.$group"
}

begin() { # up|down DIR: prepare `dir`; for `down` stop the group and leave
  [ $# -eq 2 ] || die "usage: $(basename "$0") up|down DIR"
  mkdir -p "$2/log"; dir=$(cd "$2" && pwd)
  case $1 in
    down) stop_group; exit 0 ;;
    up) [ ! -s "$dir/pids.$group" ] || die "$dir is up already (or was not taken down): run \`down\` first" ;;
    *) die "up or down, not $1" ;;
  esac
  trap 'status=$?; [ $status -eq 0 ] || stop_group; exit $status' EXIT
}
