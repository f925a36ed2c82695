"""Pack: a directory becomes a ModelKit in a repository, folder or registry alike."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kitops_orchestration import settings
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit import compression as compressing
from kitops_orchestration.modelkit import kitfile_rules, media_types
from kitops_orchestration.modelkit.digest_cache import CachedDigests, DigestCache, is_settled, key_of
from kitops_orchestration.modelkit.ignore import IgnoreRules
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.layer_plan import PlannedLayer, check_mcp_bundle, other_paths, plan_layers
from kitops_orchestration.modelkit.layer_stream import BUFFER_BYTES, LayerSource, RawSource, TarSource
from kitops_orchestration.modelkit.manifest_profile import Profile, build_manifest, layer_annotations, model_pack_config
from kitops_orchestration.modelkit.media_types import Compression, Kind, LayerFormat
from kitops_orchestration.modelkit.selection import Selector, select_like_kit
from kitops_orchestration.modelkit.walk import Entry, walk
from kitops_orchestration.oci.descriptor import EMPTY, BlobSource, Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, ignore_progress
from kitops_orchestration.settings import Limits
