#!/usr/bin/env bash
# Installs the clients that others wrote, with which the tests speak to the sandbox: `install.sh DIR`.
# Node and Python with venv come by apt where they are missing. Done once, it has nothing to do until a version changes.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
dir="${1:?usage: install.sh DIR}"

# Their dependency trees cannot all be had, so these are unpacked as they are, beside what they really need.
packed=(
    @rocket.chat/ddp-client@1.1.2
    @rocket.chat/api-client@0.2.57
    @rocket.chat/emitter@0.33.0
    @rocket.chat/rest-typings@8.8.1
    @rocket.chat/core-typings@8.8.1
    @rocket.chat/message-parser@0.32.0
    @rocket.chat/ui-kit@1.1.0
)

wanted="$(cat "$here/install.sh" "$here/requirements.txt" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$dir/installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

missing=()
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

rm -rf "$dir"
mkdir -p "$dir/node" "$dir/packed"
dir="$(cd "$dir" && pwd)"
cp "$here/package.json" "$here/package-lock.json" "$dir/node"

python() {
    python3 -m venv "$dir/python"
    "$dir/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
}
node_modules() {
    (cd "$dir/node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    (cd "$dir/packed" && npm pack --silent "${packed[@]}" >/dev/null)
    for package in "${packed[@]}"; do
        scoped="${package%@*}"
        name="${scoped#@rocket.chat/}"
        target="$dir/node/node_modules/$scoped"
        mkdir -p "$target"
        tar -xzf "$dir/packed/rocket.chat-$name-${package##*@}.tgz" -C "$target" --strip-components=1
    done
    # The validators are modules that Node alone does not load.
    "$dir/node/node_modules/.bin/esbuild" "$dir/node/node_modules/@rocket.chat/rest-typings/dist/index.js" \
        --bundle --platform=node --format=cjs --log-level=error --outfile="$dir/node/rest-typings.cjs"
}
python &
pid=$!
node_modules
wait "$pid"
echo "$wanted" > "$dir/installed"
