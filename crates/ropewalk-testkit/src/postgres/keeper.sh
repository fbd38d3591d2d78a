# Makes a PostgreSQL cluster for tests, runs its server and removes it after four looks at which nobody used it.
# Arguments: the folder with the programs, the folder of the cluster.
set -u
bin=$1
cd "$2" || exit 1

# Always a new one: nothing of an earlier run, of another version or of a crash is in it.
rm -rf data
"$bin/initdb" -D data -U ropewalk --auth=trust --encoding=UTF8 --locale=C --no-sync >initdb.log 2>&1 || exit 1
setpriv --pdeathsig INT "$bin/postgres" -D data -k "$2" -c listen_addresses= -c max_connections=300 \
    -c fsync=off -c full_page_writes=off -c max_wal_size=256MB -c shared_buffers=64MB \
    >server.log 2>&1 </dev/null &
server=$!

unused=0
while kill -0 $server 2>/dev/null; do
    sleep 2
    if flock -n -x users true; then unused=$((unused + 1)); else unused=0; fi
    [ $unused -ge 4 ] || continue
    # The gate keeps newcomers out; one may have come in before it was closed.
    exec 9<gate
    if flock -n -x 9 && flock -n -x users true; then
        kill -INT $server
        wait $server
        rm -rf data
        exit 0
    fi
    exec 9<&-
    unused=0
done
