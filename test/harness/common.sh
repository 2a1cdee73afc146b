# shellcheck shell=bash
# Sourced by every script of this folder: messages, the throw-away folder, and who runs what.
#
# Nothing is built or run in the project's own folder: the scripts copy it into a throw-away folder that
# belongs to the unprivileged user (whoever calls, or "postgres" if root does), work there as that user,
# and remove it at the end.  It is kept when something failed.

set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=

# A caller's make, locale or connection must not leak into the runs.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
for name in "${!PG@}"; do
	[ "$name" = PG_CONFIG ] || unset "$name"
done
export LC_ALL=C

# With the seconds since the script began.
say() { printf '\n== %s [%d s]\n' "$*" "$SECONDS"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# PostgreSQL refuses to run as root; its packages bring a user.
choose_worker() {
	worker=$(id -un)
	[ "$(id -u)" != 0 ] || worker=$(id -un postgres 2>/dev/null || echo nobody)
}

as_worker() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u "$worker" -- "$@"
	else
		"$@"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root or sudo: $*"
	fi
}

# The name is short because a socket's path must be, and /tmp because every user may go there.
make_scratch() {
	choose_worker
	scratch=$(mktemp -d /tmp/etl.XXXXXX)
	[ "$(id -u)" != 0 ] || chown "$worker:" "$scratch"
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	export HOME=$scratch
	cd "$scratch"
}

leave() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP # make passes on to us the signal that the terminal has sent us already
	if declare -F stop_server >/dev/null; then
		stop_server
	fi
	case $status in
		0 | 130 | 143) cd / && rm -rf "$scratch" ;;
		*) printf 'Kept for a look: %s\n' "$scratch" >&2 ;;
	esac
	exit "$status"
}

# The project without what a build may have left in it.
copy_project() { # TO
	as_worker mkdir "$1"
	tar -C "$project" --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.bc' \
		--exclude='*.so' --exclude=./results --exclude=./output_iso --exclude='./tmp_check*' \
		-cf - . | as_worker tar -C "$1" --no-same-owner -xf -
}

build() { # FOLDER, further arguments of make
	as_worker make -s -C "$1" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" with_llvm=no "${@:2}"
}
