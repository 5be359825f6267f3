#!/bin/bash
# A real Blender application with a virtual screen in one folder, for the window tests: Debian sid by debootstrap.
#
#   tests/app/make_blender.sh FOLDER [SUITE]      (root, about 2.5 GB, some minutes)
#   export IMAGE_TO_SCENE_BLENDER="tests/app/enter_blender.sh FOLDER xvfb-run -a -s '-screen 0 1280x800x24' blender"
#   python -m pytest tests/app
#
# The suite's own Python carries torch, so the same folder also holds the worker's interpreter. The folder must not
# exist yet; a half-made one is removed, so that none is ever taken for a whole one.
set -euo pipefail
folder=$1
suite=${2:-sid}
mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources)
log=$folder.log

if [ -e "$folder" ]; then echo "$folder exists already" >&2; exit 2; fi
trap 'code=$?; if [ $code != 0 ]; then rm -rf --one-file-system "$folder"; echo "failed, see $log" >&2; fi' EXIT
command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq --no-install-recommends debootstrap; }
debootstrap --variant=minbase "$suite" "$folder" "$mirror" >"$log" 2>&1

# No service may start in there, and nobody reads its manuals.
printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
chmod +x "$folder/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$folder/etc/resolv.conf"
ln -sf /proc/self/mounts "$folder/etc/mtab"
printf 'path-exclude=/usr/share/%s/*\n' doc man locale >"$folder/etc/dpkg/dpkg.cfg.d/slim"
for settings in /etc/apt/apt.conf.d/99*; do
  if [ -f "$settings" ]; then cp "$settings" "$folder/etc/apt/apt.conf.d/"; fi
done

# Debian's Blender needs cattr, requests and zstandard for its extension system without saying so.
chroot "$folder" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 sh -c '
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 \
    blender python3-numpy python3-requests python3-zstandard python3-cattr \
    python3-torch python3-safetensors python3-pil libopenblas0-pthread \
    libgl1-mesa-dri libegl1 libgl1 fonts-dejavu-core xvfb xauth imagemagick
  apt-get clean
  rm -rf /var/lib/apt/lists/*' >>"$log" 2>&1

# What the suites lack, or have in other versions; Debian's Python looks there by itself.
python=$(chroot "$folder" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
here=$(cd "$(dirname "$0")/../.." && pwd)
"${PYTHON:-python3}" -m pip install --quiet --no-compile --only-binary=:all: --python-version "$python" \
  --target "$folder/usr/local/lib/python$python/dist-packages" \
  $(grep -E '^(av|huggingface-hub)==' "$here/requirements/runtime.txt") >>"$log" 2>&1
chroot "$folder" blender --version | head -1
