"""How a component lets its user change what becomes of an asset."""

# No `from __future__ import annotations`: pydantic and Dagster read what a field is.

from typing import Annotated

from dagster.components.utils.translation import TranslationFn, TranslationFnResolver

from dagster_kitops.assets.translator import ModelKitTranslatorData

Translation = Annotated[
    TranslationFn[ModelKitTranslatorData],
    TranslationFnResolver(template_vars_for_translation_fn=lambda data: {"props": data}),
]
"""The field ``translation`` of every component: attributes of its assets, which see ``props`` and ``spec``."""
