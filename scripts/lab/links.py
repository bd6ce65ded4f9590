# SPDX-License-Identifier: GPL-2.0
"""Relative links of Markdown documents, which have to lead to files beside them."""

import os
import re

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
OUTSIDE = re.compile(r"[a-z]+:")


def dangling(root, documents):
    """Yields (document, link) for links that lead to no file, or out of the root, of documents relative to that."""
    for document in documents:
        with open(os.path.join(root, document)) as file:
            links = LINK.findall(file.read())
        for link in links:
            target = os.path.normpath(os.path.join(os.path.dirname(document), link))
            if not OUTSIDE.match(link) and (target.startswith("..") or not os.path.exists(os.path.join(root, target))):
                yield document, link
