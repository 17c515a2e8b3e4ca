// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Rfc9162
/// @notice The two verifiers of RFC 9162, and nothing else: no storage, no building of trees or proofs, no entries.
///
/// @dev Both are strict. They answer false, and never revert, for every proof that is not exactly the one the RFC asks
/// for: one hash more or less, an index beyond the size, sizes in the wrong order. The numbers in the comments are those
/// of the RFC's steps, so that line can be held against text.
///
/// Assembly is used where money is (slither asks for a reason: this is it). A proof makes some thirty hashes, and Solidity's `sha256(abi.encodePacked(…))` takes
/// new memory for each. Here the 65 bytes of a hash's input, 0x01 ‖ left ‖ right, have one fixed place beyond the free
/// memory pointer. The running hash lives where `right` is, and each hash is written back there, so that hashing with a
/// left sibling is one store and one call. It is memory-safe: nothing else is written, and nothing there is relied upon
/// later.
///
/// The SHA-256 precompile fails only when its gas runs out, and then its result must not be believed: hence the `and` of
/// `ok` with each call's success.
library Rfc9162 {
    /// @notice The root of the tree without leaves: SHA-256 of nothing (§2.1.1).
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice Whether `leafHash` is the leaf number `index` in the tree of `size` leaves under `root` (§2.1.3.2).
    function verifyInclusion(bytes32 leafHash, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        internal
        view
        returns (bool ok)
    {
        // 1. An index that is not below the size fails. (So does the tree without leaves.)
        if (index >= size) return false;

        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := add(mload(0x40), 0x1f) // so that left and right are whole words
            let left := add(input, 0x01)
            let r := add(input, 0x21) // where r is, which is where `right` is
            mstore8(input, 0x01)

            // 2. and 3.
            let fn := index
            let sn := sub(size, 1)
            mstore(r, leafHash)

            // 4. For each value p of the path:
            ok := 1
            let next := proof.offset
            let end := add(next, shl(5, proof.length))
            for {} lt(next, end) { next := add(next, 0x20) } {
                // 4.a. With sn at 0 the root is reached: this hash is one too many. `next` stays short of `end`.
                if iszero(sn) { break }
                switch or(and(fn, 1), eq(fn, sn))
                case 0 {
                    // 4.b. Otherwise: p is the right sibling, r = HASH(0x01 ‖ r ‖ p).
                    mstore(left, mload(r))
                    mstore(r, calldataload(next))
                    ok := and(ok, staticcall(gas(), 0x02, input, 0x41, r, 0x20))
                }
                default {
                    // 4.b.i. p is the left sibling, r = HASH(0x01 ‖ p ‖ r).
                    mstore(left, calldataload(next))
                    ok := and(ok, staticcall(gas(), 0x02, input, 0x41, r, 0x20))
                    // 4.b.ii. A lone node at the right edge moves up unhashed, until LSB(fn) is set. Here fn is not 0, so
                    // dividing by its lowest set bit is that shift; and fn is sn.
                    if iszero(and(fn, 1)) {
                        fn := div(fn, and(fn, sub(0, fn)))
                        sn := fn
                    }
                }
                // 4.c.
                fn := shr(1, fn)
                sn := shr(1, sn)
            }

            // 5. The whole path was used, the root is reached, and it is the right one.
            ok := and(and(ok, eq(next, end)), and(iszero(sn), eq(mload(r), root)))
        }
    }

    /// @notice Whether the tree of `firstSize` leaves under `firstRoot` is a prefix of the tree of `secondSize` leaves
    /// under `secondRoot` (§2.1.4.2).
    /// @dev The RFC's algorithm is for 0 < first < second. At its edges this holds: the empty tree is a prefix of every
    /// tree, and every tree of itself; both with an empty proof.
    function verifyConsistency(
        uint256 firstSize,
        bytes32 firstRoot,
        uint256 secondSize,
        bytes32 secondRoot,
        bytes32[] calldata proof
    ) internal view returns (bool ok) {
        if (firstSize > secondSize) return false;
        if (firstSize == 0 && firstRoot != EMPTY_ROOT) return false;
        if (firstSize == secondSize) return proof.length == 0 && firstRoot == secondRoot;
        if (firstSize == 0) return proof.length == 0;

        // 1. An empty path fails.
        if (proof.length == 0) return false;

        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let frInput := add(mload(0x40), 0x1f) // so that left and right are whole words
            let fr := add(frInput, 0x21) // where fr is, which is where `right` is
            mstore8(frInput, 0x01)
            let srInput := add(frInput, 0x60)
            let sr := add(srInput, 0x21)
            mstore8(srInput, 0x01)

            let next := proof.offset
            let end := add(next, shl(5, proof.length))

            // 3. (before 2., which needs it)
            let fn := sub(firstSize, 1)
            let sn := sub(secondSize, 1)

            // 2. and 5. Both hashes start at the first value of the path. If the first size is a power of two, that would
            // be the first root, which the path then leaves out.
            let start := firstRoot
            if and(firstSize, fn) {
                start := calldataload(next)
                next := add(next, 0x20)
            }
            mstore(fr, start)
            mstore(sr, start)

            // 4. Right-shift until LSB(fn) is not set. The ones at the end of fn are the zeros at the end of the first
            // size, so dividing by the lowest set bit of the latter is that shift.
            let low := and(firstSize, sub(0, firstSize))
            fn := div(fn, low)
            sn := div(sn, low)

            // 6. For each further value c of the path:
            ok := 1
            for {} lt(next, end) { next := add(next, 0x20) } {
                // 6.a. With sn at 0 the root is reached: this hash is one too many. `next` stays short of `end`.
                if iszero(sn) { break }
                switch or(and(fn, 1), eq(fn, sn))
                case 0 {
                    // 6.b. Otherwise: c is to the right, where only the second tree has leaves; sr = HASH(0x01 ‖ sr ‖ c).
                    mstore(add(srInput, 0x01), mload(sr))
                    mstore(sr, calldataload(next))
                    ok := and(ok, staticcall(gas(), 0x02, srInput, 0x41, sr, 0x20))
                }
                default {
                    let c := calldataload(next)
                    // 6.b.i. fr = HASH(0x01 ‖ c ‖ fr).
                    mstore(add(frInput, 0x01), c)
                    ok := and(ok, staticcall(gas(), 0x02, frInput, 0x41, fr, 0x20))
                    // 6.b.ii. sr = HASH(0x01 ‖ c ‖ sr).
                    mstore(add(srInput, 0x01), c)
                    ok := and(ok, staticcall(gas(), 0x02, srInput, 0x41, sr, 0x20))
                    // 6.b.iii. A lone node at the right edge moves up unhashed, until LSB(fn) is set. Here fn is not 0, so
                    // dividing by its lowest set bit is that shift; and fn is sn.
                    if iszero(and(fn, 1)) {
                        fn := div(fn, and(fn, sub(0, fn)))
                        sn := fn
                    }
                }
                // 6.c.
                fn := shr(1, fn)
                sn := shr(1, sn)
            }

            // 7. The whole path was used, both roots came out, and the second tree's root is reached.
            ok := and(ok, and(eq(next, end), iszero(sn)))
            ok := and(ok, and(eq(mload(fr), firstRoot), eq(mload(sr), secondRoot)))
        }
    }
}
