"""The tree of RFC 9162 / RFC 6962 against the published vectors, and proofs for every size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.audit import merkle

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The eight leaves and the roots of their prefixes that Certificate Transparency's own tests publish."""


class Tree:
    """Complete subtrees in a dictionary."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        edge = merkle.Frontier(self, 0)
        for leaf in leaves:
            complete = edge.append(merkle.leaf_hash(leaf))
            self.nodes |= {(level, place): node for level, place, node in complete}

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 defines it, without stored nodes."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return merkle.leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert merkle.root_hash(Tree(LEAVES[:size]), size).hex() == ROOTS[size]


def test_published_inclusion_proof() -> None:
    proof = merkle.inclusion_proof(Tree(LEAVES), 0, 8)
    assert [step.hex() for step in proof] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_stored_nodes_give_the_root_of_the_definition(leaves: list[bytes]) -> None:
    assert merkle.root_hash(Tree(leaves), len(leaves)) == by_definition(leaves)


@given(st.lists(st.binary(max_size=8), max_size=70), st.data())
def test_the_edge_and_the_tree_in_memory_agree_with_the_definition(
    leaves: list[bytes], data: st.DataObject
) -> None:
    whole = merkle.Tree(b"".join(map(merkle.leaf_hash, leaves)))
    start = data.draw(st.integers(0, len(leaves)))
    edge = merkle.Frontier(whole, start)  # as a process finds it that goes on from there
    assert edge.root_hash() == whole.root_hash(start) == by_definition(leaves[:start])
    for leaf in leaves[start:]:
        for level, index, node in edge.append(merkle.leaf_hash(leaf)):
            assert whole.node(level, index) == node
    assert edge.root_hash() == whole.root_hash(len(leaves)) == by_definition(leaves)


def test_an_append_adds_two_nodes_on_average_whatever_the_size() -> None:
    edge = merkle.Frontier(Tree([]), 0)
    added = [len(edge.append(bytes(32))) for _ in range(1 << 12)]
    assert sum(added) == (1 << 13) - 1


# RFC 9162, 2.1.5: the tree of seven leaves d0 … d6, with the inner nodes named as there.
D = [merkle.leaf_hash(leaf) for leaf in LEAVES[:7]]
G, H, I = (merkle.node_hash(D[n], D[n + 1]) for n in (0, 2, 4))  # noqa: E741
K, L = merkle.node_hash(G, H), merkle.node_hash(I, D[6])


@pytest.mark.parametrize(
    ("index", "path"), [(0, [D[1], H, L]), (3, [D[2], G, L]), (4, [D[5], D[6], K]), (6, [I, K])]
)
def test_the_inclusion_proofs_of_the_rfcs_example(index: int, path: list[bytes]) -> None:
    assert merkle.inclusion_proof(Tree(LEAVES[:7]), index, 7) == path
    assert merkle.root_from_inclusion(D[index], index, 7, path) == merkle.node_hash(K, L)


@pytest.mark.parametrize(("first", "path"), [(3, [D[2], D[3], G, L]), (4, [L]), (6, [I, D[6], K])])
def test_the_consistency_proofs_of_the_rfcs_example(first: int, path: list[bytes]) -> None:
    tree = Tree(LEAVES[:7])
    assert merkle.consistency_proof(tree, first, 7) == path
    roots = merkle.root_hash(tree, first), merkle.root_hash(tree, 7)
    assert merkle.is_consistent(first, roots[0], 7, roots[1], path)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_an_inclusion_proof_leads_to_the_root_and_only_for_its_leaf(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree, size = Tree(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(tree, index, size)
    root = merkle.root_hash(tree, size)
    assert merkle.root_from_inclusion(merkle.leaf_hash(leaves[index]), index, size, proof) == root
    other = merkle.leaf_hash(leaves[index] + b"!")
    assert merkle.root_from_inclusion(other, index, size, proof) != root
    assert merkle.root_from_inclusion(other, index, size, [*proof, root]) is None


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_a_consistency_proof_shows_a_beginning_and_nothing_else(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree, size = Tree(leaves), len(leaves)
    first = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(tree, first, size)
    old, new = merkle.root_hash(tree, first), merkle.root_hash(tree, size)
    assert merkle.is_consistent(first, old, size, new, proof)
    forged = merkle.leaf_hash(b"forged")
    assert not merkle.is_consistent(first, forged, size, new, proof)
    assert not merkle.is_consistent(first, old, size, forged, proof)
