// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../../src/AnomalyLogger.sol";
import {Base} from "../Base.t.sol";
import {ReferenceTree} from "../utils/ReferenceTree.sol";
import {Handler} from "./Handler.sol";

/// @notice The invariants of README.md, in its order. The handler refuses to go on where a single answer is wrong; here is
/// what must hold of the whole.
contract AnomalyLoggerInvariantTest is Base {
    Handler private handler;

    function setUp() external {
        handler = new Handler();
    }

    /// @dev forge asks for this by name, and calls nothing else: not the logs past the handler's account.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// 1.
    function invariant_SizeStrictlyGrows() external view {
        Handler.Anchored memory before;
        for (uint256 i = 0; i < handler.anchoredCount(); i++) {
            Handler.Anchored memory entry = anchored(i);
            if (entry.sequence == 0) {
                assertEq(entry.size, before.size, "size at which a successor starts");
            } else {
                assertTrue(entry.size > before.size, "the size did not grow");
                uint64 previous = address(entry.logger) == address(before.logger) ? before.sequence : 0;
                assertEq(entry.sequence, previous + 1, "sequence");
            }
            before = entry;
        }
        if (before.size != 0) assertHead(handler.logger(), before.root, before.size);
        else assertHead(handler.logger(), EMPTY_ROOT, 0);
    }

    /// 3. That nobody else could is the handler's `mustNotAnchor`.
    function invariant_OwnerIsNeverTheAnchorer() external view {
        AnomalyLogger logger = handler.logger();
        assertEq(logger.anchorer(), handler.anchorer(), "anchorer");
        assertTrue(logger.anchorer() != logger.owner(), "the owner may anchor");
    }

    /// 4. That a replay is answered rightly is the handler's `replay`.
    function invariant_RecordsNeverChange() external view {
        for (uint256 i = 0; i < handler.anchoredCount(); i++) {
            Handler.Anchored memory entry = anchored(i);
            assertRecord(entry.logger, entry.root, [entry.size, entry.sequence, entry.time, entry.blockNumber]);
        }
    }

    /// 5.
    function invariant_SuccessorsStartAtTheirPredecessorsHead() external view {
        for (uint256 i = 1; i < handler.loggerCount(); i++) {
            AnomalyLogger successor = handler.loggers(i);
            AnomalyLogger predecessor = handler.loggers(i - 1);
            assertEq(successor.predecessor(), address(predecessor), "predecessor");
            assertEq(successor.logId(), predecessor.logId(), "log");
            (bytes32 root, uint64 size) = predecessor.head();
            (uint64 recorded, uint64 sequence,,) = successor.record(root);
            assertEq(recorded, size, "size at which the successor starts");
            assertEq(sequence, 0, "sequence at which the successor starts");
        }
    }

    /// 2. Once for each run, since the naive trees are slow: all recorded roots are roots of prefixes of one history.
    function afterInvariant() external view {
        bytes32[] memory leaves = handler.allLeaves();
        for (uint256 i = 0; i < handler.anchoredCount(); i++) {
            Handler.Anchored memory entry = anchored(i);
            assertEq(entry.root, ReferenceTree.root(leaves, entry.size), "a recorded root is not one of the history");
        }
    }

    function anchored(uint256 i) private view returns (Handler.Anchored memory entry) {
        (entry.logger, entry.root, entry.size, entry.sequence, entry.time, entry.blockNumber) = handler.history(i);
    }
}
