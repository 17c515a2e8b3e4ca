// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title ReferenceTree
/// @notice The definitions of RFC 6962 §2.1 (the same in RFC 9162 §2.1), written down as they stand: recursive and slow, and
/// sharing no line with the code under test. It builds trees and proofs; it verifies nothing.
/// @dev `lo` and `n` name the leaves D[lo : lo + n].
library ReferenceTree {
    /// @notice MTH(D[n]).
    function root(bytes32[] memory leaves, uint256 n) internal pure returns (bytes32) {
        return n == 0 ? sha256("") : mth(leaves, 0, n);
    }

    /// @notice PATH(m, D[n]).
    function inclusion(bytes32[] memory leaves, uint256 m, uint256 n) internal pure returns (bytes32[] memory) {
        return path(leaves, m, 0, n);
    }

    /// @notice PROOF(m, D[n]) = SUBPROOF(m, D[n], true).
    function consistency(bytes32[] memory leaves, uint256 m, uint256 n) internal pure returns (bytes32[] memory) {
        return subproof(leaves, m, 0, n, true);
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @notice The largest power of two smaller than `n`.
    function split(uint256 n) internal pure returns (uint256 k) {
        for (k = 1; k * 2 < n;) {
            k *= 2;
        }
    }

    function append(bytes32[] memory list, bytes32 last) internal pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; i++) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }

    function mth(bytes32[] memory leaves, uint256 lo, uint256 n) private pure returns (bytes32) {
        if (n == 1) return leaves[lo];
        uint256 k = split(n);
        return node(mth(leaves, lo, k), mth(leaves, lo + k, n - k));
    }

    function path(bytes32[] memory leaves, uint256 m, uint256 lo, uint256 n) private pure returns (bytes32[] memory) {
        if (n == 1) return new bytes32[](0);
        uint256 k = split(n);
        return m < k
            ? append(path(leaves, m, lo, k), mth(leaves, lo + k, n - k))
            : append(path(leaves, m - k, lo + k, n - k), mth(leaves, lo, k));
    }

    function subproof(bytes32[] memory leaves, uint256 m, uint256 lo, uint256 n, bool complete)
        private
        pure
        returns (bytes32[] memory)
    {
        if (m == n) return complete ? new bytes32[](0) : append(new bytes32[](0), mth(leaves, lo, n));
        uint256 k = split(n);
        return m <= k
            ? append(subproof(leaves, m, lo, k, complete), mth(leaves, lo + k, n - k))
            : append(subproof(leaves, m - k, lo + k, n - k, false), mth(leaves, lo, k));
    }
}
