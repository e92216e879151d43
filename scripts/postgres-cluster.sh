#!/usr/bin/env bash
# Runs a command with TEST_DATABASE_URL naming a throw-away cluster of the oldest PostgreSQL that is installed from
# Debian's packages: scripts/postgres-cluster.sh npx jest test/database
# Over TCP and with a password, as the embedded server never is.
set -euo pipefail

oldest() { compgen -G '/usr/lib/postgresql/*/bin' | sort --version-sort | head -n 1 || true; }

bin=$(oldest)
if [[ -z $bin ]]; then
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes)
  ((EUID == 0)) || apt=(sudo --non-interactive "${apt[@]}")
  # Standard output belongs to the command.
  { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends postgresql; } >&2
  bin=$(oldest)
fi

# In memory, where there is room: a database is hundreds of files, which a disk makes ten times as slowly.
parent=/tmp
room=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1) || true
((${room:-0} < 2048)) || parent=/dev/shm
folder=$(mktemp --directory --tmpdir="$parent" ratchet-cluster-XXXXXX)
as=()
if ((EUID == 0)); then
  # PostgreSQL refuses to run as root; its package makes this account.
  chown postgres: "$folder"
  as=(runuser -u postgres --)
fi
# Not in the caller's folder, which that account may be unable to enter.
pg() { (cd "$folder" && "${as[@]}" "$bin/$1" "${@:2}"); }

finish() {
  [[ ! -e $folder/data/postmaster.pid ]] || pg pg_ctl stop --silent --mode=immediate --pgdata="$folder/data"
  rm -rf "$folder"
}
trap finish EXIT

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
echo "$password" >"$folder/password"
pg initdb --pgdata="$folder/data" --username=postgres --auth=scram-sha-256 --pwfile="$folder/password" \
  --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
cat >>"$folder/data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
fsync = off
full_page_writes = off
log_error_verbosity = terse
SETTINGS
pg pg_ctl start --silent --wait --pgdata="$folder/data" --log="$folder/log" || { cat "$folder/log" >&2 && exit 1; }

TEST_DATABASE_URL="postgresql://postgres:$password@127.0.0.1:$port/postgres" "$@"
