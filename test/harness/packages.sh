# shellcheck shell=bash
# Sourced: finds the PostgreSQL to work with, and on Debian installs what is missing.
# shellcheck disable=SC2154  # scratch: set by common.sh
#
# What is needed is asked of the machine (a command runs, a header is found), so that whatever provides
# it will do; the package is only the answer to its absence.

missing=()
promtool= # a program to be used by use_promtool

need_command() { # COMMAND PACKAGE
	command -v "$1" >/dev/null || missing+=("$2")
}

# pcre2.h asks for the width of its characters first.
need_header() { # HEADER PACKAGE
	echo "#include <$1>" | ${CC:-cc} -E -DPCRE2_CODE_UNIT_WIDTH=8 -x c - >/dev/null 2>&1 || missing+=("$2")
}

need_perl() { # MODULE PACKAGE
	perl -M"$1" -e 1 2>/dev/null || missing+=("$2")
}

# Without Debian's list of certificate authorities Debian's libcurl refuses every https URL.
need_authorities() { # PACKAGE
	! command -v apt-get >/dev/null || [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=("$1")
}

need_fuzzer() { # PACKAGE
	echo 'int LLVMFuzzerTestOneInput(const char *data, long size) { return 0; }' |
		clang -fsanitize=fuzzer,address -o /dev/null -x c - 2>/dev/null || missing+=("$1")
}

# A server to run, and PGXS and the server's headers to build with.  libpq-dev alone also has a pg_config, and
# Debian's client package the makefiles of PGXS.
usable_pg_config() { # PG_CONFIG
	local pgxs headers bin
	pgxs=$("$1" --pgxs 2>/dev/null) && headers=$("$1" --includedir-server) && bin=$("$1" --bindir) &&
		[ -e "$pgxs" ] && [ -e "$headers/postgres.h" ] && [ -x "$bin/postgres" ]
}

# The major of the packages to install: that of the pg_config at hand, or Debian's.
debian_major() {
	local major
	major=$("$PG_CONFIG" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p')
	[ -n "$major" ] || major=$(apt-cache depends postgresql 2>/dev/null |
		sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
	echo "$major"
}

need_postgresql() {
	PG_CONFIG=${PG_CONFIG:-pg_config}
	usable_pg_config "$PG_CONFIG" && return
	if ! command -v apt-get >/dev/null; then
		missing+=("postgresql" "postgresql-server-dev")
		return
	fi
	[ -n "$(debian_major)" ] || refresh_lists
	local major
	major=$(debian_major)
	[ -n "$major" ] || die "no package postgresql is known to apt"
	local debian=/usr/lib/postgresql/$major/bin/pg_config
	usable_pg_config "$debian" || missing+=("postgresql-$major" "postgresql-server-dev-$major")
	[ "$PG_CONFIG" = pg_config ] || say "$PG_CONFIG gives no server with PGXS: using $debian"
	PG_CONFIG=$debian
}

refresh_lists() {
	[ -z "${lists_are_fresh:-}" ] || return 0
	lists_are_fresh=yes
	as_root apt-get -q update
}

# need_packages build|check|fuzz|valgrind: each goal's tools beyond those to build with.
need_packages() {
	need_command make make
	need_command gcc gcc
	need_header stdlib.h libc6-dev
	need_header curl/curl.h libcurl4-openssl-dev
	need_header openssl/evp.h libssl-dev
	need_header yajl/yajl_parse.h libyajl-dev
	need_header expat.h libexpat1-dev
	need_header pcre2.h libpcre2-dev
	need_header zlib.h zlib1g-dev
	need_header zstd.h libzstd-dev
	need_header microhttpd.h libmicrohttpd-dev
	need_header librdkafka/rdkafka.h librdkafka-dev
	need_command pkg-config pkg-config
	need_authorities ca-certificates
	case $1 in
		check)
			need_command python3 python3
			need_command prove perl
			need_command openssl openssl
			need_command curl curl
			need_command zstd zstd
			need_perl IPC::Run libipc-run-perl
			need_clang_format
			need_promtool
			need_pip
			need_command java default-jre-headless
			need_command mvn maven
			;;
		fuzz)
			need_command clang clang
			need_fuzzer libclang-rt-dev
			;;
		valgrind) need_command valgrind valgrind ;;
	esac
	need_postgresql
	install_missing
	usable_pg_config "$PG_CONFIG" || die "$PG_CONFIG gives no server with PGXS"
	[ "$1" != check ] || { fetch_moto && fetch_npm && fetch_kafka; }
}

# check-style compares with this major; a release of Debian without it skips that part.
need_clang_format() {
	if command -v apt-cache >/dev/null && apt-cache show clang-format-14 >/dev/null 2>&1; then
		need_command clang-format-14 clang-format-14
	fi
}

