// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {vm} from "./utils/Vm.sol";

/// @notice What all tests share: the actors, a fresh log, and assertions that say what they saw.
abstract contract Base {
    bytes32 internal constant LOG_ID = keccak256("the log under test");
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;
    address internal constant OWNER = address(0xA11CE);
    address internal constant ANCHORER = address(0xB0B);
    address internal constant STRANGER = address(0xE7E);

    error NotEqual(string what, bytes32 actual, bytes32 expected);
    error NotTrue(string what);

    function newLogger() internal returns (AnomalyLogger) {
        return new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(0), 0, EMPTY_ROOT);
    }

    function successorOf(AnomalyLogger predecessor) internal returns (AnomalyLogger) {
        (bytes32 root, uint64 size) = predecessor.head();
        return new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(predecessor), size, root);
    }

    function anchorAs(address caller, AnomalyLogger logger, bytes32 root, uint64 size, bytes32[] memory proof)
        internal
        returns (uint64)
    {
        vm.prank(caller);
        return logger.anchor(root, size, proof, "");
    }

    /// @notice A log whose head is (`root`, `size`); an empty log takes any first root.
    function newLoggerAt(bytes32 root, uint64 size) internal returns (AnomalyLogger logger) {
        logger = newLogger();
        anchorAs(ANCHORER, logger, root, size, new bytes32[](0));
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function assertEq(bytes32 actual, bytes32 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqual(what, actual, expected);
    }

    function assertEq(uint256 actual, uint256 expected, string memory what) internal pure {
        assertEq(bytes32(actual), bytes32(expected), what);
    }

    function assertEq(address actual, address expected, string memory what) internal pure {
        assertEq(uint160(actual), uint160(expected), what);
    }

    function assertHead(AnomalyLogger logger, bytes32 root, uint64 size) internal view {
        (bytes32 headRoot, uint64 headSize) = logger.head();
        assertEq(headRoot, root, "root of the head");
        assertEq(headSize, size, "size of the head");
    }

    function assertRecord(AnomalyLogger logger, bytes32 root, uint64[4] memory expected) internal view {
        (uint64 size, uint64 sequence, uint64 time, uint64 blockNumber) = logger.record(root);
        assertEq(size, expected[0], "size of the record");
        assertEq(sequence, expected[1], "sequence of the record");
        assertEq(time, expected[2], "time of the record");
        assertEq(blockNumber, expected[3], "block number of the record");
    }

    /// @notice The lowest and the highest value, both included, that `value` is folded into.
    function bound(uint256 value, uint256 lowest, uint256 highest) internal pure returns (uint256) {
        return lowest + value % (highest - lowest + 1);
    }
}
