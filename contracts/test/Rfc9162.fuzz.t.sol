// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Rfc9162} from "../src/Rfc9162.sol";
import {Base} from "./Base.t.sol";
import {ReferenceTree} from "./utils/ReferenceTree.sol";
import {Rfc9162Harness} from "./utils/Rfc9162Harness.sol";
import {SyntheticTree} from "./utils/SyntheticTree.sol";

/// @notice The verifiers against the recursive definitions: honest proofs are accepted, changed ones are not.
contract Rfc9162FuzzTest is Base {
    uint256 private constant LARGEST = 300;

    struct Inclusion {
        bytes32 leafHash;
        uint256 index;
        uint256 size;
        bytes32[] proof;
        bytes32 root;
    }

    struct Consistency {
        uint256 first;
        bytes32 firstRoot;
        uint256 second;
        bytes32 secondRoot;
        bytes32[] proof;
    }

    Rfc9162Harness private verifier = new Rfc9162Harness();

    function test_EmptyRootIsTheHashOfNothing() external pure {
        assertEq(Rfc9162.EMPTY_ROOT, sha256(""), "the empty root");
    }

    // All small trees, without exception.

    function test_Inclusion_EveryIndexOfEverySizeUpTo33() external view {
        for (uint256 size = 1; size <= 33; size++) {
            for (uint256 index = 0; index < size; index++) {
                assertTrue(accepts(honestInclusion(0, index, size)), "an honest inclusion was refused");
            }
        }
    }

    function test_Consistency_EveryPairOfSizesUpTo33() external view {
        for (uint256 second = 0; second <= 33; second++) {
            for (uint256 first = 0; first <= second; first++) {
                assertTrue(accepts(honestConsistency(0, first, second)), "an honest growth was refused");
            }
        }
    }

    // Inclusion.

    function testFuzz_Inclusion_AcceptsTheHonest(uint256 seed, uint256 index, uint256 size) external view {
        assertTrue(accepts(randomInclusion(seed, index, size)), "an honest inclusion was refused");
    }

    function testFuzz_Inclusion_RefusesAFlippedBit(uint256 seed, uint256 index, uint256 size, uint256 where, uint8 bit)
        external
        view
    {
        Inclusion memory c = randomInclusion(seed, index, size);
        where = bound(where, 0, c.proof.length + 1);
        if (where < c.proof.length) c.proof[where] = flip(c.proof[where], bit);
        else if (where == c.proof.length) c.leafHash = flip(c.leafHash, bit);
        else c.root = flip(c.root, bit);
        assertTrue(!accepts(c), "a flipped bit was accepted");
    }

    function testFuzz_Inclusion_RefusesAnExtraHash(
        uint256 seed,
        uint256 index,
        uint256 size,
        uint256 place,
        bytes32 extra
    ) external view {
        Inclusion memory c = randomInclusion(seed, index, size);
        c.proof = insert(c.proof, bound(place, 0, c.proof.length), extra);
        assertTrue(!accepts(c), "an extra hash was accepted");
    }

    function testFuzz_Inclusion_RefusesAMissingHash(uint256 seed, uint256 index, uint256 size, uint256 place)
        external
        view
    {
        Inclusion memory c = randomInclusion(seed, index, bound(size, 2, LARGEST));
        c.proof = remove(c.proof, bound(place, 0, c.proof.length - 1));
        assertTrue(!accepts(c), "a missing hash was accepted");
    }

    function testFuzz_Inclusion_RefusesAnotherIndex(uint256 seed, uint256 index, uint256 size, uint256 other)
        external
        view
    {
        Inclusion memory c = randomInclusion(seed, index, size);
        if (other == c.index) other++;
        c.index = other;
        assertTrue(!accepts(c), "another index was accepted");
    }

    /// @dev A proof carries no size: one that asks for a proof of the same shape fits. Any other is refused.
    function testFuzz_Inclusion_RefusesASizeOfAnotherShape(uint256 seed, uint256 index, uint256 size, uint256 other)
        external
        view
    {
        Inclusion memory c = randomInclusion(seed, index, size);
        c.size = bound(other, 0, LARGEST);
        bool sameLength = c.index < c.size
            && ReferenceTree.inclusion(randomLeaves(seed, c.size), c.index, c.size).length == c.proof.length;
        if (!sameLength) assertTrue(!accepts(c), "a size of another shape was accepted");
    }

    // Consistency.

    function testFuzz_Consistency_AcceptsTheHonest(uint256 seed, uint256 first, uint256 second) external view {
        assertTrue(accepts(randomConsistency(seed, first, second)), "an honest growth was refused");
    }

    function testFuzz_Consistency_AcceptsTheHonestAtAnySize(bytes32 seed, uint64 first, uint64 second) external view {
        if (first > second) (first, second) = (second, first);
        if (first == 0) first = 1;
        if (second < first) second = first;
        SyntheticTree.Growth memory growth = SyntheticTree.grow(seed, first, second);
        Consistency memory c = Consistency(first, growth.firstRoot, second, growth.secondRoot, growth.proof);
        assertTrue(accepts(c), "an honest growth was refused");
    }

    function testFuzz_Consistency_RefusesAFlippedBit(
        uint256 seed,
        uint256 first,
        uint256 second,
        uint256 where,
        uint8 bit
    ) external view {
        Consistency memory c = randomConsistency(seed, first, second);
        where = bound(where, 0, c.proof.length + 1);
        if (where < c.proof.length) c.proof[where] = flip(c.proof[where], bit);
        else if (where == c.proof.length) c.firstRoot = flip(c.firstRoot, bit);
        else c.secondRoot = flip(c.secondRoot, bit);
        assertTrue(!accepts(c), "a flipped bit was accepted");
    }

    function testFuzz_Consistency_RefusesAnExtraHash(
        uint256 seed,
        uint256 first,
        uint256 second,
        uint256 place,
        bytes32 extra
    ) external view {
        Consistency memory c = randomConsistency(seed, first, second);
        c.proof = insert(c.proof, bound(place, 0, c.proof.length), extra);
        assertTrue(!accepts(c), "an extra hash was accepted");
    }

    function testFuzz_Consistency_RefusesAMissingHash(uint256 seed, uint256 first, uint256 second, uint256 place)
        external
        view
    {
        second = bound(second, 2, LARGEST);
        Consistency memory c = honestConsistency(seed, bound(first, 1, second - 1), second);
        c.proof = remove(c.proof, bound(place, 0, c.proof.length - 1));
        assertTrue(!accepts(c), "a missing hash was accepted");
    }

    /// @dev As with inclusion: any size that asks for a proof of another length is refused.
    function testFuzz_Consistency_RefusesASizeOfAnotherShape(
        uint256 seed,
        uint256 first,
        uint256 second,
        uint256 other,
        bool changeFirst
    ) external view {
        Consistency memory c = randomConsistency(seed, first, second);
        other = bound(other, 1, LARGEST);
        if (changeFirst) c.first = other;
        else c.second = other;
        bool sameLength = c.first < c.second
            && ReferenceTree.consistency(randomLeaves(seed, c.second), c.first, c.second).length == c.proof.length;
        bool sameTree = c.first == c.second && c.firstRoot == c.secondRoot;
        if (!sameLength && !sameTree) assertTrue(!accepts(c), "a size of another shape was accepted");
    }

    function testFuzz_Consistency_RefusesAnEditedHistory(uint256 seed, uint256 first, uint256 second, uint256 edited)
        external
        view
    {
        Consistency memory c = randomConsistency(seed, first, second);
        bytes32[] memory leaves = randomLeaves(seed, c.second);
        leaves[bound(edited, 0, c.first - 1)] = "forged";
        c.secondRoot = ReferenceTree.root(leaves, c.second);
        c.proof = ReferenceTree.consistency(leaves, c.first, c.second);
        assertTrue(!accepts(c), "an edited history was accepted");
    }

    // What the tests are made of.

    function randomInclusion(uint256 seed, uint256 index, uint256 size) private pure returns (Inclusion memory) {
        size = bound(size, 1, LARGEST);
        return honestInclusion(seed, bound(index, 0, size - 1), size);
    }

    function randomConsistency(uint256 seed, uint256 first, uint256 second) private pure returns (Consistency memory) {
        second = bound(second, 1, LARGEST);
        return honestConsistency(seed, bound(first, 1, second), second);
    }

    function honestInclusion(uint256 seed, uint256 index, uint256 size) private pure returns (Inclusion memory c) {
        bytes32[] memory leaves = randomLeaves(seed, size);
        bytes32[] memory proof = ReferenceTree.inclusion(leaves, index, size);
        return Inclusion(leaves[index], index, size, proof, ReferenceTree.root(leaves, size));
    }

    function honestConsistency(uint256 seed, uint256 first, uint256 second)
        private
        pure
        returns (Consistency memory c)
    {
        bytes32[] memory leaves = randomLeaves(seed, second);
        c.first = first;
        c.firstRoot = ReferenceTree.root(leaves, first);
        c.second = second;
        c.secondRoot = ReferenceTree.root(leaves, second);
        if (first != 0) c.proof = ReferenceTree.consistency(leaves, first, second);
    }

    function randomLeaves(uint256 seed, uint256 count) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) {
            leaves[i] = keccak256(abi.encode(seed, i));
        }
    }

    function accepts(Inclusion memory c) private view returns (bool) {
        return verifier.verifyInclusion(c.leafHash, c.index, c.size, c.proof, c.root);
    }

    function accepts(Consistency memory c) private view returns (bool) {
        return verifier.verifyConsistency(c.first, c.firstRoot, c.second, c.secondRoot, c.proof);
    }

    function flip(bytes32 value, uint8 bit) private pure returns (bytes32) {
        return value ^ bytes32(uint256(1) << bit);
    }

    function insert(bytes32[] memory list, uint256 place, bytes32 value)
        private
        pure
        returns (bytes32[] memory longer)
    {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < longer.length; i++) {
            longer[i] = i == place ? value : list[i < place ? i : i - 1];
        }
    }

    function remove(bytes32[] memory list, uint256 place) private pure returns (bytes32[] memory shorter) {
        shorter = new bytes32[](list.length - 1);
        for (uint256 i = 0; i < shorter.length; i++) {
            shorter[i] = list[i < place ? i : i + 1];
        }
    }
}
