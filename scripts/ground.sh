# shellcheck shell=bash
# The ground that scripts/test and scripts/demo stand on: the packages they need, and the mounts that
# a run may leave behind. To be sourced; it changes nothing by itself.

say() {
    printf '==> %s\n' "$*"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Whether the Debian package $1, or something that does its work, is there.
has_package() {
    case $1 in
        build-essential) command -v cc > /dev/null && command -v make > /dev/null ;;
        fuse3) command -v fusermount3 > /dev/null ;;
        attr) command -v getfattr > /dev/null ;;
        python3-venv) python3 -c 'import ensurepip, venv' > /dev/null 2>&1 ;;
        *) command -v "$1" > /dev/null ;;
    esac
}

# Runs a command as root, without ever asking for a password; fails where that cannot be.
as_root() {
    if [[ $EUID == 0 ]]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# Makes sure that the packages named are there, and installs what is missing when it may. Where it
# may not, it fails with one line that says what to install.
need_packages() {
    local package missing=()
    for package in "$@"; do
        has_package "$package" || missing+=("$package")
    done
    [[ ${#missing[@]} == 0 ]] && return

    local advice="please install: ${missing[*]}   (on Debian: apt-get install ${missing[*]})"
    if ! command -v apt-get > /dev/null || ! as_root true 2> /dev/null; then
        echo "error: $advice" >&2
        return 1
    fi
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    # An update that fails on one list may still have brought the others: the install decides.
    as_root apt-get update -q > "$log" 2>&1 || true
    if ! as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends "${missing[@]}" >> "$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "error: the installation failed; $advice" >&2
        return 1
    fi
    rm -f "$log"
}

# Makes sure that cargo can be called, also where rustup's folder is not in the PATH.
need_cargo() {
    command -v cargo > /dev/null && return
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    command -v cargo > /dev/null || fail "Rust is missing; install it as https://rustup.rs says"
}

# Whether this user may mount at all, as far as the device tells.
has_fuse() {
    [[ -r /dev/fuse && -w /dev/fuse ]]
}

# The mountpoints of reelfs at $1 or anywhere below a path that begins with $1, one a line. It reads the
# kernel's table and touches no mountpoint: a dead one would not answer.
reelfs_mounts() {
    local path kind
    while read -r _ path kind _; do
        # The table writes a space as \040.
        path=$(printf '%b' "$path")
        if [[ $kind == fuse.reelfs && $path == "$1"* ]]; then
            printf '%s\n' "$path"
        fi
    done < /proc/self/mounts
}

# Takes away the mounts that `reelfs_mounts "$1"` lists, also those that are dead or in use.
unmount_left_over() {
    local path
    while IFS= read -r path; do
        say "unmounting $path, which was left behind"
        fusermount3 -u -z "$path" || echo "warning: $path stays mounted" >&2
    done < <(reelfs_mounts "$1")
}

# The system's temporary directory as the kernel's mount table names it.
temp_dir() {
    realpath "${TMPDIR:-/tmp}"
}
