// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ReferenceTree} from "./ReferenceTree.sol";

/// @title SyntheticTree
/// @notice Trees of any size up to 2^64 − 1 and their consistency proofs, in the time of one proof.
/// @dev Any 32 bytes are a legitimate node. So a complete subtree that the proof never looks into (one that lies wholly
/// before or wholly after the smaller size) gets an invented root instead of being built from its leaves. Both sizes cut
/// the tree at the same places, so both roots agree about what was invented.
library SyntheticTree {
    struct Growth {
        bytes32 firstRoot;
        bytes32 secondRoot;
        bytes32[] proof;
    }

    /// @notice A tree that grows from `first` to `second` leaves; `seed` makes one tree differ from another.
    function grow(bytes32 seed, uint256 first, uint256 second) internal pure returns (Growth memory growth) {
        growth.firstRoot = mth(seed, first, 0, first);
        growth.secondRoot = mth(seed, first, 0, second);
        growth.proof = subproof(seed, first, first, 0, second, true);
    }

    /// @dev MTH of the leaves [lo, lo + n), not looking into what lies on one side of `first`.
    function mth(bytes32 seed, uint256 first, uint256 lo, uint256 n) private pure returns (bytes32) {
        bool isPowerOfTwo = n & (n - 1) == 0;
        if (isPowerOfTwo && (lo + n <= first || lo >= first)) return keccak256(abi.encode(seed, lo, n));
        uint256 k = ReferenceTree.split(n);
        return ReferenceTree.node(mth(seed, first, lo, k), mth(seed, first, lo + k, n - k));
    }

    /// @dev SUBPROOF(m, D[lo : lo + n], complete).
    function subproof(bytes32 seed, uint256 first, uint256 m, uint256 lo, uint256 n, bool complete)
        private
        pure
        returns (bytes32[] memory)
    {
        bytes32[] memory none;
        if (m == n) return complete ? none : ReferenceTree.append(none, mth(seed, first, lo, n));
        uint256 k = ReferenceTree.split(n);
        return m <= k
            ? ReferenceTree.append(subproof(seed, first, m, lo, k, complete), mth(seed, first, lo + k, n - k))
            : ReferenceTree.append(subproof(seed, first, m - k, lo + k, n - k, false), mth(seed, first, lo, k));
    }
}
