# shellcheck shell=bash
# Sourced: one throw-away server, reached by a socket in the throw-away folder only.

server=
postmaster= # a program to start instead of postgres itself
settings=   # lines for postgresql.conf

# A private copy of the PostgreSQL installation, for "make install DESTDIR=$destdir": its programs
# find their libraries and files relative to themselves, so the same paths below another root will do.
copy_postgresql() { # DESTDIR; sets private_pg_config
	local part
	for part in --bindir --pkglibdir --sharedir; do
		part=$("$PG_CONFIG" "$part")
		as_worker mkdir -p "$1$part"
		as_worker cp -a "$part/." "$1$part"
	done
	# shellcheck disable=SC2034
	private_pg_config=$1$("$PG_CONFIG" --bindir)/pg_config
}

start_server() { # FOLDER PG_CONFIG [NAME=VALUE…, the postmaster's environment]
	local folder=$1 bin
	bin=$("$2" --bindir)
	as_worker mkdir "$folder"
	as_worker "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
		>"$folder.initdb.log" || die "initdb failed, see $folder.initdb.log"
	as_worker tee -a "$folder/data/postgresql.conf" >/dev/null <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$folder'
		fsync = off
		$settings
	CONF
	server=$folder server_bin=$bin
	as_worker env "${@:3}" "$bin/pg_ctl" start -s -w -t 120 -D "$folder/data" -l "$folder/log" \
		${postmaster:+-p "$postmaster"} ||
		die "the server did not start, see $folder/log"
	export PGHOST=$folder PGPORT=5432 PGUSER=postgres
}

# A clean stop, so that what a server reports at its end is seen; whatever hangs is killed.
stop_server() {
	[ -n "$server" ] || return 0
	as_worker "$server_bin/pg_ctl" stop -s -m fast -t 30 -D "$server/data" ||
		as_worker "$server_bin/pg_ctl" stop -s -m immediate -D "$server/data" || true
	server=
}
