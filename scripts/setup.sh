# Sourced by scripts/test and scripts/demo: from the repository's root, with what the machine lacks
# installed, and only that.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

# Installs Debian or Ubuntu packages.
install_packages() {
    local root=()
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: install what Debian calls $* by hand" >&2
        return 1
    elif [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "not root and no sudo: have $* installed" >&2; return 1; }
        root=(sudo)
    fi
    echo "installing $*"
    "${root[@]}" apt-get update -qq &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq --no-install-recommends "$@" >/dev/null
}

qwgpu() { cargo run --quiet --release -- "$@"; }

# A Vulkan loader and Mesa's software driver, unless this machine shows an adapter already.
ensure_adapter() {
    has_adapter && return
    echo "no graphics adapter found, so a software one is needed"
    install_packages libvulkan1 mesa-vulkan-drivers
    has_adapter || { echo "still no adapter; see \`cargo run --release -- doctor\`" >&2; return 1; }
}

has_adapter() { [[ $(qwgpu devices --json) == *'"name"'* ]]; }

# Mesa's driver for AMD cards, whose compiler needs none of them.
ensure_radv() {
    compgen -G "/usr/share/vulkan/icd.d/radeon_icd*.json" >/dev/null ||
        install_packages libvulkan1 mesa-vulkan-drivers
}

command -v cargo >/dev/null || { echo "cargo is missing: see https://rustup.rs" >&2; exit 2; }
command -v cc >/dev/null || install_packages gcc libc6-dev

# Mesa's OpenGL prints an error without one, on every start.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi
