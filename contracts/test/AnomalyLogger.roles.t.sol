// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {IAnomalyLogger} from "../src/interfaces/IAnomalyLogger.sol";
import {Base} from "./Base.t.sol";
import {Vm, vm} from "./utils/Vm.sol";

/// @notice The cases of AnomalyLogger.tree that are about beginnings and about who may do what, in its order.
contract AnomalyLoggerRolesTest is Base {
    address private constant CANDIDATE = address(0xCA4D);

    AnomalyLogger private logger;
    bytes32[] private none;

    function setUp() external {
        logger = newLogger();
    }

    // constructor

    function test_Constructor_RevertWhen_OwnerIsZero() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.InvalidOwner.selector, address(0)));
        new AnomalyLogger(LOG_ID, address(0), ANCHORER, address(0), 0, EMPTY_ROOT);
    }

    function test_Constructor_RevertWhen_AnchorerIsZero() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.InvalidAnchorer.selector, address(0)));
        new AnomalyLogger(LOG_ID, OWNER, address(0), address(0), 0, EMPTY_ROOT);
    }

    function test_Constructor_RevertWhen_AnchorerIsOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.InvalidAnchorer.selector, OWNER));
        new AnomalyLogger(LOG_ID, OWNER, OWNER, address(0), 0, EMPTY_ROOT);
    }

    function test_Constructor_RevertGiven_NoPredecessor_SizeNotZero() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.GenesisNotEmpty.selector, EMPTY_ROOT, 1));
        new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(0), 1, EMPTY_ROOT);
    }

    function test_Constructor_RevertGiven_NoPredecessor_RootNotEmpty() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.GenesisNotEmpty.selector, bytes32(0), 0));
        new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(0), 0, bytes32(0));
    }

    function test_Constructor_GivenNoPredecessor() external {
        vm.recordLogs();
        logger = newLogger();

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1, "events");
        assertEq(logs[0].topics[0], IAnomalyLogger.AnchorerChanged.selector, "event");
        assertEq(uint256(logs[0].topics[1]), 0, "previous anchorer");
        assertEq(uint256(logs[0].topics[2]), uint160(ANCHORER), "current anchorer");

        assertEq(logger.logId(), LOG_ID, "logId");
        assertEq(logger.owner(), OWNER, "owner");
        assertEq(logger.predecessor(), address(0), "predecessor");
        assertEq(logger.anchorer(), ANCHORER, "anchorer");
        assertEq(logger.candidate(), address(0), "candidate");
        assertHead(logger, EMPTY_ROOT, 0);
        assertRecord(logger, EMPTY_ROOT, [uint64(0), 0, 0, 0]);
    }

    function test_Constructor_RevertGiven_Predecessor_WithoutCode() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.PredecessorWithoutCode.selector, STRANGER));
        new AnomalyLogger(LOG_ID, OWNER, ANCHORER, STRANGER, 0, EMPTY_ROOT);
    }

    function test_Constructor_RevertGiven_Predecessor_OfAnotherLog() external {
        bytes32 other = "another log";
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.PredecessorOfOtherLog.selector, other, LOG_ID));
        new AnomalyLogger(other, OWNER, ANCHORER, address(logger), 0, EMPTY_ROOT);
    }

    function test_Constructor_RevertGiven_Predecessor_WithAnotherRoot() external {
        bytes32 root = "root";
        bytes32 other = "another root";
        anchorAs(ANCHORER, logger, root, 7, none);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.PredecessorHeadMismatch.selector, root, 7, other, 7));
        new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(logger), 7, other);
    }

    function test_Constructor_RevertGiven_Predecessor_WithAnotherSize() external {
        bytes32 root = "root";
        anchorAs(ANCHORER, logger, root, 7, none);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.PredecessorHeadMismatch.selector, root, 7, root, 8));
        new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(logger), 8, root);
    }

    /// @dev Also where a stolen key has anchored what the operator would rather leave out.
    function test_Constructor_RevertGiven_Predecessor_AtAnOlderRecord() external {
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = "a thief's entries";
        bytes32 root = "root";
        bytes32 thiefs = sha256(abi.encodePacked(bytes1(0x01), root, proof[0]));
        anchorAs(ANCHORER, logger, root, 4, none);
        anchorAs(ANCHORER, logger, thiefs, 8, proof);
        vm.prank(OWNER);
        logger.removeAnchorer();

        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.PredecessorHeadMismatch.selector, thiefs, 8, root, 4));
        new AnomalyLogger(LOG_ID, OWNER, ANCHORER, address(logger), 4, root);
        assertHead(successorOf(logger), thiefs, 8);
    }

    function test_Constructor_GivenPredecessor_Empty() external {
        AnomalyLogger successor = successorOf(logger);
        assertEq(successor.predecessor(), address(logger), "predecessor");
        assertHead(successor, EMPTY_ROOT, 0);
        assertRecord(successor, EMPTY_ROOT, [uint64(0), 0, 0, 0]);
    }

    function test_Constructor_GivenPredecessor_NotEmpty() external {
        // A growth by one whole tree of the same size: its proof is the root of what was added.
        bytes32 first = "root of four";
        bytes32 added = "root of four more";
        bytes32 second = sha256(abi.encodePacked(bytes1(0x01), first, added));
        anchorAs(ANCHORER, logger, first, 4, none);
        vm.warp(block.timestamp + 1000);
        vm.roll(block.number + 10);

        vm.recordLogs();
        AnomalyLogger successor = successorOf(logger);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2, "events");
        assertEq(logs[1].topics[0], IAnomalyLogger.Anchored.selector, "event");
        assertEq(logs[1].topics[1], first, "anchored root");
        assertEq(uint256(logs[1].topics[2]), 4, "anchored size");
        assertEq(bytes32(logs[1].data), 0, "sequence");

        assertHead(successor, first, 4);
        assertRecord(successor, first, [uint64(4), 0, uint64(block.timestamp), uint64(block.number)]);

        bytes32[] memory proof = new bytes32[](1);
        proof[0] = added;
        assertEq(anchorAs(ANCHORER, successor, second, 8, proof), 1, "sequence");
    }

    // proposeAnchorer

    function test_ProposeAnchorer_RevertWhen_CallerIsNotOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotOwner.selector, ANCHORER));
        vm.prank(ANCHORER);
        logger.proposeAnchorer(CANDIDATE);
    }

    function test_ProposeAnchorer_RevertWhen_CandidateIsOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.InvalidAnchorer.selector, OWNER));
        propose(OWNER);
    }

    function test_ProposeAnchorer() external {
        vm.expectEmit(address(logger));
        emit IAnomalyLogger.AnchorerProposed(CANDIDATE);
        propose(CANDIDATE);

        assertEq(logger.candidate(), CANDIDATE, "candidate");
        assertEq(logger.anchorer(), ANCHORER, "anchorer");
    }

    function test_ProposeAnchorer_WhenZero() external {
        propose(CANDIDATE);
        propose(address(0));
        assertEq(logger.candidate(), address(0), "candidate");

        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotCandidate.selector, CANDIDATE));
        accept(CANDIDATE);
    }

    // acceptAnchorer

    function test_AcceptAnchorer_RevertWhen_NobodyWasProposed() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotCandidate.selector, CANDIDATE));
        accept(CANDIDATE);
    }

    function test_AcceptAnchorer_RevertWhen_CallerIsNotCandidate() external {
        propose(CANDIDATE);
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotCandidate.selector, OWNER));
        accept(OWNER);
    }

    function test_AcceptAnchorer() external {
        propose(CANDIDATE);

        vm.expectEmit(address(logger));
        emit IAnomalyLogger.AnchorerChanged(ANCHORER, CANDIDATE);
        accept(CANDIDATE);

        assertEq(logger.anchorer(), CANDIDATE, "anchorer");
        assertEq(logger.candidate(), address(0), "candidate");
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotAnchorer.selector, ANCHORER));
        anchorAs(ANCHORER, logger, "root", 7, none);
        assertEq(anchorAs(CANDIDATE, logger, "root", 7, none), 1, "sequence");
    }

    // removeAnchorer

    function test_RemoveAnchorer_RevertWhen_CallerIsNotOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotOwner.selector, ANCHORER));
        vm.prank(ANCHORER);
        logger.removeAnchorer();
    }

    function test_RemoveAnchorer() external {
        propose(CANDIDATE);

        vm.expectEmit(address(logger));
        emit IAnomalyLogger.AnchorerChanged(ANCHORER, address(0));
        vm.prank(OWNER);
        logger.removeAnchorer();

        assertEq(logger.anchorer(), address(0), "anchorer");
        vm.expectRevert(abi.encodeWithSelector(IAnomalyLogger.NotAnchorer.selector, ANCHORER));
        anchorAs(ANCHORER, logger, "root", 7, none);

        accept(CANDIDATE);
        assertEq(anchorAs(CANDIDATE, logger, "root", 7, none), 1, "sequence");
    }

    function propose(address candidate) private {
        vm.prank(OWNER);
        logger.proposeAnchorer(candidate);
    }

    function accept(address caller) private {
        vm.prank(caller);
        logger.acceptAnchorer();
    }
}
