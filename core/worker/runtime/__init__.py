"""The worker's own environment: made once, by `uv`, beside what Blender owns; found again, checked, and removed.

    store = Store(user_folder)                          # where environments lie, and which of them is whole
    setup = Installation(store, Source(), base)         # a thread; `text`, `progress` and `log` tell how far it is
    setup.start()
    ...
    setup.tidy()                                        # when it is done and no worker runs
    store.current()                                     # Runtime(python=..., facts={...}) or None

Decisions, each with its reason:

* The environment's base is the Python that Blender ships (`sys.executable`), so that nothing but a package index, or
  no network at all, is needed; a Python of uv's own would come from GitHub, which many studios block. When a Blender
  update moves or replaces that Python, `Store` sees it, and Repair joins the packages to the new one without network
  as long as its minor version is the same.
* Every environment gets a new folder `r/<number>` (short, for Windows), and is marked whole by a file that is renamed
  into place last: one that was cut off is never used. The older one goes only after that.
* `requirements.lock` has every package of every platform with its sha256. The packages of `torch` itself differ from
  machine to machine: those of the package index are in the lock too, those of PyTorch's own indexes are resolved first
  and installed with the hashes which that index gives. Nothing is built from source.
* Packages of the lock may come from any mirror, whatever its protocol, since their hashes decide. A torch that is in no
  lock comes by https (`indexes`) or from a folder that the artist names and that is looked through first
  (`wheel_folder`), and is named before (`consent`) and afterwards.
* uv's cache lies beside the environments, on the same disk, so that files are linked and not copied, and is removed
  after success; after a failure it stays, so that what was fetched is not fetched again.

Standard library only: this runs inside Blender's process, apart from `probing`, which the examined Python runs.
"""
