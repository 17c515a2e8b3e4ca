// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {IAnomalyLogger} from "../src/interfaces/IAnomalyLogger.sol";
import {Base} from "./Base.t.sol";
import {ReferenceTree} from "./utils/ReferenceTree.sol";
import {Vm, vm} from "./utils/Vm.sol";

/// @notice The cases of AnomalyLogger.tree that are about anchoring and reading, in its order.
contract AnomalyLoggerTest is Base {
    uint64 private constant TIME = 1_750_000_000;
    uint64 private constant BLOCK = 4_242;

    AnomalyLogger private logger;
    bytes32[] private leaves;
    /// @dev Made beforehand: forge takes a call of the SHA-256 precompile for the call that is expected to revert.
    bytes32[13] private roots;
    bytes32[] private none;

    function setUp() external {
        vm.warp(TIME);
        vm.roll(BLOCK);
        logger = newLogger();
        for (uint256 i = 0; i < 12; i++) {
            leaves.push(sha256(abi.encodePacked(bytes1(0x00), "entry", i)));
            roots[i + 1] = ReferenceTree.root(leaves, i + 1);
        }
    }

    // storage

    function test_Storage_Layout() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        vm.prank(OWNER);
        logger.proposeAnchorer(STRANGER);

        assertEq(slot(0), roots[5], "slot 0: root of the head");
        uint256 word = uint256(5) | uint256(1) << 64 | uint256(TIME) << 128 | uint256(BLOCK) << 192;
        assertEq(vm.load(address(logger), keccak256(abi.encode(roots[5], 1))), bytes32(word), "slot of the record");
        assertEq(slot(1), 0, "slot 1: the mapping itself");
        assertEq(uint256(slot(2)), uint160(ANCHORER), "slot 2: anchorer");
        assertEq(uint256(slot(3)), uint160(STRANGER), "slot 3: candidate");
        assertEq(slot(4), 0, "slot 4: nothing");
    }

    // anchor

    function test_Anchor_RevertWhen_CallerIsStranger() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotAnchorer.selector, STRANGER));
        anchorAs(STRANGER, logger, roots[5], 5, none);
    }

    function test_Anchor_RevertWhen_CallerIsOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotAnchorer.selector, OWNER));
        anchorAs(OWNER, logger, roots[5], 5, none);
    }

    function test_Anchor_RevertWhen_CallerIsCandidate() external {
        vm.prank(OWNER);
        logger.proposeAnchorer(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotAnchorer.selector, STRANGER));
        anchorAs(STRANGER, logger, roots[5], 5, none);
    }

    function test_Anchor_RevertGiven_RecordedWithALessSize() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.SizeContradictsRecord.selector, roots[5], 5, 4));
        anchorAs(ANCHORER, logger, roots[5], 4, none);
    }

    function test_Anchor_RevertGiven_RecordedWithAGreaterSize() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        bytes32[] memory proof = proofFrom(5, 6);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.SizeContradictsRecord.selector, roots[5], 5, 6));
        anchorAs(ANCHORER, logger, roots[5], 6, proof);
    }

    function test_Anchor_GivenRecorded_Head() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        assertReplayChangesNothing(roots[5], 5, 1);
    }

    function test_Anchor_GivenRecorded_Older() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        anchorAs(ANCHORER, logger, roots[12], 12, proofFrom(5, 12));
        assertReplayChangesNothing(roots[5], 5, 1);
        assertReplayChangesNothing(roots[12], 12, 2);
    }

    function test_Anchor_GivenRecorded_GenesisOfSuccessor() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        logger = successorOf(logger);
        assertReplayChangesNothing(roots[5], 5, 0);
    }

    function test_Anchor_RevertGiven_EmptyLog_SizeZero() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.SizeNotGreater.selector, 0, 0));
        anchorAs(ANCHORER, logger, EMPTY_ROOT, 0, none);
    }

    function test_Anchor_RevertGiven_EmptyLog_ProofNotEmpty() external {
        bytes32[] memory proof = proofFrom(4, 5);
        vm.expectRevert(
            abi.encodeWithSelector(IAnomalyLogger.InconsistentWithHead.selector, EMPTY_ROOT, 0, roots[5], 5)
        );
        anchorAs(ANCHORER, logger, roots[5], 5, proof);
    }

    function test_Anchor_GivenEmptyLog() external {
        assertEq(anchorAs(ANCHORER, logger, roots[5], 5, none), 1, "sequence");
        assertHead(logger, roots[5], 5);
        assertRecord(logger, roots[5], [uint64(5), 1, TIME, BLOCK]);
        assertRecord(logger, EMPTY_ROOT, [uint64(0), 0, 0, 0]);
    }

    function test_Anchor_RevertWhen_SizeIsLess() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.SizeNotGreater.selector, 5, 4));
        anchorAs(ANCHORER, logger, roots[4], 4, none);
    }

    function test_Anchor_RevertWhen_SizeIsTheSame() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.SizeNotGreater.selector, 5, 5));
        anchorAs(ANCHORER, logger, "fork of the same size", 5, none);
    }

    function test_Anchor_RevertWhen_ProofIsEmpty() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        refuses(roots[5], roots[12], none);
    }

    function test_Anchor_RevertWhen_ProofHasAHashTooMany() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        refuses(roots[5], roots[12], ReferenceTree.append(proofFrom(5, 12), roots[12]));
    }

    function test_Anchor_RevertWhen_ProofMissesAHash() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        bytes32[] memory proof = proofFrom(5, 12);
        assembly ("memory-safe") {
            mstore(proof, sub(mload(proof), 1))
        }
        refuses(roots[5], roots[12], proof);
    }

    function test_Anchor_RevertWhen_OldEntryWasEdited() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        bytes32 headRoot = roots[5];
        leaves[2] = "edited";
        refuses(headRoot, ReferenceTree.root(leaves, 12), proofFrom(5, 12));
    }

    function test_Anchor_WhenProofHolds() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        vm.warp(TIME + 12);
        vm.roll(BLOCK + 1);
        bytes32[] memory proof = proofFrom(5, 12);

        vm.expectEmit(address(logger));
        emit IAnomalyLogger.Anchored(roots[12], 12, 2);
        assertEq(anchorAs(ANCHORER, logger, roots[12], 12, proof), 2, "sequence");

        assertHead(logger, roots[12], 12);
        assertRecord(logger, roots[12], [12, 2, TIME + 12, BLOCK + 1]);
        assertRecord(logger, roots[5], [uint64(5), 1, TIME, BLOCK]);
    }

    function test_Anchor_WhenProofHolds_NothingPublished() external {
        vm.recordLogs();
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        assertEq(vm.getRecordedLogs().length, 1, "events");
    }

    function test_Anchor_WhenProofHolds_Published() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        bytes32[] memory proof = proofFrom(5, 12);

        vm.recordLogs();
        vm.prank(ANCHORER);
        logger.anchor(roots[12], 12, proof, "salts and payloads");

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2, "events");
        assertEq(logs[0].topics[0], IAnomalyLogger.Anchored.selector, "first event");
        assertEq(logs[1].topics[0], IAnomalyLogger.Published.selector, "second event");
        assertEq(uint256(logs[1].topics[1]), 5, "first index");
        assertEq(keccak256(logs[1].data), keccak256(abi.encode(bytes("salts and payloads"))), "publication");
    }

    // record

    function test_Record_WhenUnknown() external view {
        assertRecord(logger, "unknown", [uint64(0), 0, 0, 0]);
    }

    // verifyInclusion

    function test_VerifyInclusion_RevertWhen_RootIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.RootNotAnchored.selector, roots[5]));
        logger.verifyInclusion(roots[5], leaves[3], 3, none);
    }

    function test_VerifyInclusion_WhenProofHolds() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        anchorAs(ANCHORER, logger, roots[12], 12, proofFrom(5, 12));
        for (uint64 i = 0; i < 12; i++) {
            assertTrue(logger.verifyInclusion(roots[12], leaves[i], i, pathOf(i, 12)), "not in the newest");
            if (i < 5) assertTrue(logger.verifyInclusion(roots[5], leaves[i], i, pathOf(i, 5)), "not in the older");
        }
    }

    function test_VerifyInclusion_WhenIndexIsNotBelowSize() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        assertTrue(!logger.verifyInclusion(roots[5], leaves[4], 5, pathOf(4, 5)), "index 5 of size 5");
        assertTrue(!logger.verifyInclusion(roots[5], leaves[4], type(uint64).max, pathOf(4, 5)), "huge index");
    }

    function test_VerifyInclusion_WhenProofIsForAnotherLeaf() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        assertTrue(!logger.verifyInclusion(roots[5], leaves[2], 3, pathOf(3, 5)), "another leaf");
    }

    function test_VerifyInclusion_WhenProofHasAHashTooMany() external {
        anchorAs(ANCHORER, logger, roots[5], 5, none);
        bytes32[] memory proof = ReferenceTree.append(pathOf(3, 5), roots[5]);
        assertTrue(!logger.verifyInclusion(roots[5], leaves[3], 3, proof), "a hash too many");
    }

    // money

    function test_Money_RevertWhen_EtherIsSent() external {
        (bool plain,) = address(logger).call{value: 1}("");
        assertTrue(!plain, "took ether");
        (bool withCall,) = address(logger).call{value: 1}(abi.encodeCall(AnomalyLogger.acceptAnchorer, ()));
        assertTrue(!withCall, "took ether with a call");
    }

    // What the tests are made of.

    function proofFrom(uint64 first, uint64 second) private view returns (bytes32[] memory) {
        return ReferenceTree.consistency(leaves, first, second);
    }

    function pathOf(uint64 index, uint64 size) private view returns (bytes32[] memory) {
        return ReferenceTree.inclusion(leaves, index, size);
    }

    function slot(uint256 number) private view returns (bytes32) {
        return vm.load(address(logger), bytes32(number));
    }

    /// @dev From the head at size 5 to size 12.
    function refuses(bytes32 headRoot, bytes32 root, bytes32[] memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.InconsistentWithHead.selector, headRoot, 5, root, 12));
        anchorAs(ANCHORER, logger, root, 12, proof);
        assertHead(logger, headRoot, 5);
    }

    /// @dev Garbage as proof and publication, since a replay looks at neither.
    function assertReplayChangesNothing(bytes32 root, uint64 size, uint64 sequence) private {
        (bytes32 headRoot, uint64 headSize) = logger.head();
        vm.warp(block.timestamp + 1000);
        bytes32[] memory garbage = new bytes32[](3);

        vm.recordLogs();
        vm.prank(ANCHORER);
        assertEq(logger.anchor(root, size, garbage, "garbage"), sequence, "sequence of the replay");

        assertEq(vm.getRecordedLogs().length, 0, "events of the replay");
        assertHead(logger, headRoot, headSize);
        assertRecord(logger, root, [size, sequence, TIME, BLOCK]);
    }
}
