"""Searching: one grammar for every subject, its meaning, order and pages."""

from tracking_core.search.ast import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Operator,
    Or,
    OrderBy,
    Subject,
)
from tracking_core.search.evaluator import compile_filter, compile_like
from tracking_core.search.formatter import format_filter, format_order_by, is_mlflow_filter
from tracking_core.search.ordering import Ordering, effective_order, sort_key
from tracking_core.search.page import Page
from tracking_core.search.paging import (
    decode_page_token,
    encode_page_token,
    query_digest,
    select_page,
)
from tracking_core.search.parser import parse_filter, parse_order_by
from tracking_core.search.vocabulary import vocabulary

__all__ = [
    "And",
    "Comparison",
    "Expression",
    "Field",
    "FieldKind",
    "Membership",
    "Not",
    "NullTest",
    "Operator",
    "Or",
    "OrderBy",
    "Ordering",
    "Page",
    "Subject",
    "compile_filter",
    "compile_like",
    "decode_page_token",
    "effective_order",
    "encode_page_token",
    "format_filter",
    "format_order_by",
    "is_mlflow_filter",
    "parse_filter",
    "parse_order_by",
    "query_digest",
    "select_page",
    "sort_key",
    "vocabulary",
]
