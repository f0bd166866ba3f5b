#!/usr/bin/env bash
# Installs the clients that others wrote, with which the tests speak to the sandbox: `install.sh DIR`.
# Node and Python with venv come by apt where they are missing. Done once, it has nothing to do until a version changes.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
dir="${1:?usage: install.sh DIR}"

# Their dependency trees cannot all be had, so these are unpacked as they are, beside what they really need. Behind each is
# the SHA-256 of its archive.
packed=(
    @rocket.chat/ddp-client@1.1.2=20fdc18ebe91b67b0c2dae3102f2265c86cb9a67c406a3b862ef587856e93798
    @rocket.chat/api-client@0.2.57=070831ad1b6f74eebb140225c6d13f8d51f50fa47217abae636713242680b6eb
    @rocket.chat/emitter@0.33.0=eaba7fc42f5974eab83c23ec5fc78cd892bd44d9aa69769ff7715eb79fe57fd7
    @rocket.chat/rest-typings@8.8.1=af2377d955c70a55055502bb65a2ea97c3e3366b99cf7c6f66e7dcb54dbed8af
    @rocket.chat/core-typings@8.8.1=a5cdd97b40dd727d4a4a26fdd6c0c8fc3e5703f76604d2a4aace1f331f19e0d9
    @rocket.chat/message-parser@0.32.0=a96a469fa214bcfbbba809093cb148d7389949a39246cc242cbd5aa45b4bcfee
    @rocket.chat/ui-kit@1.1.0=0714e9f6fe322ffd5afae18588bc451461e1c7980ee02607644f4dcadfc3a60e
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
    "$dir/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
}
node_modules() {
    (cd "$dir/node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    (cd "$dir/packed" && npm pack --silent "${packed[@]%=*}" >/dev/null)
    for pinned in "${packed[@]}"; do
        package="${pinned%=*}"
        scoped="${package%@*}"
        name="${scoped#@rocket.chat/}"
        target="$dir/node/node_modules/$scoped"
        mkdir -p "$target"
        archive="$dir/packed/rocket.chat-$name-${package##*@}.tgz"
        echo "${pinned##*=}  $archive" | sha256sum --check --quiet
        tar -xzf "$archive" -C "$target" --strip-components=1
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
