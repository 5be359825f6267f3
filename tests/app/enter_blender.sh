#!/bin/bash
# Run a command inside a folder made by make_blender.sh.
#
#   tests/app/enter_blender.sh FOLDER blender -b --python-expr "print(1)"
#
# /proc, /sys, /dev and $IMAGE_TO_SCENE_SHARE (a folder, seen at the same path) are mounted in a private namespace:
# nothing stays mounted afterwards, so the folder can be removed safely.
set -euo pipefail
root=$(readlink -f "$1"); shift
export root share=${IMAGE_TO_SCENE_SHARE:-$PWD}
exec unshare -m --propagation private bash -c '
  set -e
  mkdir -p "$root$share"
  mount -t proc proc "$root/proc"
  mount -t sysfs sys "$root/sys"
  mount --bind /dev "$root/dev"
  mount --bind "$share" "$root$share"
  exec chroot "$root" env -i HOME=/root PATH=/usr/bin:/bin LC_ALL=C.UTF-8 LIBGL_ALWAYS_SOFTWARE=1 \
    ${DISPLAY:+DISPLAY="$DISPLAY"} ${BLENDER_USER_RESOURCES:+BLENDER_USER_RESOURCES="$BLENDER_USER_RESOURCES"} \
    ${OMP_NUM_THREADS:+OMP_NUM_THREADS="$OMP_NUM_THREADS"} "$@"' enter "$@"