# promtool was a part of Debian's package of Prometheus before it got one of its own.  The former would bring a service
# that starts and listens, a user and JavaScript libraries.  The program needs none of them, so it is taken out of
# the package and kept.
need_promtool() {
	command -v promtool >/dev/null && return
	if ! command -v apt-get >/dev/null; then
		missing+=("promtool (of prometheus)")
		return
	fi
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/etl-check work
	if [ ! -x "$cache/promtool" ]; then
		say "Fetching promtool"
		mkdir -p "$cache"
		work=$(mktemp -d)
		download_promtool "$work" || { refresh_lists && download_promtool "$work"; } ||
			die "neither package promtool nor prometheus, which also has it, can be fetched"
		dpkg-deb -x "$work"/*.deb "$work"
		mv "$work/usr/bin/promtool" "$cache/promtool"
		rm -rf "$work"
	fi
	promtool=$cache/promtool
}

download_promtool() { # INTO
	(cd "$1" && for package in promtool prometheus; do
		! apt-get -q -o APT::Sandbox::User=root download "$package" 2>/dev/null || exit 0
	done && exit 1)
}

# For the worker, who may be unable to read the caller's home.
use_promtool() {
	[ -n "$promtool" ] || return 0
	as_worker mkdir -p "$scratch/bin"
	install -m 755 "$promtool" "$scratch/bin/promtool"
	export PATH=$PATH:$scratch/bin
}

# The tests of object stores talk to moto, a server that Python's packages bring (Debian 12 has none).  Where they cannot be
# fetched, these tests are skipped.
moto= # the folder that has it

need_pip() {
	! command -v apt-get >/dev/null || python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
}

# For the Python that the worker finds, who may find another one than the caller.
fetch_moto() {
	local wanted=5.2.5 python cache
	choose_worker
	! as_worker python3 -c 'import boto3, moto.server' 2>/dev/null || return 0
	python=$(as_worker python3 -c 'import sys; print(sys.executable)')
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/etl-check/moto-$wanted-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	if [ ! -d "$cache" ]; then
		say "Fetching moto"
		rm -rf "$cache.unfinished"
		if "$python" -m pip -q install --no-warn-conflicts --target "$cache.unfinished" "moto[s3]==$wanted" flask flask-cors; then
			mv "$cache.unfinished" "$cache"
		else
			say "moto cannot be fetched: the tests of object stores are skipped"
			return 0
		fi
	fi
	moto=$cache
}

# For the worker, who may be unable to read the caller's home.
use_moto() {
	[ -n "$moto" ] && [ ! -d "$scratch/moto" ] || return 0
	tar -C "$moto" -cf - . | (as_worker mkdir "$scratch/moto" && as_worker tar -C "$scratch/moto" --no-same-owner -xf -)
	export ETL_MOTO=$scratch/moto
}

# Two more such servers come from npm, where there is node: s3rver is another S3 that verifies signatures, azurite is Azure's own
# imitation of its Blob Storage.
npm_servers=(s3rver@3.7.1 azurite@3.37.0)
npm_folders=()

fetch_npm() {
	local server cache
	if ! command -v npm >/dev/null || ! as_worker node --version >/dev/null 2>&1; then
		say "There is no node with npm: some tests of object stores are skipped"
		return 0
	fi
	for server in "${npm_servers[@]}"; do
		cache=${XDG_CACHE_HOME:-$HOME/.cache}/etl-check/$server
		if [ ! -d "$cache" ]; then
			say "Fetching $server"
			rm -rf "$cache.unfinished"
			if npm install --silent --omit=dev --no-audit --no-fund --ignore-scripts --prefix "$cache.unfinished" "$server" </dev/null; then
				mv "$cache.unfinished" "$cache"
			else
				say "$server cannot be fetched: its tests are skipped"
				continue
			fi
		fi
		npm_folders+=("$cache")
	done
}

# For the worker, who may be unable to read the caller's home.
use_npm() {
	local folder name
	for folder in "${npm_folders[@]}"; do
		name=$(basename "${folder%@*}")
		[ -d "$scratch/$name" ] ||
			tar -C "$folder" -cf - . | (as_worker mkdir "$scratch/$name" && as_worker tar -C "$scratch/$name" --no-same-owner -xf -)
		export "ETL_${name^^}=$scratch/$name"
	done
}

# The tests of Kafka start Apache Kafka, whose jars Maven brings, and talk to it through Python's confluent_kafka.  Where one of
# them cannot be fetched, these tests are skipped.
kafka= # the folder that has both

fetch_kafka() {
	local wanted=4.1.1 client=2.16.1 python cache
	choose_worker
	python=$(as_worker python3 -c 'import sys; print(sys.executable)')
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/etl-check/kafka-$wanted-$client-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	if [ ! -d "$cache" ]; then
		say "Fetching Kafka"
		rm -rf "$cache.unfinished"
		mkdir -p "$cache.unfinished"
		if fetch_jars "$cache.unfinished" "$wanted" &&
			"$python" -m pip -q install --no-warn-conflicts --target "$cache.unfinished/python" "confluent-kafka==$client"; then
			mv "$cache.unfinished" "$cache"
		else
			say "Kafka cannot be fetched: its tests are skipped"
			return 0
		fi
	fi
	kafka=$cache
}

# Apache Kafka and all that it needs to run.
fetch_jars() { # FOLDER VERSION
	cat >"$1/pom.xml" <<-XML
		<project xmlns="http://maven.apache.org/POM/4.0.0">
		<modelVersion>4.0.0</modelVersion><groupId>etl</groupId><artifactId>check</artifactId><version>1</version>
		<dependencies><dependency>
		<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$2</version>
		</dependency></dependencies></project>
	XML
	mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1/jars"
}

# For the worker, as with moto.
use_kafka() {
	[ -n "$kafka" ] && [ ! -d "$scratch/kafka" ] || return 0
	tar -C "$kafka" -cf - . | (as_worker mkdir "$scratch/kafka" && as_worker tar -C "$scratch/kafka" --no-same-owner -xf -)
	export ETL_KAFKA=$scratch/kafka
}

install_missing() {
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "please install these (the names are Debian's packages): ${missing[*]}"
	say "Installing ${missing[*]}"
	refresh_lists
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		install "${missing[@]}" </dev/null
}
