"""Files on this machine: written whole or not at all, locked, sparse, many and small.

Nothing here knows of models or registries.  Every folder of the core may use it; no other one renames files::

    from kitops_orchestration.disk.write import write_whole

    write_whole(Path("trust.yaml"), text)

``write`` gives a file its name in one step, ``hidden_folder`` a folder, ``resumable`` a download; ``leftovers`` removes
what killed processes left of these.  ``large_files`` and ``sparse`` are about how bytes reach the disk, ``small_files``
is what a cache is made of, ``lock`` makes writers take turns.

Used by ``airflow_kitops``, ``airflow_kitops.decorators``, ``catalog``, ``cli``, ``cli.commands.look``,
``cli.commands.make``, ``cli.commands.vouch``, ``client``, ``dagster_kitops``, ``mlflow_bridge``,
``mlflow_bridge.serving``, ``mlflow_bridge.store``, ``modelkit.kitfile``, ``modelkit.packing``,
``modelkit.packing.gate``, ``modelkit.unpacking``, ``oci``, ``oci.auth``, ``oci.http``, ``oci.layout``,
``oci.registry``, ``oci.transfer``, ``promotion.checkpoint``, ``promotion.stage_tag``, ``signing``, ``signing.keys``:
``bytecode`` (after_failure, MAY_BE_CUT, remove_cut_bytecode); ``hidden_folder`` (HiddenFolder, scratch_folder,
throw_away); ``inside`` (inside); ``large_files`` (Room, write_at, WRITE_BYTES); ``leftovers`` (GRACE_SECONDS,
is_held, is_left, is_real_folder, sweep_now_and_then); ``lock`` (brief_machine_lock, file_lock, machine_lock);
``resumable`` (ResumableFile); ``small_files`` (SmallFiles); ``sparse`` (HOLE_BYTES, is_hole); ``whole_folder``
(write_whole_folder); ``write`` (advice_for, disk_errors, HiddenFile, link_whole, move_whole, whole_file,
write_whole).
"""
