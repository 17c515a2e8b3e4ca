// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Rfc9162} from "../../src/Rfc9162.sol";

/// @notice The library from outside: its proofs are calldata, which a test can only give by a call.
contract Rfc9162Harness {
    function verifyInclusion(bytes32 leafHash, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        external
        view
        returns (bool)
    {
        return Rfc9162.verifyInclusion(leafHash, index, size, proof, root);
    }

    function verifyConsistency(
        uint256 firstSize,
        bytes32 firstRoot,
        uint256 secondSize,
        bytes32 secondRoot,
        bytes32[] calldata proof
    ) external view returns (bool) {
        return Rfc9162.verifyConsistency(firstSize, firstRoot, secondSize, secondRoot, proof);
    }
}
