# Runs a PostgreSQL server on 127.0.0.1:$3, with all its files in the folder $2, until standard input is at its end: that is when the
# test has ended, however it did. $1 is the folder of initdb and pg_ctl. Says "ready" when it is.
set -eu
programs=$1 folder=$2 port=$3
# The server refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown -R postgres "$folder"
fi
cd "$folder"
stop() {
    $as "$programs/pg_ctl" --pgdata data --mode immediate stop >>log 2>&1 || true
    cd /
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM
$as "$programs/initdb" --pgdata data --username postgres --auth trust --no-sync --locale C >>log 2>&1 || { cat log; exit; }
cat >>data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
ssl = on
ssl_cert_file = '$folder/server.crt'
ssl_key_file = '$folder/server.key'
max_connections = 40
fsync = off
END
$as "$programs/pg_ctl" --pgdata data --log data/log --wait start >>log 2>&1 || { cat log data/log; exit; }
echo ready
cat >/dev/null
