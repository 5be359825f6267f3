#!/bin/bash
# Run the window tests in the Blender applications of Debian suites, which are made in FOLDER where they are missing.
#
#   tests/app/run.sh FOLDER SUITE...      for example: tests/app/run.sh build/blender sid trixie
#
# Making one needs root and debootstrap, about 2.5 GB and some minutes; where that cannot be had it says what it skips.
# $PYTHON is the interpreter with pytest and bpy, $IMAGE_TO_SCENE_SCREENSHOTS a folder for the pictures of the windows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(readlink -m "$1"); shift
shots=${IMAGE_TO_SCENE_SCREENSHOTS:-$folder/screenshots}
if [ "$(id -u)" != 0 ] || [ ! -e /etc/apt/sources.list.d/debian.sources ]; then
  echo "skipped: the window tests make their Blenders by debootstrap, which needs root on Debian"
  exit 0
fi
if ! unshare -m true 2>/dev/null; then
  echo "skipped: the window tests mount /proc and /dev in their Blenders' folders, which this machine does not allow"
  exit 0
fi
mkdir -p "$folder"
status=0
for suite in "$@"; do
  if [ ! -e "$folder/$suite" ] && ! "$here/make_blender.sh" "$folder/$suite" "$suite"; then
    echo "skipped: no Blender of Debian $suite could be made here, see $folder/$suite.log"
    continue
  fi
  window="xvfb-run -a -s '-screen 0 1280x800x24' blender"
  export IMAGE_TO_SCENE_BLENDER="'$here/enter_blender.sh' '$folder/$suite' $window"
  IMAGE_TO_SCENE_SCREENSHOTS="$shots/$suite" "${PYTHON:-python3}" -m pytest -q "$here" || status=$?
done
exit "$status"
