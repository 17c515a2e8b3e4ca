// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../../src/AnomalyLogger.sol";
import {Base} from "../Base.t.sol";
import {ReferenceTree} from "../utils/ReferenceTree.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @notice Calls a log, and the successors it deploys, in every way, honest and hostile. It keeps its own account of the
/// history, and reverts (which fails the run) where an answer is not the one it must be.
contract Handler is Base {
    struct Anchored {
        AnomalyLogger logger;
        bytes32 root;
        uint64 size;
        uint64 sequence;
        uint64 time;
        uint64 blockNumber;
    }

    /// @dev Keeps the naive trees affordable.
    uint256 private constant LARGEST_BATCH = 8;

    AnomalyLogger public logger;
    /// @notice Who the handler believes may anchor.
    address public anchorer = ANCHORER;
    /// @notice The true history: hashes of all entries, in order.
    bytes32[] public leaves;
    /// @notice Everything that was accepted, in order, over all contracts.
    Anchored[] public history;
    /// @notice Every contract, the first one first.
    AnomalyLogger[] public loggers;

    bytes32[] private none;

    constructor() {
        logger = newLogger();
        loggers.push(logger);
    }

    modifier nextBlock() {
        vm.warp(block.timestamp + 12);
        vm.roll(block.number + 1);
        _;
    }

    // Honest calls: accepted, provided that there is an anchorer.

    function grow(uint256 count) external nextBlock {
        // Or a removed anchorer would idle most of the run.
        if (anchorer == address(0)) appoint(ANCHORER);
        (bytes32 root, uint64 size, bytes32[] memory proof) = extend(count);
        (, uint64 before, uint64 sequence) = last();

        vm.recordLogs();
        uint64 given = anchorAs(anchorer, logger, root, size, proof);

        assertEq(given, sequence + 1, "sequence of the extension");
        assertTrue(size > before, "the handler did not extend");
        assertEq(vm.getRecordedLogs().length, 1, "events of the extension");
        note(root, size, given);
    }

    function replay(uint256 which) external nextBlock {
        if (anchorer == address(0) || history.length == 0) return;
        Anchored memory old = history[which % history.length];
        if (address(old.logger) != address(logger)) return;

        vm.recordLogs();
        uint64 given = anchorAs(anchorer, logger, old.root, old.size, new bytes32[](which % 4));

        assertEq(given, old.sequence, "sequence of the replay");
        assertEq(vm.getRecordedLogs().length, 0, "events of the replay");
    }

    function replaceAnchorer(uint160 account) external {
        address candidate = address(account);
        if (candidate == address(0) || candidate == OWNER) return;
        appoint(candidate);
    }

    function removeAnchorer() external {
        vm.prank(OWNER);
        logger.removeAnchorer();
        address before = anchorer;
        anchorer = address(0);
        mustNotAnchor(before);
    }

    function succeed() external nextBlock {
        logger = successorOf(logger);
        loggers.push(logger);
        anchorer = ANCHORER;
        (bytes32 root, uint64 size) = logger.head();
        if (size != 0) note(root, size, 0);
    }

    // Hostile calls: refused.

    function appendAs(address caller) external {
        mustNotAnchor(caller);
        mustNotAnchor(OWNER);
    }

    function editHistory(uint256 which, uint256 count) external {
        (, uint64 size,) = last();
        if (anchorer == address(0) || size == 0) return;
        bytes32[] memory forged = future(count);
        forged[which % size] = "forged";
        mustBeRefused(anchorer, ReferenceTree.root(forged, forged.length), uint64(forged.length), proofIn(forged));
    }

    function deleteFromHistory(uint256 which, uint256 count) external {
        (, uint64 size,) = last();
        if (anchorer == address(0) || size == 0) return;
        bytes32[] memory forged = future(count);
        for (uint256 i = which % size; i + 1 < forged.length; i++) {
            forged[i] = forged[i + 1];
        }
        forged[forged.length - 1] = "another";
        mustBeRefused(anchorer, ReferenceTree.root(forged, forged.length), uint64(forged.length), proofIn(forged));
    }

    function shrink(uint64 to) external {
        (, uint64 size,) = last();
        if (anchorer == address(0) || size == 0) return;
        mustBeRefused(anchorer, keccak256(abi.encode("a shorter log", to)), to % size, none);
    }

    function fork() external {
        (, uint64 size,) = last();
        if (anchorer != address(0)) mustBeRefused(anchorer, "another root of the same size", size, none);
    }

    function contradictSize(uint256 which, uint64 size) external {
        if (anchorer == address(0) || history.length == 0) return;
        Anchored memory old = history[which % history.length];
        if (address(old.logger) == address(logger) && old.size != size) mustBeRefused(anchorer, old.root, size, none);
    }

    function anchorGarbage(bytes32 root, uint64 size, bytes32[] calldata proof) external {
        (, uint64 headSize,) = last();
        // An empty log has nothing that could be contradicted: it takes any root. And forge does find recorded ones.
        if (anchorer == address(0) || headSize == 0) return;
        (uint64 recorded,,,) = logger.record(root);
        if (recorded == 0 || recorded != size) mustBeRefused(anchorer, root, size, proof);
    }

    // For the invariants.

    function anchoredCount() external view returns (uint256) {
        return history.length;
    }

    function loggerCount() external view returns (uint256) {
        return loggers.length;
    }

    function allLeaves() external view returns (bytes32[] memory) {
        return leaves;
    }

    // What the calls are made of.

    /// @dev The newest state by the handler's own account, and its sequence in the present contract.
    function last() private view returns (bytes32 root, uint64 size, uint64 sequence) {
        if (history.length == 0) return (EMPTY_ROOT, 0, 0);
        Anchored memory newest = history[history.length - 1];
        return (newest.root, newest.size, newest.sequence);
    }

    function note(bytes32 root, uint64 size, uint64 sequence) private {
        history.push(Anchored(logger, root, size, sequence, uint64(block.timestamp), uint64(block.number)));
    }

    function extend(uint256 count) private returns (bytes32 root, uint64 size, bytes32[] memory proof) {
        count = bound(count, 1, LARGEST_BATCH);
        for (uint256 i = 0; i < count; i++) {
            leaves.push(keccak256(abi.encode("entry", leaves.length)));
        }
        bytes32[] memory all = leaves;
        return (ReferenceTree.root(all, all.length), uint64(all.length), proofIn(all));
    }

    function appoint(address candidate) private {
        vm.prank(OWNER);
        logger.proposeAnchorer(candidate);
        mustNotAnchor(candidate);
        vm.prank(candidate);
        logger.acceptAnchorer();
        address before = anchorer;
        anchorer = candidate;
        mustNotAnchor(before);
    }

    /// @dev The true history and some more, without committing to it.
    function future(uint256 count) private view returns (bytes32[] memory longer) {
        longer = new bytes32[](leaves.length + bound(count, 1, LARGEST_BATCH));
        for (uint256 i = 0; i < longer.length; i++) {
            longer[i] = i < leaves.length ? leaves[i] : keccak256(abi.encode("future entry", i));
        }
    }

    /// @dev From the head's size.
    function proofIn(bytes32[] memory all) private view returns (bytes32[] memory) {
        (, uint64 size,) = last();
        return size == 0 ? none : ReferenceTree.consistency(all, size, all.length);
    }

    /// @dev With an honest extension and an honest proof, so that only the caller can be the reason.
    function mustNotAnchor(address caller) private {
        if (caller == anchorer) return;
        bytes32[] memory all = future(1);
        mustBeRefused(caller, ReferenceTree.root(all, all.length), uint64(all.length), proofIn(all));
    }

    function mustBeRefused(address caller, bytes32 root, uint64 size, bytes32[] memory proof) private {
        vm.prank(caller);
        (bool accepted,) = address(logger).call(abi.encodeCall(AnomalyLogger.anchor, (root, size, proof, "")));
        assertTrue(!accepted, "a call that must be refused was accepted");
    }
}
