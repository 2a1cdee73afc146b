#!/bin/bash
# make check-style: the rules that a machine can hold (see check-style.py).

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"

need_command python3 python3
need_clang_format
install_missing
python3 "$project/test/harness/check-style.py" "$project"
