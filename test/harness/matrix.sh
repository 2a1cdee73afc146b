#!/bin/bash
# make matrix: "make check" on the other majors of PostgreSQL, each in a chroot of the release of Debian
# that has it.  Needs root, since debootstrap and chroot do.
#
#	MAJORS="17 18"		which of them
#	GOAL=check			what to make there
#	MATRIX_CACHE=...	where the chroots stay for the next time (~/.cache/etl-matrix)

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

declare -A release=([15]=bookworm [17]=trixie [18]=forky)
majors=${MAJORS:-17 18}
goal=${GOAL:-check}
export MATRIX_CACHE=${MATRIX_CACHE:-$HOME/.cache/etl-matrix}

if [ "$(id -u)" != 0 ]; then
	as_root env MATRIX_CACHE="$MATRIX_CACHE" MAJORS="$majors" GOAL="$goal" BENCH="${BENCH:-csv}" bash "$0"
	exit
fi

# The machine's own mirror of Debian.
# shellcheck disable=SC2016  # REPO_URI is apt's
mirror() {
	apt-get indextargets 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
		--format '$(REPO_URI)' | head -n 1
}

# Every release newer than debootstrap itself is made like sid.
make_chroot() { # RELEASE FOLDER
	[ ! -d "$2" ] || return 0
	say "Making a chroot of Debian $1 in $2"
	local from
	from=$(mirror)
	[ -n "$from" ] || die "apt's configuration names no mirror of Debian"
	rm -rf "$2.unfinished"
	debootstrap --variant=minbase --include=make "$1" "$2.unfinished" "$from" \
		/usr/share/debootstrap/scripts/sid
	# Packages that bring a service must not start it.
	printf '#!/bin/sh\nexit 101\n' >"$2.unfinished/usr/sbin/policy-rc.d"
	chmod 755 "$2.unfinished/usr/sbin/policy-rc.d"
	# A mirror may lag behind a release that still moves.
	printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'APT::Keep-Downloaded-Packages "false";' \
		>"$2.unfinished/etc/apt/apt.conf.d/99etl"
	mv "$2.unfinished" "$2"
}

# In a mount namespace of its own, so that nothing stays mounted whatever happens.
make_in_chroot() { # FOLDER GOAL
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	rm -rf "$1/root/etl"
	worker=root copy_project "$1/root/etl"
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child -- bash -c '
		mount -t proc proc "$1/proc"
		exec chroot "$1" env -u PG_CONFIG PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root make --no-print-directory -C /root/etl "$2"
	' bash "$1" "$2"
}

need_command debootstrap debootstrap
install_missing
mkdir -p "$MATRIX_CACHE"

results=()
status=0
for major in $majors; do
	[ -n "${release[$major]:-}" ] || die "no release of Debian is known here for PostgreSQL $major"
	folder=$MATRIX_CACHE/${release[$major]}
	make_chroot "${release[$major]}" "$folder"
	say "PostgreSQL $major on Debian ${release[$major]}"
	make_in_chroot "$folder" "$goal" 2>&1 | tee "$folder.log" || status=1
	# Not every goal has a result that fits into a line.
	results+=("PostgreSQL $major: $(grep -A 1 '^== Result' "$folder.log" | tail -n 1 || true)")
done

say "Result"
printf '%s\n' "${results[@]}"
exit $status
