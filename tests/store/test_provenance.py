from pathlib import Path

from lsbench.store import provenance


def test_git_sha_is_of_the_checkout_or_empty():
    sha = provenance.provenance()["git_sha"]
    inside = (Path(provenance.__file__).parents[2] / ".git").exists()
    assert (len(sha.removesuffix("-dirty")) == 40) == inside and (inside or sha == "")
