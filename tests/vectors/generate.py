#!/usr/bin/env python3
"""Writes the proof vectors of this directory: one honest proof per tree, and beside it its lies, one per file; and the
signed readings of signed/.

Only the standard library, no randomness, no clock: the same files every time. The trees are built by the recursive
definitions of RFC 9162 (2.1.1, 2.1.3.1, 2.1.4.1); nothing here verifies a proof, so that no verifier judges itself.

usage: generate.py            write the files, and remove those that are no longer made
       generate.py --check    write nothing; exit with 1 if a file differs
"""

import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
EMPTY_ROOT = hashlib.sha256(b"").digest()
FLIP = 0x01  # the bit that is flipped wherever one is


# The tree (RFC 9162, 2.1.1) and its proofs. `leaves` are leaf hashes.


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n):
    """The largest power of two smaller than n."""
    return 1 << ((n - 1).bit_length() - 1)


def mth(leaves):
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [mth(leaves[k:])]
    return path(m - k, leaves[k:]) + [mth(leaves[:k])]


def subproof(m, leaves, complete):
    if m == len(leaves):
        return [] if complete else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], complete) + [mth(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [mth(leaves[:k])]


def tree(n):
    return [leaf(b"entry %d" % i) for i in range(n)]


def flip(value, byte=0):
    return value[:byte] + bytes([value[byte] ^ FLIP]) + value[byte + 1 :]


# The vectors. A lie is the honest vector with one thing changed.


def lie(honest, about, want="reject", **changed):
    return {**honest, **changed, "about": about, "want": want}


def inclusion():
    """Yields (tree, lie, vector)."""
    for index, size in [(0, 1), (0, 2), (1, 3), (3, 4), (0, 5), (4, 5), (2, 7), (7, 8), (8, 9), (127, 255), (255, 256), (256, 257)]:
        leaves = tree(size)
        honest = {
            "about": f"Leaf {index} of {size}.",
            "want": "accept",
            "leafHash": leaves[index],
            "index": index,
            "size": size,
            "proof": path(index, leaves),
            "root": mth(leaves),
        }
        yield f"{index}-of-{size}", "honest", honest
        if (index, size) == (2, 7):
            yield from ((f"{index}-of-{size}", name, vector) for name, vector in inclusion_lies(honest, leaves))
        if (index, size) == (0, 1):
            extra = lie(honest, "A tree of one leaf needs no hash; here is one.", proof=[leaves[0]])
            yield f"{index}-of-{size}", "trailing-garbage", extra
        if (index, size) == (4, 5):
            promoted = lie(honest, "The lone leaf at the right edge hashed with itself, as Bitcoin does.",
                           proof=[leaves[4], *honest["proof"]])
            yield f"{index}-of-{size}", "lone-node-duplicated", promoted
            short = lie(honest, "Size 4 has no leaf 4.", size=4)
            yield f"{index}-of-{size}", "index-at-size", short
    nothing = {
        "about": "The empty tree includes nothing.",
        "want": "reject",
        "leafHash": leaf(b"entry 0"),
        "index": 0,
        "size": 0,
        "proof": [],
        "root": EMPTY_ROOT,
    }
    yield "0-of-0", "empty-tree", nothing
    yield "0-of-0", "root-as-leaf", lie(nothing, "The empty root as its own leaf.", leafHash=EMPTY_ROOT)


def inclusion_lies(honest, leaves):
    proof, index, size = honest["proof"], honest["index"], honest["size"]
    yield "trailing-garbage", lie(honest, "One hash too many at the end.", proof=[*proof, leaf(b"garbage")])
    yield "trailing-root", lie(honest, "The root itself as one hash too many.", proof=[*proof, honest["root"]])
    yield "leading-garbage", lie(honest, "One hash too many at the start.", proof=[leaf(b"garbage"), *proof])
    yield "missing-first-hash", lie(honest, "The first hash is missing.", proof=proof[1:])
    yield "missing-last-hash", lie(honest, "The last hash is missing.", proof=proof[:-1])
    yield "empty-proof", lie(honest, "No hash at all.", proof=[])
    yield "swapped-hashes", lie(honest, "The first two hashes in each other's place.", proof=[proof[1], proof[0], *proof[2:]])
    yield "flipped-bit-in-proof", lie(honest, "One bit of the last hash.", proof=[*proof[:-1], flip(proof[-1], 31)])
    yield "flipped-bit-in-leaf", lie(honest, "One bit of the leaf hash.", leafHash=flip(honest["leafHash"]))
    yield "flipped-bit-in-root", lie(honest, "One bit of the root.", root=flip(honest["root"], 31))
    yield "wrong-leaf", lie(honest, "Another leaf of the same tree.", leafHash=leaves[index + 1])
    yield "wrong-index", lie(honest, "The neighbour's index.", index=index + 1)
    yield "index-at-size", lie(honest, "The first index that does not exist.", index=size)
    yield "index-beyond-size", lie(honest, "An index whose low bits are the honest ones.", index=index + 8)
    yield "wrong-size", lie(honest, "A size whose tree is one level lower.", size=4)
    yield "size-zero", lie(honest, "No leaves, yet a root.", size=0)
    yield "wrong-root", lie(honest, "The root of the tree with one leaf less.", root=mth(leaves[:-1]))
    yield "node-as-leaf", lie(
        honest, "An inner node offered as a leaf, in a tree half as high: only the prefixes 0x00 and 0x01 tell them apart, "
        "and those are inside the hash, so the size must.", leafHash=mth(leaves[2:4]), index=1, proof=proof[1:])
    yield "unprefixed-leaf", lie(honest, "The entry hashed without the prefix 0x00.",
                                 leafHash=hashlib.sha256(b"entry %d" % index).digest())
    larger = tree(15)
    yield "end-of-a-larger-tree", lie(
        honest, "Leaf 10 of 15 as leaf 2 of 7: the last 7 of the 15 make a tree of 7, whose root is one step below this root.",
        leafHash=larger[10], proof=path(10, larger), root=mth(larger))
    yield "wrong-size-that-fits", lie(
        honest, "Not a lie that a proof can show: at sizes 7 and 8 the path of leaf 2 looks the same. The size must come from "
        "elsewhere: the signed checkpoint, the contract's record.", want="accept", size=8)


def consistency():
    """Yields (growth, lie, vector)."""
    growths = [(1, 2), (1, 3), (2, 3), (3, 4), (4, 7), (6, 7), (6, 8), (7, 8), (8, 9), (255, 257), (256, 300)]
    for size1, size2 in growths:
        leaves = tree(size2)
        honest = {
            "about": f"A tree of {size1} grows to {size2}.",
            "want": "accept",
            "size1": size1,
            "size2": size2,
            "root1": mth(leaves[:size1]),
            "root2": mth(leaves),
            "proof": subproof(size1, leaves, True),
        }
        yield f"{size1}-to-{size2}", "honest", honest
        if (size1, size2) == (6, 8):
            yield from ((f"{size1}-to-{size2}", name, vector) for name, vector in consistency_lies(honest, leaves))
        if (size1, size2) == (7, 8):
            yield "7-to-8", "second-size-less", lie(
                honest, "A log that shrinks: at the sizes 7 and 6 the steps would go the same way as at 7 and 8.", size2=6)
        if (size1, size2) == (4, 7):
            extra = [honest["root1"], *honest["proof"]]
            yield "4-to-7", "first-root-in-proof", lie(
                honest, "The first size is a power of two, so its root is left out of the proof; here it is not.", proof=extra)
            yield "4-to-7", "empty-proof", lie(honest, "No hash at all.", proof=[])
            yield "4-to-7", "wrong-size-that-fits", lie(
                honest, "Not a lie that a proof can show: from 4 to 5, 6, 7 or 8 the proof is one hash. The size must come from "
                "elsewhere: the signed checkpoint.", want="accept", size2=8)
    yield from (("edges", name, vector) for name, vector in consistency_edges())


def consistency_lies(honest, leaves):
    proof = honest["proof"]
    forged = [*leaves[:3], leaf(b"forged"), *leaves[4:]]
    dropped = [*leaves[:2], *leaves[3:]]
    garbage = leaf(b"garbage")
    yield "trailing-garbage", lie(honest, "One hash too many at the end.", proof=[*proof, garbage])
    yield "trailing-second-root", lie(honest, "The second root as one hash too many.", proof=[*proof, honest["root2"]])
    yield "leading-garbage", lie(honest, "One hash too many at the start.", proof=[garbage, *proof])
    yield "missing-first-hash", lie(honest, "The first hash is missing.", proof=proof[1:])
    yield "missing-last-hash", lie(honest, "The last hash is missing.", proof=proof[:-1])
    yield "empty-proof", lie(honest, "No hash at all.", proof=[])
    yield "swapped-hashes", lie(honest, "The last two hashes in each other's place.", proof=[*proof[:-2], proof[-1], proof[-2]])
    yield "flipped-bit-in-proof", lie(honest, "One bit of the first hash.", proof=[flip(proof[0]), *proof[1:]])
    yield "flipped-bit-in-first-root", lie(honest, "One bit of the first root.", root1=flip(honest["root1"], 31))
    yield "flipped-bit-in-second-root", lie(honest, "One bit of the second root.", root2=flip(honest["root2"]))
    yield "wrong-first-size", lie(honest, "One entry less than there was.", size1=5)
    yield "wrong-size", lie(honest, "A second size of one level more.", size2=9)
    yield "sizes-swapped", lie(honest, "A log that shrinks.", size1=8, size2=6)
    yield "log-swapped", lie(honest, "A log that shrinks, with its roots.", size1=8, size2=6,
                             root1=honest["root2"], root2=honest["root1"])
    yield "first-size-zero", lie(honest, "A log that claims to have been empty, with a root that is not.", size1=0)
    yield "edited-entry", lie(honest, "An old entry was edited; the proof is honest for the edited tree.",
                              root2=mth(forged), proof=subproof(6, forged, True))
    yield "deleted-entry", lie(honest, "An old entry was deleted, and another one appended.",
                               root2=mth([*dropped, leaf(b"entry 8")]), proof=subproof(6, [*dropped, leaf(b"entry 8")], True))
    larger = tree(16)
    yield "end-of-larger-trees", lie(
        honest, "14 grows to 16, said to be 6 and 8: behind the first 8, these make trees of 6 and 8, one step below these roots.",
        root1=mth(larger[:14]), root2=mth(larger), proof=subproof(14, larger, True))
    yield "first-root-twice", lie(honest, "The second root is the first one.", root2=honest["root1"])


def consistency_edges():
    one, seven = mth(tree(1)), mth(tree(7))
    same = {"about": "A tree is consistent with itself.", "want": "accept", "size1": 7, "size2": 7, "root1": seven,
            "root2": seven, "proof": []}
    yield "same-tree", same
    yield "same-size-other-root", lie(same, "A fork: the same size, another root.", root2=flip(seven))
    yield "same-tree-with-proof", lie(same, "One hash, where the proof is empty.", proof=[seven])
    empty = {"about": "The empty tree is a prefix of every tree.", "want": "accept", "size1": 0, "size2": 7,
             "root1": EMPTY_ROOT, "root2": seven, "proof": []}
    yield "from-empty", empty
    yield "from-empty-with-proof", lie(empty, "One hash, where the proof is empty.", proof=[seven])
    yield "from-empty-with-other-root", lie(empty, "Size 0 with a root that is not the empty one.", root1=one)
    both = lie(empty, "The empty tree is consistent with itself.", want="accept", size2=0, root2=EMPTY_ROOT)
    yield "both-empty", both
    yield "both-empty-with-other-root", lie(both, "Twice size 0 with the same root, which is not the empty one.", root1=one, root2=one)


# Signed readings (docs/spec/signed-reading.md): Ed25519 as RFC 8032, section 6, has it, for signing only.


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2
    return ((x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P)


def times(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def base():
    y = 4 * pow(5, P - 2, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT % P
    return (x if x % 2 == 0 else P - x, y)


def compress(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def expand(secret):
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & ((1 << 254) - 8) | 1 << 254, digest[32:]


def public(secret):
    return compress(times(expand(secret)[0], base()))


def ed25519(secret, message):
    scalar, prefix = expand(secret)
    key = public(secret)
    nonce = number(prefix, message) % L
    point = compress(times(nonce, base()))
    s = (nonce + number(point, key, message) * scalar) % L
    return point + s.to_bytes(32, "little")


def canonical(value):
    """RFC 8785, of what is used here: ASCII names, integers, no control characters."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def message(reading):
    return b"anomaly-ledger/reading/v1\n" + canonical(reading)


def signed():
    """Yields (name, file)."""
    secret = hashlib.sha256(b"a device of the vectors").digest()
    readings = [
        {"device": "weather-1", "metrics": [{"metric": "temperature", "value": "21.5"}], "sequence": 17,
         "time": "2026-11-20T08:00:00.000Z"},
        {"device": "weather-1", "metrics": [{"metric": "humidity", "value": "40"}, {"metric": "pressure", "value": "1013.2"},
         {"metric": "temperature", "value": "-0.001"}], "sequence": 0, "time": "2000-01-01T00:00:00.001Z"},
        {"device": "Bett \u201e7\u201c / 1", "metrics": [{"metric": "a", "value": "1e+21"}, {"metric": "\u00e4", "value": "5e-7"}],
         "sequence": 2**53 - 1, "time": "2026-12-31T23:59:59.999Z"},
    ]
    cases = []
    for reading in readings:
        text = message(reading)
        cases.append({"reading": reading, "message": text.decode(), "key": public(secret).hex(),
                      "signature": ed25519(secret, text).hex()})
    honest = cases[0]
    signature = bytes.fromhex(honest["signature"])
    other = hashlib.sha256(b"another device of the vectors").digest()

    def about(reading):
        return {**honest, "reading": {**honest["reading"], **reading}, "message": message({**honest["reading"], **reading}).decode()}

    # Points of order 1, 2, 4 and 8 in canonical form, and spellings of points with y of p and above.
    eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    small = {"1": (1).to_bytes(32, "little"), "2": (P - 1).to_bytes(32, "little"), "4": bytes(32), "8": bytes.fromhex(eight)}
    zero = bytes(32)
    reject = {
        "value-changed": about({"metrics": [{"metric": "temperature", "value": "22.5"}]}),
        "metric-changed": about({"metrics": [{"metric": "temperatur", "value": "21.5"}]}),
        "metric-added": about({"metrics": [{"metric": "a", "value": "0"}, {"metric": "temperature", "value": "21.5"}]}),
        "time-changed": about({"time": "2026-11-20T08:00:00.001Z"}),
        "device-changed": about({"device": "weather-2"}),
        "sequence-changed": about({"sequence": 18}),
        "other-key": {**honest, "key": public(other).hex()},
        "signed-by-another": {**honest, "signature": ed25519(other, honest["message"].encode()).hex()},
        "signature-of-another-reading": {**honest, "signature": cases[1]["signature"]},
        "signed-without-context": {**honest, "signature": ed25519(secret, canonical(readings[0])).hex()},
        "s-not-reduced": {**honest, "signature": (signature[:32] + (int.from_bytes(signature[32:], "little") + L).to_bytes(32, "little")).hex()},
        "r-flipped": {**honest, "signature": flip(signature).hex()},
        "s-flipped": {**honest, "signature": flip(signature, 32).hex()},
        "all-zero": {**honest, "signature": bytes(64).hex()},
        # With a key of order 1, R = B and S = 1 satisfy the equation for every message.
        **{f"key-of-order-{order}": {**honest, "key": key.hex(), "signature": (compress(base()) + (1).to_bytes(32, "little")).hex()}
           for order, key in small.items()},
        "r-of-small-order": {**honest, "signature": (small["1"] + zero).hex()},
        "key-with-y-of-p": {**honest, "key": P.to_bytes(32, "little").hex()},
        "key-with-y-above-p": {**honest, "key": (P + 3).to_bytes(32, "little").hex()},
        "key-off-the-curve": {**honest, "key": (2).to_bytes(32, "little").hex()},
    }
    yield "readings", {"accept": cases, "reject": reject}
    yield "payload", signed_payload(secret)


def signed_payload(secret):
    """The example of docs/spec/entry.md that explains itself (entry/explained.json), signed by its device."""
    explained = json.loads((HERE / "entry" / "explained.json").read_text(encoding="utf-8"))
    payload, entry, salt = json.loads(explained["payload"]), json.loads(explained["entry"]), explained["salt"]
    metrics = [{"metric": value["metric"], "value": value["value"]} for value in payload["values"]]
    text = message({"device": payload["device"], "metrics": metrics, "sequence": payload["sequence"], "time": payload["time"]})
    by = {"key": public(secret).hex(), "signature": ed25519(secret, text).hex()}
    payload["signed"] = by
    committed = hashlib.sha256(bytes.fromhex(salt) + canonical(payload)).hexdigest()
    entry["commitment"] = committed
    less = {name: value for name, value in payload.items() if name != "sequence"}
    reject = {
        "signed-null": {**payload, "signed": None},
        "without-key": {**payload, "signed": {"signature": by["signature"]}},
        "without-signature": {**payload, "signed": {"key": by["key"]}},
        "in-upper-case": {**payload, "signed": {**by, "key": by["key"].upper()}},
        "too-short": {**payload, "signed": {**by, "signature": by["signature"][2:]}},
        "in-base64": {**payload, "signed": {**by, "signature": "A" * 86 + "=="}},
        "with-algorithm": {**payload, "signed": {**by, "algorithm": "ed25519"}},
        "without-sequence": less,
        "without-values": {**payload, "values": []},
    }
    return {
        "entry": canonical(entry).decode(),
        "payload": canonical(payload).decode(),
        "salt": salt,
        "commitment": committed,
        "leaf_hash": leaf(canonical(entry)).hex(),
        "reject": {name: canonical(value).decode() for name, value in reject.items()},
    }


# The files.


def encode(value):
    """Hashes as 0x and 64 lower-case digits; numbers as numbers (all below 2^53)."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [encode(item) for item in value]
    return value


def files():
    made = {}
    for kind, vectors in (("inclusion", inclusion()), ("consistency", consistency())):
        for group, name, vector in vectors:
            file = HERE / kind / group / f"{name}.json"
            assert file not in made, file
            text = json.dumps({key: encode(value) for key, value in vector.items()}, indent=2)
            made[file] = text + "\n"
    for name, file in signed():
        made[HERE / "signed" / f"{name}.json"] = json.dumps(file, indent=2) + "\n"
    return made


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stdout if arguments == ["--help"] else sys.stderr)
        return 0 if arguments == ["--help"] else 2
    made = files()
    found = {file for kind in ("inclusion", "consistency") for file in (HERE / kind).glob("*/*.json")}
    found |= set((HERE / "signed").glob("*.json"))
    wrong = sorted(file for file in made.keys() | found
                   if file not in found or file not in made or file.read_text(encoding="utf-8") != made[file])
    if arguments == ["--check"]:
        for file in wrong:
            print(f"not as generated: {file.relative_to(HERE)}", file=sys.stderr)
        return 1 if wrong else 0
    for file in wrong:
        if file not in made:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made[file], encoding="utf-8")
    print(f"{len(made)} vectors, {len(wrong)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
